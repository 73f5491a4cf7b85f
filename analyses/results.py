"""List a results folder, verify it, clean it up, export a part of it, or share it on the hub.

python -m analyses.results list --results my_results
python -m analyses.results verify
python -m analyses.results clean
python -m analyses.results export --model gemma-3-270m --output mine.tar.gz
python -m analyses.results export-paper article/tvsight
python -m analyses.results push hf://datasets/me/my-results --results my_results
python -m analyses.results pull hf://datasets/me/my-results --results theirs
"""

from tvsight.cli.command import command
from tvsight.cli.results import Options, main

if __name__ == "__main__":
    command(Options, main, __doc__)
