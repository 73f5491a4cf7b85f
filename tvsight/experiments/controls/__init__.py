"""Controls: other vectors that are patched in place of the task vector."""

from tvsight.config import VECTOR_RULES
from tvsight.protocol.options import OneVectorOptions

NAME = "controls"
RENAMED = "renamed_labels"
"""The folder of consistently renamed labels."""
Options = OneVectorOptions
RULES = VECTOR_RULES
