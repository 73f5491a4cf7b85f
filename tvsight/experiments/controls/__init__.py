"""Controls: other vectors that are patched in place of the task vector."""

from tvsight.experiments.main_results import OneVectorOptions

NAME = "controls"
Options = OneVectorOptions
