"""Run the steps of an experiment in this process."""

from tvsight.execution.here import Here
from tvsight.execution.jobs import Measured, Steps
from tvsight.interventions.decoder import Decoder


def complete(steps: Steps[Measured], decoder: Decoder, place: Here | None = None) -> Measured:
    """Run every job of `steps` in this process and return what was measured."""
    here = place or Here()
    try:
        jobs = next(steps)
        while True:
            jobs = steps.send([here.begin(decoder, job, "").result() for job in jobs])
    except StopIteration as end:
        measured: Measured = end.value
        return measured
