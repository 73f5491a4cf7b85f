"""Episodes as JSON lines, so that a measurement can be replayed exactly."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from tvsight.errors import UsageError
from tvsight.prompts.episodes import SPLITS, Episode, Split
from tvsight.tasks.files import is_encodable

FORM = (
    '{"task": ..., "split": "dev" or "test", "demonstrations": [[x, y], ...], "query": ..., '
    '"accepted": [...], "dummy_queries": [...]}'
)


def write_episodes(path: Path, episodes: Iterable[Episode]) -> None:
    """One episode a line."""
    path.write_text("".join(_line(episode) + "\n" for episode in episodes), encoding="utf-8")


def read_episodes(path: Path) -> list[Episode]:
    """The episodes of a file, in its order.

    Raises:
        UsageError: with the file, the line, and what was expected.
    """
    try:
        # Not splitlines(): a word may hold a character that it takes for a line break.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise UsageError(f"--episodes {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--episodes {path}: not UTF-8 text (byte {error.start}).") from error
    episodes = [
        _episode(line, f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not episodes:
        raise UsageError(f"--episodes {path}: no episodes in it.")
    for task in dict.fromkeys(episode.task for episode in episodes):
        missing = set(SPLITS) - {e.split for e in episodes if e.task == task}
        if missing:
            raise UsageError(
                f"--episodes {path}: task {task} has no {' and no '.join(sorted(missing))} "
                "episodes; the layer is chosen on dev and reported on test."
            )
    return episodes


def episodes_digest(episodes: Iterable[Episode]) -> str:
    """SHA-256 of episodes, as they would be written."""
    text = "\n".join(_line(episode) for episode in episodes)
    return hashlib.sha256(text.encode()).hexdigest()


def _line(episode: Episode) -> str:
    fields = {
        "task": episode.task,
        "split": episode.split,
        "demonstrations": [list(pair) for pair in episode.demonstrations],
        "query": episode.query,
        "accepted": list(episode.accepted),
        "dummy_queries": list(episode.dummy_queries),
    }
    return json.dumps(fields, ensure_ascii=False)


def _episode(line: str, place: str) -> Episode:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place}: not JSON. Each line was expected to be {FORM}") from error
    if not isinstance(fields, dict):
        raise UsageError(f"{place}: a JSON object was expected: {FORM}")
    try:
        episode = Episode(
            task=_word(fields["task"]),
            split=cast(Split, _word(fields["split"])),
            demonstrations=_demonstrations(fields["demonstrations"]),
            query=_word(fields["query"]),
            accepted=_words(fields["accepted"]),
            dummy_queries=_words(fields["dummy_queries"]),
        )
    except KeyError as error:
        raise UsageError(f"{place}: {error.args[0]} is missing. Expected: {FORM}") from error
    except TypeError as error:
        raise UsageError(f"{place}: a value of the wrong kind. Expected: {FORM}") from error
    _check(episode, place)
    return episode


def _check(episode: Episode, place: str) -> None:
    if episode.split not in SPLITS:
        raise UsageError(f"{place}: split {episode.split!r}: dev or test was expected.")
    if not (episode.demonstrations and episode.accepted and episode.dummy_queries):
        raise UsageError(
            f"{place}: at least one demonstration, accepted answer and dummy query were expected."
        )


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not is_encodable(value):
        raise TypeError
    return value


def _demonstrations(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list) or not all(isinstance(p, list) and len(p) == 2 for p in value):
        raise TypeError
    return tuple((_word(x), _word(y)) for x, y in value)


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(_word(item) for item in value)
