import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

import tvsight
from tests.helpers.reference import Prompts as ReferencePrompts
from tests.helpers.reference import Reference, task_vector
from tests.helpers.tiny_models import DEPTH, WIDTH
from tvsight.library.model import LoadedModel as Model
from tvsight.models import EMBEDDED
from tvsight.prompts import Episode

README = Path(__file__).parents[2] / "README.md"
LAYER_OF_THE_README = 11
TOLERANCE = 1e-4
PROMPT = tvsight.template("example")


@pytest.fixture(scope="module")
def reference(checkpoint: Path) -> Reference:
    return Reference(checkpoint)


@pytest.fixture(scope="module")
def episodes(model: Model) -> list[Episode]:
    return tvsight.episodes(model, tvsight.task("to_upper"), count=4, shots=3)


def test_the_example_of_the_readme_runs(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    section = README.read_text(encoding="utf-8").partition("\n## A first look\n")[2]
    (code, *_) = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    assert len(code.splitlines()) <= 10
    assert f'"{EMBEDDED}"' in code
    assert f"({LAYER_OF_THE_README}, theta[{LAYER_OF_THE_README}])" in code
    tiny = code.replace(f"({LAYER_OF_THE_README}, theta[{LAYER_OF_THE_README}])", "(2, theta[2])")
    tiny = tiny.replace(f'"{EMBEDDED}"', repr(str(checkpoint)))
    exec(compile(tiny, str(README), "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    shown = section.partition("\n```\n\n```\n")[2].partition("\n```")[0].splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == [line.split(":")[0] for line in shown[1:]]
    assert "should become one of" in lines[0]


def test_an_extracted_vector_is_that_of_the_reference(
    model: Model, reference: Reference, episodes: list[Episode]
) -> None:
    for episode in episodes:
        found = tvsight.extract(model, episode)
        assert found.shape == (DEPTH, WIDTH)
        dummies = [
            token_ids(model, PROMPT.few_shot(episode.demonstrations, dummy))
            for dummy in episode.dummy_queries
        ]
        wanted = task_vector(reference, ReferencePrompts([], dummies, [], []))
        torch.testing.assert_close(found, wanted, rtol=0, atol=TOLERANCE)


def test_answers_are_those_of_the_reference(
    model: Model, reference: Reference, episodes: list[Episode]
) -> None:
    for episode in episodes:
        query, shown = episode.query, episode.demonstrations
        zero_shot = reference.answer(token_ids(model, PROMPT.query(query)))
        few_shot = reference.answer(token_ids(model, PROMPT.few_shot(shown, query)))
        assert tvsight.answer(model, query) == text(model, zero_shot.token)
        assert tvsight.answer(model, query, shown) == text(model, few_shot.token)


@pytest.mark.parametrize("layer", [0, 2, DEPTH - 1])
def test_patched_answers_are_those_of_the_reference(
    model: Model, reference: Reference, layer: int
) -> None:
    vectors = 5 * torch.randn(6, WIDTH, generator=torch.Generator().manual_seed(layer))
    prompt = token_ids(model, PROMPT.query("a"))
    found = [tvsight.answer(model, "a", patch=(layer, vector)) for vector in vectors]
    wanted = [reference.answer(prompt, layer, vector).token for vector in vectors]
    assert found == [text(model, token) for token in wanted]
    assert len(set(wanted)) > 1


def test_what_the_package_offers_is_there_and_nothing_else() -> None:
    assert all(callable(getattr(tvsight, name)) for name in tvsight.__all__)
    with pytest.raises(AttributeError, match="patch_everything"):
        _ = tvsight.patch_everything


def test_threads_that_share_a_model_get_the_answers_that_they_would_get_alone(
    model: Model, checkpoint: Path, episodes: list[Episode]
) -> None:
    def ask(number: int) -> tuple[str, ...]:
        asked = episodes[number % len(episodes)]
        theta = tvsight.extract(model, asked)
        return (
            tvsight.answer(model, asked.query),
            tvsight.answer(model, asked.query, asked.demonstrations),
            tvsight.answer(model, asked.query, patch=(number % DEPTH, 3 * theta[2])),
            repr(theta.tolist()),
        )

    def load_again(_: int) -> str:
        return tvsight.load(checkpoint, dtype=torch.bfloat16).dtype

    alone = [ask(number) for number in range(24)]
    assert len(set(alone)) >= len(episodes)
    with ThreadPoolExecutor(8) as threads:
        loads = threads.map(load_again, range(4))
        together = list(threads.map(ask, range(24)))
        assert set(loads) == {"bfloat16"}
    assert together == alone


def token_ids(model: Model, prompt: str) -> list[int]:
    return model.tokenizer(prompt).input_ids


def text(model: Model, token: int) -> str:
    return model.tokenizer.decode([token])
