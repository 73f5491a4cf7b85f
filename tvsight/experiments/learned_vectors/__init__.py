"""Learned vectors beside extracted ones: how much of a task fits one vector."""

from tvsight.config import RULES as ALL_RULES
from tvsight.config import RunConfig

NAME = "learned_vectors"
Options = RunConfig
RULES = ALL_RULES._replace(unused={"vectors": "it stores no vectors."})
BLOCKS = 6
"""Blocks after which vectors are learned, for each operation."""
OPERATIONS = {"overwrite": "written over", "add": "added"}
LOSSES = {"answer": "answers", "icl": "KL to ICL", "permuted": "permuted answers"}
"""The aims of a training."""
