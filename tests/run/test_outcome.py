from dataclasses import replace
from pathlib import Path

from tests.helpers.example_rows import outcome_of, task_rows
from tvsight.run.outcome import Outcome
from tvsight.storage.manifests import Key

RIGHT = (1, 2, 3, 4)


def test_results_stand_model_by_model_in_the_order_of_tasks() -> None:
    tasks = {
        "mine": "custom",
        "country_capital": "knowledge",
        "en_fr→fr_en": "translation",
        "fr_en": "translation",
        "to_upper": "algorithmic",
    }
    rows = [
        task_rows(task, RIGHT, model=model, category=category)
        for task, category in tasks.items()
        for model in ("b-model", "a-model")
    ]
    outcome = outcome_of(*rows)
    outcome.failures[Key("a-model", "next_letter")] = "too few pairs"
    ordered = outcome.in_order()
    order = ["to_upper", "fr_en", "en_fr→fr_en", "country_capital", "mine"]
    assert [result.key for result in ordered.results] == [
        Key(model, task) for model in ("b-model", "a-model") for task in order
    ]
    assert ordered.failures == outcome.failures
    assert len(outcome.results) == 10
    assert outcome.results[0].key.task == "mine"


def test_models_are_whole_that_have_results_of_every_experiment() -> None:
    models = ("one", "two", "three")
    central = outcome_of(*(task_rows("a", (1, 2, 2, 2), model=model) for model in models)).results
    further = [replace(of, path=Path("controls", of.key.model, "a")) for of in central[:2]]
    method = replace(central[0], path=Path("methods", "one", "a"), method="mean_state")
    assert Outcome(central).whole_models == set(models)
    assert Outcome([*central, *further]).whole_models == {"one", "two"}
    assert Outcome([*central, *further, method]).whole_models == {"one", "two"}
    assert Outcome().whole_models == set()
