"""Controls: other vectors that are patched in place of the task vector."""

from tvsight.protocol.options import OneVectorOptions

NAME = "controls"
Options = OneVectorOptions
