"""Requests whose measurement a test replaces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tvsight.prompts import Episode
from tvsight.run.planning import Request

Steps = Callable[[Request, Any], Any]
"""Takes the request that is replaced, and the model."""


@dataclass(frozen=True)
class OtherSteps(Request):
    """A request with other steps."""

    inner: Request
    other: Steps

    def steps(self, model: Any) -> Any:
        return self.other(self.inner, model)

    def line(self, rows: pd.DataFrame) -> str:
        return self.inner.line(rows)

    def episodes(self, model: Any) -> Sequence[Episode]:
        return self.inner.episodes(model)


def with_steps(request: Request, other: Steps) -> Request:
    """The request, measured by `other`."""
    needs_vectors = request.needs_vectors
    return OtherSteps(request.plan, request.identity, request, other, needs_vectors=needs_vectors)
