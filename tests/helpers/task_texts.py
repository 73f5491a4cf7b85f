"""Texts and pairs of task files, and the message that refuses one."""

from pathlib import Path

import pytest
from hypothesis import strategies as st

from tvsight.errors import UsageError
from tvsight.tasks import Pair
from tvsight.tasks.files import read_task_file

TEXT = (
    st.text(
        st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff"),
        min_size=1,
        max_size=12,
    )
    .map(str.strip)
    .filter(bool)
)


PAIRS = st.dictionaries(
    TEXT, st.lists(TEXT, min_size=1, max_size=3, unique=True), min_size=1, max_size=8
)


FORWARD = {
    **{"name": "a_b", "title": "a → b", "category": "knowledge"},
    **{"description": "from a to b", "match": "exact"},
}


INVERSE = {**FORWARD, "name": "b_a", "match": "prefix"}


def made(pairs: dict[str, list[str]]) -> tuple[Pair, ...]:
    return tuple(Pair(given, tuple(answers)) for given, answers in pairs.items())


def refusal(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UsageError) as refused:
        read_task_file(str(path))
    return str(refused.value)
