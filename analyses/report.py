"""One page to explore all results, in one file that opens without anything installed.

    python -m analyses.report --results my_results
    python -m analyses.report --output for_a_colleague.html --model gemma-3-270m

It is drawn from the store alone: no model is loaded, and nothing is measured. Models and tasks,
prompts and answers, comparisons and figures are in the file; it asks no server for anything.
"""

from tvsight.cli.command import command
from tvsight.cli.report import Options, main

if __name__ == "__main__":
    command(Options, main, __doc__)
