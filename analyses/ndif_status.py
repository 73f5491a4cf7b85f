"""The state of an NDIF server: deployed models, versions, and the jobs that were sent to it.

python -m analyses.ndif_status
python -m analyses.ndif_status --host http://127.0.0.1:8001 --results my_results
python -m analyses.ndif_status --forget 6bfb37c98050411c9b9e8aca597be3df
"""

from tvsight.cli.command import command
from tvsight.cli.ndif_status import Options, main

if __name__ == "__main__":
    command(Options, main, __doc__)
