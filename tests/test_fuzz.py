"""Task and episode files made of broken pieces: read, or refused with a UsageError; never more."""

import csv
import io
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.hostile import WORDS
from tvsight.errors import UsageError
from tvsight.prompts import read_episodes
from tvsight.tasks.files import read_task_file

INPUTS = (200, pytest.param(6_000, marks=pytest.mark.slow))
"""Of each of the four kinds of files."""
SECONDS = 60
"""Of a processor's time, for each kind."""
PIECES = [
    *(word.encode(errors="surrogatepass") for word in WORDS.values()),
    *b'{ } [ ] " , : \\ \n \r \t \x00 \x1b \xff \xc3 \xef\xbb\xbf'.split(b" "),
    *(b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"-0", b"\\ud800", b"\\u0000"),
    *(b"[" * 3000, b'{"a":' * 3000, b'""', b"[[]]", b"{}", b'"pairs"', b'"name"', b'"split"'),
    *(b'"episodes_version"', b"'", b";", b"\xe2\x80\xa8", b'"dev"', b'["a","b"]', b",,", b"\n\n"),
]
TASK = {
    "name": "own",
    "match": "exact",
    "category": "custom",
    "description": "d",
    "pairs": [["a", "b"], ["c", ["d", "e"]], ["é", "😀"]],
}
EPISODE = {
    "task": "t",
    "split": "dev",
    "demonstrations": [[" a", " b"], [" c", " d"]],
    "query": " e",
    "accepted": [" f"],
    "dummy_queries": [" g"],
}


def json_task(rng: random.Random) -> bytes:
    return json.dumps(changed(TASK, rng), ensure_ascii=rng.random() < 0.5).encode(
        errors="surrogatepass"
    )


def examples(rng: random.Random) -> bytes:
    rows = [{"input": x, "output": y} for x, y in (("a", "b"), ("a ", "c"), ("é\n", ["d", "😀"]))]
    return json.dumps(changed(rows, rng), ensure_ascii=rng.random() < 0.5).encode(
        errors="surrogatepass"
    )


def csv_task(rng: random.Random) -> bytes:
    rows = [("a", "b"), ("c", "d,e"), ("é", '"😀"'), ("x", "y", "z")]
    text = io.StringIO()
    csv.writer(text, quoting=rng.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])).writerows(
        rng.sample(rows, rng.randrange(len(rows) + 1))
    )
    return text.getvalue().encode()


def episode_lines(rng: random.Random) -> bytes:
    lines: list[Any] = [{"episodes_version": 1, "tvsight": "0.1.0"}] if rng.random() < 0.5 else []
    lines += [EPISODE, EPISODE | {"split": "test", "query": " h"}]
    if rng.random() < 0.7:
        number = rng.randrange(len(lines))
        lines[number] = changed(lines[number], rng)
    return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode(
        errors="surrogatepass"
    )


def changed(value: Any, rng: random.Random) -> Any:
    """A JSON value with some of what is in it replaced, repeated or left out."""
    if rng.random() < 0.12:
        return rng.choice(
            [None, True, -1, 1e308, "", " ", [], {}, [[]], {"a": 1}, "\ud800", "x" * 300]
            if rng.random() < 0.7
            else list(WORDS.values())
        )
    if isinstance(value, dict):
        kept = {key: changed(of, rng) for key, of in value.items() if rng.random() > 0.02}
        return kept | ({rng.choice(list(WORDS.values())): 1} if rng.random() < 0.05 else {})
    if isinstance(value, list):
        return [changed(of, rng) for of in value for _ in range(rng.choice([1] * 20 + [0, 2]))]
    return value


def broken(content: bytes, rng: random.Random) -> bytes:
    """Bytes with up to three pieces cut out, doubled or put in."""
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.choice([0, 1, 2, 8, 40]))
        middle = rng.choice([b"", content[start:end] * 2, rng.choice(PIECES), rng.randbytes(2)])
        content = content[:start] + middle + content[end:]
    return content


@pytest.mark.filterwarnings("ignore::tvsight.errors.Remark")
@pytest.mark.parametrize(
    ("name", "made", "read"),
    [
        ("own.json", json_task, lambda file: read_task_file(str(file))),
        ("examples.json", examples, lambda file: read_task_file(str(file))),
        ("own.csv", csv_task, lambda file: read_task_file(str(file))),
        ("own.jsonl", episode_lines, read_episodes),
    ],
)
@pytest.mark.parametrize("inputs", INPUTS)
def test_any_file_is_read_or_refused(
    tmp_path: Path,
    inputs: int,
    name: str,
    made: Callable[[random.Random], bytes],
    read: Callable[[Path], Any],
) -> None:
    file, rng, outcomes = tmp_path / name, random.Random(name), {"read": 0, "refused": 0}
    end, longest = time.process_time() + SECONDS, 0
    for number in range(inputs):
        content = broken(made(rng), rng)
        file.write_bytes(content)
        try:
            read(file)
        except UsageError as refusal:
            outcomes["refused"] += 1
            longest = max(longest, len(str(refusal)))
        except Exception as error:  # the test is about exactly these
            raise AssertionError(f"input {number}: {error!r} for {content!r}") from error
        else:
            outcomes["read"] += 1
        assert time.process_time() < end, f"{number} inputs took longer than {SECONDS} s"
    assert min(outcomes.values()) > inputs / 100, outcomes
    assert longest < 1000 + len(str(file)), "a message that nobody can read"


@pytest.mark.parametrize("place", ["pair", "answer", "name", "pairs"])
def test_json_of_any_depth_is_refused(tmp_path: Path, place: str) -> None:
    """Also where it is just not too deep to be read, but too deep to be shown."""
    file = tmp_path / "own.json"
    for depth in [*range(1, 50, 10), *range(850, 1010), 10_000]:
        deep = "[" * depth + "]" * depth
        parts = {"name": '"own"', "pairs": '[["a", "b"]]'} | {
            "pair": {"pairs": f"[{deep}]"},
            "answer": {"pairs": f'[["a", [{deep}]]]'},
            "name": {"name": deep},
            "pairs": {"pairs": deep},
        }[place]
        file.write_text("{" + ", ".join(f'"{key}": {of}' for key, of in parts.items()) + "}")
        with pytest.raises(UsageError):
            read_task_file(str(file))


def test_too_many_pairs_are_refused_and_a_hundred_thousand_are_read(tmp_path: Path) -> None:
    rows = [[f"x{number}", f"y{number}"] for number in range(200_000)]
    (tmp_path / "own.json").write_text(json.dumps({"name": "own", "pairs": rows}))
    (tmp_path / "own.csv").write_text("".join(f"{x},{y}\n" for x, y in rows))
    for name in ("own.json", "own.csv"):
        with pytest.raises(UsageError, match="200000 pairs; at most 100000 are read"):
            read_task_file(str(tmp_path / name))
    (tmp_path / "own.csv").write_text("".join(f"{x},{y}\n" for x, y in rows[:100_000]))
    assert len(read_task_file(str(tmp_path / "own.csv")).pairs) == 100_000


@pytest.mark.parametrize("name", ["own.json", "own.csv"])
def test_a_text_of_ten_megabytes_is_refused_and_not_repeated(tmp_path: Path, name: str) -> None:
    long = "x" * 10_000_000
    json_form = json.dumps({"name": "own", "pairs": [["a", long]]})
    (tmp_path / name).write_text(json_form if name.endswith("json") else f"a,{long}\n")
    with pytest.raises(UsageError) as refused:
        read_task_file(str(tmp_path / name))
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("name", ["a\x00b.json", "\ud800.json", "x" * 5000 + ".csv"])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        read_task_file(name)
    with pytest.raises(UsageError):
        read_episodes(Path(name))
