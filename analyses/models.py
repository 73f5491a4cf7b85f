"""The models that tvsight knows by name, and which of them can be used here and now.

python -m analyses.models
"""

from tvsight.cli.command import command
from tvsight.cli.models import Options, main

if __name__ == "__main__":
    command(Options, main, __doc__)
