import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.prompt_files import read_prompts
from tvsight.errors import UsageError

ANSWERED = {"prompt": "Q: c\nA:", "answer": " d", "answer_token": 268}
FOUND = {"clean": {"token": 0}, "fv": {"1": {"token": 4, "rank": 0, "changed": 0.5}}}
CONTENT: dict[str, Any] = {
    "mean_prompts": ["Q: a\nA: b\n\nQ: c\nA:", "Q: c\nA: d\n\nQ: a\nA:"],
    "aie_prompts": [ANSWERED],
    "aie_by_prompt": [[[0.25, -0.5]]],
    "top_heads": [[0, 1, 0.25], [0, 0, -0.5]],
    "vector": [1.0, 2.0],
    "blocks": [1],
    "zero_shot": [ANSWERED | FOUND, ANSWERED | FOUND],
    "task": "fields of other names are left alone",
}


def written(folder: Path, content: object) -> Path:
    file = folder / "prompts.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def place(path: str) -> Callable[[Any], tuple[Any, Any]]:
    """The container and the key of a place. A number leads into a list."""
    *parents, last = path.split(".")

    def found(content: Any) -> tuple[Any, Any]:
        for name in parents:
            content = content[int(name) if isinstance(content, list) else name]
        return content, int(last) if isinstance(content, list) else last

    return found


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    assert read_prompts(written(tmp_path, CONTENT)) == CONTENT


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("vector", "the file has no field 'vector'"),
        ("aie_prompts.0.answer", "aie_prompts[0] has no field 'answer'"),
        ("zero_shot.1.fv", "zero_shot[1] has no field 'fv'"),
        ("zero_shot.0.clean.token", "zero_shot[0].clean has no field 'token'"),
        ("zero_shot.0.fv.1", "zero_shot[0].fv has no field '1'"),
        ("zero_shot.0.fv.1.changed", "zero_shot[0].fv.1 has no field 'changed'"),
    ],
)
def test_a_missing_field_is_named(tmp_path: Path, path: str, said: str) -> None:
    content = copy.deepcopy(CONTENT)
    within, key = place(path)(content)
    del within[key]
    with pytest.raises(UsageError) as caught:
        read_prompts(written(tmp_path, content))
    assert said in str(caught.value)


LIST = "a list that is not empty"
HEAD = "[block, head, mean effect]"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("mean_prompts", [], LIST),
        ("mean_prompts", "Q: a", LIST),
        ("mean_prompts.1", 3, "a text"),
        ("mean_prompts.1", "", "a text"),
        ("aie_prompts", [], LIST),
        ("aie_prompts", {}, LIST),
        ("aie_prompts.0.answer", 3, "a text"),
        ("aie_prompts.0.answer", "", "a text"),
        ("aie_prompts.0.answer_token", "268", "a whole number from 0"),
        ("aie_prompts.0.answer_token", -1, "a whole number from 0"),
        ("aie_prompts.0.answer_token", True, "a whole number from 0"),
        ("top_heads", [], LIST),
        ("top_heads", 3, LIST),
        ("top_heads.0", [1, 2], HEAD),
        ("top_heads.0", 3, HEAD),
        ("top_heads.1.2", "much", HEAD),
        ("top_heads.1.0", 0.5, HEAD),
        ("blocks", [], LIST),
        ("blocks", 3, LIST),
        ("blocks.0", "1", "a whole number from 0"),
        ("zero_shot", [], LIST),
        ("zero_shot", None, LIST),
        ("zero_shot.1", "Q: a", "an object"),
        ("zero_shot.0.prompt", None, "a text"),
        ("zero_shot.0.clean", None, "an object"),
        ("zero_shot.0.clean.token", "x", "a whole number from 0"),
        ("zero_shot.0.fv", [], "an object"),
        ("zero_shot.0.fv.1", None, "an object"),
        ("zero_shot.0.fv.1.changed", None, "a finite number"),
        ("zero_shot.0.fv.1.changed", True, "a finite number"),
    ],
)
def test_a_value_of_another_kind_is_named(
    tmp_path: Path, path: str, value: object, expected: str
) -> None:
    content = copy.deepcopy(CONTENT)
    within, key = place(path)(content)
    within[key] = value
    file = written(tmp_path, content)
    with pytest.raises(UsageError) as caught:
        read_prompts(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: {path.partition('.')[0]}")
    assert f": expected {expected}, got " in message
