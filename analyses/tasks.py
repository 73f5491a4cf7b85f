"""The tasks (Table 1 of the paper and more), and the number of pairs of each that suit a model.

python -m analyses.tasks
python -m analyses.tasks --model gemma-3-270m --tasks paper
"""

from tvsight.cli.command import command
from tvsight.cli.tasks import Options, main

if __name__ == "__main__":
    command(Options, main, __doc__)
