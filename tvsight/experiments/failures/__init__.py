"""Wrong answers of in-context learning and of the task vector."""

from tvsight.config import RunConfig

NAME = "failures"
Options = RunConfig
