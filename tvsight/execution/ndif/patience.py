"""Timeouts and retries."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from tvsight.execution.ndif.exchange import TOLD_EVERY_S

Result = TypeVar("Result")

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
"""Pauses between attempts, doubling, with jitter."""


@dataclass(frozen=True)
class Patience:
    """Timeouts and numbers of retries for one server."""

    retries: int = 5
    """Further attempts after a fault, per request and per job."""
    request_s: float = 30.0
    """Time for one request and its answer, beside the time of a large body."""
    job_s: float = 5400.0
    """Time for a job, since this process began to wait for it."""
    lost_s: float = 120.0
    """Time without a change after a fault of the server, from which a job counts as lost."""
    unconfirmed_s: float = 10.0
    """Time to look for a job that the server may have accepted, or not."""
    poll_s: float = 1.0
    """Time between two questions about the same job."""


class Fault(Exception):
    """A failure of the server or the connection that may pass.

    Attributes:
        unheard: whether the server certainly did not receive the request.
        busy: whether a server answered that it cannot serve now.
    """

    def __init__(self, text: str, unheard: bool = False, busy: bool = False) -> None:
        super().__init__(text)
        self.unheard = unheard
        self.busy = busy


def patiently(
    ask: Callable[[], Result],
    tries: int,
    passes: Callable[[BaseException], bool],
    note: Callable[[str], None],
    tell: Callable[[str], None],
) -> Result:
    """Call `ask` up to `tries` times, with growing pauses, while its error `passes`.

    Args:
        note: called with the text of an error that is followed by another try.
        tell: called with the same as a sentence, and every few seconds with the rest of the pause.

    Raises:
        Exception: the last, as it was raised.
    """

    def noted(state: tenacity.RetryCallState) -> None:
        fault = str(state.outcome and state.outcome.exception())
        note(fault)
        upcoming = f"the next one in {state.upcoming_sleep:.0f} s"
        tell(f"{fault} (try {state.attempt_number} of {tries}, {upcoming})")

    def sleep(seconds: float) -> None:
        while seconds > TOLD_EVERY_S:
            time.sleep(TOLD_EVERY_S)
            seconds -= TOLD_EVERY_S
            tell(f"The next try is in {seconds:.0f} s")
        time.sleep(seconds)

    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(passes),
        wait=_pauses(),
        stop=tenacity.stop_after_attempt(tries),
        before_sleep=noted,
        sleep=sleep,
        reraise=True,
    )
    return attempts(ask)


def pause(attempt: int) -> float:
    """Seconds to wait after a number of failed attempts, for a caller that does not sleep."""
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    state.attempt_number = attempt
    return _pauses()(state)


def _pauses() -> tenacity.wait_exponential_jitter:
    return tenacity.wait_exponential_jitter(FIRST_WAIT_S, LONGEST_WAIT_S)
