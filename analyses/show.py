"""One episode on the terminal: what was shown, what was asked, and what every procedure answered.

python -m analyses.show antonyms --episode 7
python -m analyses.show antonyms --episode 7 --split dev --model gemma-3-270m --shots 8
"""

from tvsight.cli.command import command
from tvsight.cli.show import Options, main

if __name__ == "__main__":
    command(Options, main, __doc__)
