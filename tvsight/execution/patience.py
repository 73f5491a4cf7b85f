"""Which failures of a server are waited out, how often, and with which pauses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

Result = TypeVar("Result")

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
"""Between attempts, doubling, with jitter."""


@dataclass(frozen=True)
class Patience:
    """How long an unwilling server is put up with."""

    retries: int = 5
    """Further attempts after a fault, per request and per job."""
    request_s: float = 30.0
    """Time for one request and its answer, beside that of a large body."""
    job_s: float = 5400.0
    """Time for a job, from the moment that this process waits for it."""
    lost_s: float = 120.0
    """A job that does not move for so long after the server had a fault is taken for lost."""
    unconfirmed_s: float = 10.0
    """So long a job is looked for that the server may have accepted, or not."""
    poll_s: float = 1.0
    """Between two questions about the same job."""


class Fault(Exception):
    """A failure of the server or the connection that may pass.

    Attributes:
        unheard: whether the server certainly did nothing about the request.
    """

    def __init__(self, text: str, unheard: bool = False) -> None:
        super().__init__(text)
        self.unheard = unheard


def patiently(
    ask: Callable[[], Result],
    tries: int,
    passes: Callable[[BaseException], bool],
    note: Callable[[str], None],
) -> Result:
    """`ask()`, again after growing pauses while it raises what `passes`, `tries` times in all.

    Args:
        note: is told what was raised and tried again.

    Raises:
        Exception: the last, as it was raised.
    """
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(passes),
        wait=_pauses(),
        stop=tenacity.stop_after_attempt(tries),
        before_sleep=lambda state: note(str(state.outcome and state.outcome.exception())),
        reraise=True,
    )
    return attempts(ask)


def pause(attempt: int) -> float:
    """Seconds to wait after so many failed attempts, for one who has other things to do then."""
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    state.attempt_number = attempt
    return _pauses()(state)


def _pauses() -> tenacity.wait_exponential_jitter:
    return tenacity.wait_exponential_jitter(FIRST_WAIT_S, LONGEST_WAIT_S)
