"""Inputs made of broken pieces: files of users, results of others, and what a server says."""

import csv
import io
import json
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from nnsight.ndif import get_local_env
from safetensors.torch import save

from tests.helpers.commands import ROOT
from tests.helpers.example_method import example
from tests.helpers.hostile import WORDS

PIECES = [
    *(word.encode(errors="surrogatepass") for word in WORDS.values()),
    *b'{ } [ ] " , : \\ \n \r \t \x00 \x1b \xff \xc3 \xef\xbb\xbf'.split(b" "),
    *(b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"-0", b"\\ud800", b"\\u0000"),
    *(b"[" * 3000, b'{"a":' * 3000, b'""', b"[[]]", b"{}", b'"pairs"', b'"name"', b'"split"'),
    *(b'"episodes_version"', b"'", b";", b"\xe2\x80\xa8", b'"dev"', b'["a","b"]', b",,", b"\n\n"),
]
NONE: list[Any] = ["", " ", [], {}, [[]], {"a": 1}]
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
    return as_json(TASK, rng)


def examples(rng: random.Random) -> bytes:
    rows = [{"input": x, "output": y} for x, y in (("a", "b"), ("a ", "c"), ("é\n", ["d", "😀"]))]
    return as_json(rows, rng)


def csv_task(rng: random.Random) -> bytes:
    rows = [("a", "b"), ("c", "d,e"), ("é", '"😀"'), ("x", "y", "z")]
    text = io.StringIO()
    csv.writer(text, quoting=rng.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])).writerows(
        rng.sample(rows, rng.randrange(len(rows) + 1))
    )
    return broken(text.getvalue().encode(), rng)


def episode_lines(rng: random.Random) -> bytes:
    lines: list[Any] = [{"episodes_version": 1, "tvsight": "0.1.0"}] if rng.random() < 0.5 else []
    lines += [EPISODE, EPISODE | {"split": "test", "query": " h"}]
    if rng.random() < 0.7:
        number = rng.randrange(len(lines))
        lines[number] = changed(lines[number], rng)
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    return broken(text.encode(errors="surrogatepass"), rng)


def changed(value: Any, rng: random.Random) -> Any:
    """A JSON value with a few of all that is in it replaced, repeated or left out; often none."""
    return _changed(value, rng, rng.choice([0, 1, 2, 3]) / _size(value))


def _size(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value
    return 1 + (sum(map(_size, inside)) if isinstance(value, dict | list) else 0)


def _changed(value: Any, rng: random.Random, share: float) -> Any:
    if rng.random() < share:
        odd = [None, True, -1, 1e308, float("nan"), 10**400, 2**62, *NONE, "\ud800", "x" * 300]
        return rng.choice(odd if rng.random() < 0.7 else list(WORDS.values()))
    if isinstance(value, dict):
        kept = {key: _changed(of, rng, share) for key, of in value.items() if rng.random() > 0.01}
        return kept | ({rng.choice(list(WORDS.values())): 1} if rng.random() < 0.02 else {})
    if isinstance(value, list):
        times = [1] * 40 + [0, 2] if len(value) < 20 else [1]
        return [_changed(of, rng, share) for of in value for _ in range(rng.choice(times))]
    return value


def broken(content: bytes, rng: random.Random) -> bytes:
    """Bytes with up to three pieces cut out, doubled or put in."""
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.choice([0, 1, 2, 8, 40]))
        middle = rng.choice([b"", content[start:end] * 2, rng.choice(PIECES), rng.randbytes(2)])
        content = content[:start] + middle + content[end:]
    return content


def as_json(value: Any, rng: random.Random) -> bytes:
    """A JSON value with changes, as text that may be broken."""
    text = json.dumps(changed(value, rng), ensure_ascii=rng.random() < 0.5)
    return broken(text.encode(errors="surrogatepass"), rng)


def prompts(rng: random.Random) -> bytes:
    file = ROOT / "tests" / "data" / "function_vectors" / "country_capital.json"
    content = json.loads(file.read_bytes())
    few = {name: of[:1] if isinstance(of, list) else of for name, of in content.items()}
    return as_json(few, rng) if rng.random() < 0.9 else broken(file.read_bytes(), rng)


ENDS = (
    *("raise SystemExit(0)", "import sys; sys.exit('no')", "raise KeyError", "x", "(", "1 / 0"),
    *("raise type('Own', (BaseException,), {})", "KEY = '../x'", "TITLE = 3", "METHOD = None"),
    *("raise GeneratorExit", "def f(): f()\nf()", "KEY = '\ud800'", "TITLE = '\x1b[31m'"),
    *("raise ValueError('x' * 10**6)", "del KEY", "METHOD = Method", "raise MemoryError"),
)


def method(rng: random.Random) -> bytes:
    """The example of the documentation, with a line more, or broken."""
    lines = example().splitlines()
    lines.insert(len(lines) if rng.random() < 0.5 else 0, rng.choice([*ENDS, *["# whole"] * 6]))
    text = "\n".join(lines).encode(errors="surrogatepass")
    return broken(text, rng) if rng.random() < 0.3 else text


def vectors(depth: int, width: int, origin: dict[str, str]) -> Callable[[random.Random], bytes]:
    """Files of vectors of a model.

    Args:
        origin: how they name it.
    """
    estimate = {"value": 0.5, "low": 0.1, "high": 0.9, "n": 4, "distinct": 4}
    test = dict.fromkeys(("baseline", "icl", "vector"), estimate)
    dev = [0.25] * depth
    about = {"episodes": 4, "layer": 2, "identified": True, "dev": dev, "test": test}
    fields = {**origin, "task": "t", "kind": "k", "layer": "2", "adds": "False"}
    fields |= {"template": "{x}->{y}\n", "spaced": "True", "version": "0.1.0"}

    def made(rng: random.Random) -> bytes:
        report = {"report": json.dumps(changed(about, rng))} if rng.random() < 0.8 else {}
        shape = (
            (depth, width) if rng.random() < 0.9 else rng.choice([(), (0,), (depth,), (1, 2, 3)])
        )
        kinds = [torch.float32] * 6 + [torch.float16, torch.int64, torch.bool, torch.float64]
        kinds += [torch.complex64, torch.float8_e4m3fn]
        values = torch.zeros(shape).to(rng.choice(kinds))
        content = save({"values": values}, told({**fields, **report}, rng))
        return broken(content, rng) if rng.random() < 0.4 else content

    return made


def told(fields: dict[str, str], rng: random.Random) -> dict[str, str]:
    """Metadata with some texts replaced or left out."""
    odd = ["", "9" * 5000, "-1", "x", "\u0663", "True", *WORDS.values()]
    kept = {name: of for name, of in fields.items() if rng.random() > 0.02}
    return {name: rng.choice(odd) if rng.random() < 0.08 else of for name, of in kept.items()}


DEPLOYED = {
    "name": "n",
    "repo_id": "org/model",
    "revision": "main",
    "model_key": "key",
    "application_state": "RUNNING",
    "deployment_level": "HOT",
    "pinned": True,
    "dtype": "bfloat16",
    "execution_timeout_seconds": 3600.0,
}
SAID: dict[str, tuple[int, Any]] = {
    "/connected": (200, {"status": "connected"}),
    "/request": (422, {"id": "id", "detail": "a blob is missing"}),
    "/env": (200, get_local_env()),
    "/status": (200, {"deployments": {"one": DEPLOYED, "two": DEPLOYED}}),
    "/response": (
        200,
        {"id": "id", "status": "COMPLETED", "description": "d", "data": "http://s/"},
    ),
}
"""Status and content of the answers of a server, by path."""


def decoder(key: str) -> Any:
    """A decoder whose model has a key on the server."""
    return SimpleNamespace(nn=SimpleNamespace(to_model_key=lambda: key))


def link(content: bytes) -> str:
    """An address out of an answer, or what was left of it."""
    return "http://store/" if len(content) % 2 else content.decode(errors="replace")[:100]
