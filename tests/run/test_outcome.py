from tests.helpers.example_rows import outcome_of, task_rows
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
