"""Every figure and table in one go.

Each model is loaded once, what is in the store is not run again, and an analysis that cannot be
made does not keep the others from it. On the embedded model all of it takes about an hour on two
cores; with --redraw, which needs no model, a minute.

    python -m analyses.all --results my_results
    python -m analyses.all --redraw
"""

from tvsight.cli.all import Options, main
from tvsight.cli.command import command

if __name__ == "__main__":
    command(Options, main, __doc__)
