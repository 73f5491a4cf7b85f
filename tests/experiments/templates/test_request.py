from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tvsight.config import RunConfig
from tvsight.errors import UsageError
from tvsight.experiments.templates import MOST_TEMPLATES, Options
from tvsight.experiments.templates.request import compared_templates, requests
from tvsight.models import ModelSource
from tvsight.prompts import Episode, template, write_episodes
from tvsight.run.planning import Request, read_plan
from tvsight.tasks import packaged_tasks

SOURCE = ModelSource("hub", "model", "org/model")
CONFIG = RunConfig(model=("org/model",), tasks="to_upper,country_capital")
NAMES, NUMBERS = ("example", "arrow"), (1, 4)


def asked(names: Any = NAMES, numbers: Any = NUMBERS, **options: Any) -> list[Request]:
    return requests(read_plan(replace(CONFIG, **options)), SOURCE, names, numbers)


def key(**changes: Any) -> str:
    return asked(**changes)[0].result.key


def test_a_request_for_each_task_and_the_task_its_foreign_words_are_of() -> None:
    found = {request.name: request.identity for request in asked()}
    assert list(found) == ["to_upper", "country_capital"]
    known = packaged_tasks()
    for name, other in (("to_upper", "country_capital"), ("country_capital", "antonyms")):
        assert found[name]["sources"] == {other: known[other].checksum}
    assert found["to_upper"]["experiment"] == "templates"


CHANGES: tuple[dict[str, Any], ...] = (
    *({"names": ("example", "question")}, {"names": ("example",)}, {"numbers": (1, 8)}),
    *({"template": "arrow"}, {"dummy_queries": 3}, {"shots": 4}, {"seed": (1,)}),
)
OTHER_WORDS: tuple[dict[str, Any], ...] = (
    *({"names": ("arrow", "example")}, {"names": ("arrow",)}, {"vectors": False}),
    *({"names": ("{x}->{y}\\n", "example")}, {"numbers": (4, 1, 2, 2)}),
)


def test_what_changes_a_number_changes_the_key_and_other_words_do_not() -> None:
    assert len({key(), *(key(**change) for change in CHANGES)}) == 1 + len(CHANGES)
    assert {key(**change) for change in OTHER_WORDS} == {key()}


def test_the_own_template_is_put_first_where_it_is_missing() -> None:
    main = template("question")
    assert list(compared_templates(main, ("arrow", "in:{x} out:{y}\\n"))) == [
        "question",
        "arrow",
        "in:{x} out:{y}\\n",
    ]
    assert list(compared_templates(main, ("arrow", "question"))) == ["arrow", "question"]
    with pytest.raises(UsageError, match="--templates: example is named twice"):
        compared_templates(main, ("example", "arrow", "example"))
    with pytest.raises(UsageError, match="Unknown template 'arow'"):
        compared_templates(main, ("arow",))
    with pytest.raises(UsageError, match=f"1 to {MOST_TEMPLATES} were expected; 0 given"):
        Options(templates=())


def test_too_few_pairs_for_the_dummy_queries_are_refused() -> None:
    with pytest.raises(UsageError, match=r"26\. Lower --shots or --dummy-queries"):
        asked(shots=6, numbers=(20,))
    assert asked(shots=5, numbers=(20,))


def test_episodes_cannot_come_from_a_file_or_go_to_one(tmp_path: Path) -> None:
    file, shown = tmp_path / "episodes.jsonl", (("a", "A"),)
    both = (("dev", "b"), ("test", "d"))
    write_episodes(
        file, [Episode("to_upper", split, shown, query, ("B",), ("c",)) for split, query in both]
    )
    for option in ("episodes", "save_episodes"):
        name = option.replace("_", "-")
        with pytest.raises(UsageError, match=f"--{name} .*samples its episodes"):
            asked(tasks="paper", **{option: str(file)})
