import pytest
import torch

from tests.helpers.completed import complete
from tests.helpers.head_rows import outcome_for
from tests.helpers.tiny_models import DEPTH, HEADS, WIDTH
from tvsight.config import RunConfig
from tvsight.experiments.heads import DRAWS, INDUCTION, KINDS, NAME, REPLACEMENTS
from tvsight.experiments.heads.request import Ablations, ablations, counts, requests
from tvsight.models import ModelSource
from tvsight.models.loading import Model
from tvsight.protocol.options import EFFECTS
from tvsight.run.outcome import Outcome
from tvsight.run.planning import Plan, read_plan
from tvsight.storage.contents import HEAD_MEANS, check_rows
from tvsight.storage.schemas import SCORE_TYPES, schema
from tvsight.storage.store import Store
from tvsight.tasks import packaged_tasks

SOURCE = ModelSource("directory", "qwen2", "")
TASKS = ("to_upper", "next_letter", "list_first")
EVERY = [(layer, head) for layer in range(DEPTH) for head in range(HEADS)]
MEANS = {HEAD_MEANS: torch.zeros(DEPTH, HEADS, WIDTH // HEADS)}


def planned(tasks: str = ",".join(TASKS)) -> Plan:
    return read_plan(RunConfig(tasks=tasks, episodes_per_split=4, shots=2))


def wanted(plan: Plan, *known: str) -> list[Ablations]:
    found = outcome_for(known, "qwen2", DEPTH, HEADS)
    return requests(plan, SOURCE, found.only(EFFECTS), found.only(INDUCTION))


@pytest.mark.parametrize(
    ("total", "sizes"),
    [(72, [1, 2, 3, 7, 14]), (1024, [10, 30, 51, 102, 204]), (20, [1, 2, 4]), (35, [1, 3, 7])],
)
def test_each_share_has_its_number_of_heads_once(total: int, sizes: list[int]) -> None:
    assert list(counts(total).values()) == sizes


def test_sets_are_the_top_of_each_ranking_and_random_ones_grow() -> None:
    found = ablations(EVERY, EVERY[2:] + EVERY[:2], "draw")
    by = {(one.kind, len(one.heads), one.draw): one.heads for one in found}
    assert len(by) == len(found) == 3 * (len(KINDS) - 1 + DRAWS)
    assert by["fv", 4, None] == EVERY[:4]
    assert by["induction", 4, None] == EVERY[2:6]
    assert by["fv_excluding", 4, None] == [*EVERY[:2], *EVERY[6:8]]
    assert by["induction_excluding", 4, None] == EVERY[4:8]
    top = {*by["fv", 4, None], *by["induction", 4, None]}
    for draw in range(DRAWS):
        assert not top & set(by["random", 4, draw])
        assert by["random", 2, draw] == by["random", 4, draw][:2]
        assert len(set(by["random", 4, draw])) == 4
    assert len({tuple(by["random", 4, draw]) for draw in range(DRAWS)}) > 1
    assert ablations(EVERY, EVERY, "draw") != ablations(EVERY, EVERY, "another")


def test_the_heads_of_a_task_are_chosen_on_the_others() -> None:
    """The effects of each task are largest in the head of its own number."""
    found = {one.name: one for one in wanted(planned(), *TASKS)}
    for number, task in enumerate(TASKS):
        ranked = found[task].ranked
        others = {(0, other) for other in range(len(TASKS)) if other != number}
        assert set(ranked.fv[:2]) == others
        assert ranked.induction[0] == (DEPTH - 1, HEADS - 1)
        assert found[task].identity["sources"] == {
            other: packaged_tasks()[other].checksum for other in TASKS if other != task
        }


def test_the_order_of_tasks_changes_nothing_and_one_task_has_none() -> None:
    one = {of.name: of.identity for of in wanted(planned(), *TASKS)}
    other = {of.name: of.identity for of in wanted(planned(",".join(reversed(TASKS))), *TASKS)}
    assert one == other
    assert wanted(planned(), "to_upper") == []
    known = outcome_for(TASKS, "qwen2", DEPTH, HEADS).only(EFFECTS)
    assert requests(planned(), SOURCE, known, Outcome()) == []


def test_a_head_is_replaced_by_the_mean_of_the_other_tasks_by_zero_or_by_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    means = {task: torch.full((DEPTH, HEADS, 2), 10.0**n) for n, task in enumerate(TASKS)}
    monkeypatch.setattr(Store, "vectors", lambda _, path: {HEAD_MEANS: means[path.name]})
    for request in wanted(planned(), *TASKS):
        others, zero, own = (value.unique().tolist() for value in request._values())
        sums = 111.0 - means[request.name][0, 0, 0]
        assert (others, zero, own) == ([sums / 2], [0], [means[request.name][0, 0, 0]])


def test_rows_are_complete(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "vectors", lambda store, path: MEANS)
    request = wanted(planned(), *TASKS)[0]
    rows = complete(request.steps(model), model.decoder).rows
    assert rows.dtypes.astype(str).to_dict() == schema(NAME).columns_with(SCORE_TYPES)
    check_rows(rows, request.identity)
    assert set(rows["split"]) == {"test"}
    icl = rows["procedure"] == "icl"
    assert (rows["kind"].isna() == icl).all()
    assert set(rows["kind"].dropna()) == {*KINDS}
    assert (rows["draw"].notna() == (rows["kind"] == "random")).all()
    assert (rows["replaced_by"].isna() == icl).all()
    assert set(rows["replaced_by"].dropna()) == {*REPLACEMENTS}
    sizes = rows.groupby(["kind", "share"])["heads"].unique()
    assert {tuple(size) for size in sizes} == {(1,), (2,), (4,)}
    assert len(rows) == 4 * (1 + len(REPLACEMENTS) * 3 * (len(KINDS) - 1 + DRAWS))
    assert request.line(rows).startswith("ICL ")
