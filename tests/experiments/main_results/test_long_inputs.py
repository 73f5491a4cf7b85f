"""Tasks of long inputs: measured, shown in short, and refused beyond the context window."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.commands import Finished, analysis
from tests.helpers.tiny_models import WORDS
from tvsight.tasks.words import MAX_WORD

pytestmark = pytest.mark.slow

Checkpoints = Callable[[str], Path]


@pytest.fixture
def news(tmp_path: Path) -> Path:
    """A list of examples whose first input is as long as may be."""
    text = " ".join(WORDS)  # few tokens
    inputs = [f"{text}\n" * 100, *(f"{text}\n{number}\n" for number in range(23))]
    inputs[0] = inputs[0][: MAX_WORD - 1] + "."
    examples = [
        {"input": given, "output": WORDS[number % len(WORDS)]}
        for number, given in enumerate(inputs)
    ]
    file = tmp_path / "long-news.json"
    file.write_text(json.dumps(examples))
    return file


def measured(checkpoint: Path, news: Path) -> Finished:
    options = ("--episodes-per-split", "12", "--shots", "2", "--no-vectors")
    where = ("--model", checkpoint, "--results", news.parent / "results")
    return analysis("main_results", *where, "--tasks", "none", "--task-file", news, *options)


def test_a_long_input_is_measured_whole_and_shown_in_short(
    tiny_checkpoint: Checkpoints, news: Path
) -> None:
    ended = measured(tiny_checkpoint("bloom"), news)
    told = f"note: {news}: white space at the ends of 23 texts is left out.\n"
    assert (ended.returncode, ended.stderr) == (0, told)
    (line,) = [line for line in ended.stdout.splitlines() if line.startswith("long-news: ")]
    assert line.endswith("  first pair hot cold big small up down fast slow li… → hot")
    assert max(map(len, ended.stdout.splitlines())) < 400
    (rows,) = (news.parent / "results").glob("main_results/*/long-news-*/rows.parquet")
    assert pd.read_parquet(rows)["query"].str.strip().str.len().max() == MAX_WORD
    for file in (news.parent / "results" / "tables").iterdir():
        assert max(map(len, file.read_text().splitlines())) < 1500, file.name


def test_a_prompt_beyond_the_context_window_is_refused_in_one_line_before_measuring(
    tiny_checkpoint: Checkpoints, news: Path
) -> None:
    ended = measured(tiny_checkpoint("gpt2"), news)
    assert ended.returncode == 1
    assert ended.stderr.startswith("note: ")
    assert len(ended.stderr.splitlines()) == 1
    told = [line for line in ended.stdout.splitlines() if line.startswith("long-news: ")]
    assert len(told) == 1
    assert told[0].startswith("long-news: failed. The longest prompt has ")
    assert "-gpt2 is 128 tokens (1 of 36 prompts is longer)" in told[0]
    assert told[0].endswith(
        "Give fewer demonstrations (--shots), shorter inputs, or a model with a longer window."
    )
    assert list((news.parent / "results").glob("main_results/*/*")) == []
