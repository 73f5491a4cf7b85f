"""Replay of the authors' own code: the same episodes on the same model give the same answers."""

import json

import pytest

from tests.helpers.commands import ROOT
from tests.helpers.embedded import needs_embedded
from tests.helpers.reads import answers_of
from tvsight.execution.here import run
from tvsight.models import EMBEDDED
from tvsight.models.loading import Model, load
from tvsight.prompts import read_episodes, template, tokenise
from tvsight.protocol.measure import best_layers, measure_dev, measure_test
from tvsight.tasks import task

DATA = ROOT / "tests" / "data" / "authors"
OTHERS = ("antonyms", "country_capital", "es_en", "list_last")
TASKS = ["next_letter", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
SWEPT = ("next_letter", "country_capital")
"""A task of letters and one of words, whose block is chosen here too: a sweep of the dev episodes
takes ten times as long as the test."""
AGREEMENT = 49
"""Of 50 answers: two leading logits may lie closer than float32 sums in another order."""

pytestmark = needs_embedded


@pytest.fixture(scope="module")
def embedded_model() -> Model:
    return load(EMBEDDED, device="cpu", dtype="float32")


@pytest.mark.parametrize("name", TASKS)
def test_answers_are_those_of_the_authors_code(embedded_model: Model, name: str) -> None:
    answers = json.loads((DATA / f"{name}.answers.json").read_text(encoding="utf-8"))
    episodes = read_episodes(DATA / f"{name}.episodes.jsonl")
    of_split = {of: [one for one in episodes if one.split == of] for of in ("dev", "test")}
    dev, test = (
        tokenise(embedded_model, of, task(name).match, template("example"))
        for of in of_split.values()
    )
    if name in SWEPT:
        swept = run(embedded_model.decoder, measure_dev, dev)["read"]
        assert best_layers(swept, dev["accepted"])["task_vector"] == answers["layer"]
    layers = dict.fromkeys(("task_vector", "averaged_vector"), answers["layer"])
    read = run(embedded_model.decoder, measure_test, test, layers)["read"]
    for procedure in ("icl", "task_vector"):
        tokens = answers_of(read, procedure)["token"]
        texts = [embedded_model.vocabulary.texts[token] for token in tokens]
        expected = [answer[procedure] for answer in answers["test"]]
        agreeing = sum(
            text.partition("\n")[0] == theirs for text, theirs in zip(texts, expected, strict=True)
        )
        assert agreeing >= AGREEMENT, f"{procedure}: {agreeing} of {len(expected)}"
