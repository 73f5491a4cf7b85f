"""Write and read episodes as JSON lines, so that a measurement can be replayed exactly.

tvsight writes the version of the format on the first line. A file written by hand may leave it out.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields as fields_of
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from tvsight.errors import UsageError, nearest, option
from tvsight.foreign import Unusable, parsed, read_text
from tvsight.prompts.episodes import SPLITS, Episode, Split
from tvsight.tasks.words import is_encodable, shown
from tvsight.writing import VERSION, has, reason, refuse_foreign, whole_file

EPISODES_VERSION = 1
VERSION_KEY = "episodes_version"
is_own = has(f'{{"{VERSION_KEY}": '.encode())
"""Whether `write_episodes` has written a file, which may be replaced then."""
MAX_WORD = 5000
"""Most characters in a word: more than in a task file, for the space that a word begins with."""
MAX_FILE_BYTES = 500_000_000

FORM = (
    '{"task": ..., "split": "dev" or "test", "demonstrations": [[x, y], ...], "query": ..., '
    '"accepted": [...], "dummy_queries": [...]}'
)


def check_target(path: Path) -> None:
    """Check that episodes may be written to a file, before anything is measured.

    Raises:
        UsageError: when something else is there.
    """
    try:
        refuse_foreign(path, is_own)
    except (OSError, ValueError) as error:
        raise UsageError(f"{option('save_episodes', path)}: {reason(error)}") from error


def write_episodes(path: Path, episodes: Iterable[Episode]) -> None:
    """Write a line with the version of the format, then one episode a line.

    Raises:
        OSError: when the file cannot be written, or is none of tvsight's; an earlier one is
            untouched.
    """
    header = json.dumps({VERSION_KEY: EPISODES_VERSION, "tvsight": VERSION})
    with whole_file(path, is_own) as new:
        lines = [header, *map(_line, episodes)]
        new.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_episodes(path: Path) -> list[Episode]:
    """Read the episodes of a file, in its order.

    Raises:
        UsageError: when the file is no file of episodes; it names the line and what was expected.
    """
    try:
        # Not splitlines(): it also splits at characters that a word may contain.
        lines = read_text(path, MAX_FILE_BYTES).split("\n")
    except Unusable as error:
        raise UsageError(f"{option('episodes', path)}: {error}.") from error
    episodes: list[Episode] = []
    asked: dict[Episode, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        fields = _fields(line, f"{path}, line {number}")
        if number == 1 and VERSION_KEY in fields:
            _check_version(fields, path)
            continue
        episode = _episode(fields, f"{path}, line {number}")
        twin = replace(episode, split="test" if episode.split == "dev" else "dev")
        if twin in asked:
            raise UsageError(
                f"{path}, line {number}: the episode of line {asked[twin]}, there in the split "
                f"{twin.split}. The layer is chosen on dev, so none of its episodes can be a test."
            )
        asked.setdefault(episode, number)
        episodes.append(episode)
    if not episodes:
        raise UsageError(f"{option('episodes', path)}: no episodes in it.")
    for task in dict.fromkeys(episode.task for episode in episodes):
        missing = set(SPLITS) - {e.split for e in episodes if e.task == task}
        if missing:
            raise UsageError(
                f"{option('episodes', path)}: task {task} has no "
                f"{' and no '.join(sorted(missing))} episodes; the layer is chosen on dev and "
                "reported on test."
            )
    return episodes


def episodes_digest(episodes: Iterable[Episode]) -> str:
    """SHA-256 of episodes in the form in which they are written."""
    return hashlib.sha256("\n".join(_line(episode) for episode in episodes).encode()).hexdigest()


def _line(episode: Episode) -> str:
    return json.dumps(vars(episode), ensure_ascii=False)


def _fields(line: str, where: str) -> dict[str, Any]:
    try:
        fields = parsed(line)
    except Unusable as error:
        raise UsageError(f"{where}: {error}.") from error
    except ValueError as error:
        raise UsageError(f"{where}: not JSON. Each line was expected to be {FORM}") from error
    if not isinstance(fields, dict):
        raise UsageError(f"{where}: a JSON object was expected: {FORM}")
    return fields


def _check_version(fields: dict[str, Any], path: Path) -> None:
    if fields[VERSION_KEY] != EPISODES_VERSION:
        writer = shown(fields.get("tvsight", "of an unknown version")).strip("'")
        raise UsageError(
            f"{option('episodes', path)}: version {shown(fields[VERSION_KEY])} of episode files, "
            f"written by tvsight {writer}; tvsight {VERSION} reads version "
            f"{EPISODES_VERSION}. Save the episodes again, or use that tvsight."
        )


def _episode(fields: dict[str, Any], where: str) -> Episode:
    known = [entry.name for entry in fields_of(Episode)]
    for name in fields:
        if name not in known:
            raise UsageError(
                f"{where}: unknown key {shown(name)}.{nearest(name, known)} Expected: {FORM}"
            )
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
        raise UsageError(f"{where}: {error.args[0]} is missing. Expected: {FORM}") from error
    except TypeError as error:
        raise UsageError(f"{where}: a value of the wrong kind. Expected: {FORM}") from error
    except OverflowError as error:
        raise UsageError(f"{where}: a word of more than {MAX_WORD} characters.") from error
    _check(episode, where)
    return episode


def _check(episode: Episode, where: str) -> None:
    query, dummies = episode.query.strip(), [given.strip() for given in episode.dummy_queries]
    if episode.split not in SPLITS:
        problem = f"split {shown(episode.split)}: dev or test was expected."
    elif not (episode.demonstrations and episode.accepted and episode.dummy_queries):
        problem = "at least one demonstration, accepted answer and dummy query were expected."
    elif query in {given.strip() for given, _ in episode.demonstrations}:
        problem = (
            f"the query {shown(query)} is among its own demonstrations, which show its answer; "
            "other inputs were expected there."
        )
    elif query in dummies:
        problem = (
            f"the query {shown(query)} is among its own dummy queries; the task vector is read "
            "from prompts that do not contain it."
        )
    elif len(set(dummies)) < len(dummies):
        problem = (
            "a dummy query is there twice; different ones were expected, since the task vector is "
            "the mean over them."
        )
    else:
        return
    raise UsageError(f"{where}: {problem}")


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not is_encodable(value):
        raise TypeError
    if len(value) > MAX_WORD:
        raise OverflowError
    return value


def _demonstrations(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list) or not all(isinstance(p, list) and len(p) == 2 for p in value):
        raise TypeError
    return tuple((_word(x), _word(y)) for x, y in value)


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(_word(item) for item in value)
