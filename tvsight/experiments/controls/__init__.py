"""Controls: other vectors that are patched in place of the task vector."""

from tvsight.config import RunConfig

NAME = "controls"
Options = RunConfig
