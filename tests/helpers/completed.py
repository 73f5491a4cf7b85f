"""Run the steps of an experiment in this process."""

from itertools import count

from tvsight.execution.here import Here
from tvsight.execution.jobs import Measured, Steps
from tvsight.interventions.decoder import Decoder


def complete(steps: Steps[Measured], decoder: Decoder, place: Here | None = None) -> Measured:
    """Run every job of `steps` in this process and return what was measured."""
    here, number = place or Here(), count()
    try:
        jobs = next(steps)
        while True:
            begun = [here.begin(decoder, job, f"task-{next(number)}") for job in jobs]
            jobs = steps.send([job.result() for job in begun])
    except StopIteration as end:
        measured: Measured = end.value
        return measured
