"""What in-context learning and the task vector answer when they are wrong."""

from tvsight.config import RunConfig

NAME = "failures"
Options = RunConfig
