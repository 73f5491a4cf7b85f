from dataclasses import replace

from tests.helpers.golden import assert_golden
from tests.helpers.head_rows import SCORES, induction_rows, outcome
from tests.helpers.legible import assert_legible
from tests.helpers.recorded import Recorded, Told
from tvsight.config import RunConfig
from tvsight.experiments.heads import INDUCTION, NAME, REPLACEMENTS
from tvsight.experiments.heads.report import draw
from tvsight.run.outcome import Outcome


def drawn(found: Outcome) -> tuple[Recorded, str]:
    files, display = Recorded(NAME), Told()
    draw(found, RunConfig(), display, files)
    return files, " ".join(display.text.split())


def test_figures_are_those_of_before_and_legible() -> None:
    files, _ = drawn(outcome("a-model", "b-model"))
    assert list(files.figures) == ["heads", "heads_scores_a-model", "heads_scores_b-model"]
    for name in ("heads", "heads_scores_a-model"):
        assert_golden(name.removesuffix("_a-model"), files.figures[name])
        assert_legible(files.figures[name])
    assert_legible(drawn(outcome("a-model"))[0].figures["heads"])


def test_tables_say_the_numbers() -> None:
    files, told = drawn(outcome("a-model"))
    assert set(files.tables) == {"heads", "heads_means", "heads_agreement", "heads_scores"}
    assert "without the heads of the largest scores" in told
    assert files.escaped["heads"] >= {"Model", "Category", "Task"}
    means, tasks = files.cells["heads"]
    assert means["Replaced by"].unique().tolist() == list(REPLACEMENTS.values())
    assert set(means["Heads"]) == {"3"}
    largest = means[means["Replaced by"] == "mean over other tasks"].set_index("Ablated")
    assert largest.loc["FV heads", "Accuracy"] == "0.10 [0.00, 0.20]"
    assert largest.loc["FV heads", "Tasks beyond random"] == "2 of 2"
    assert largest.loc["Random heads", "Lost beyond random"] == "–"
    assert largest.loc["Random heads", "Tasks beyond random"] == "–"
    assert tasks["ICL"].str.startswith(("0.80", "0.60")).all()
    assert tasks["FV heads"].str[:4].tolist() == ["0.20", "0.00"]
    (agreed,) = files.cells["heads_agreement"]
    assert agreed["Shared"].tolist() == ["0 of 1"]
    (heads,) = files.cells["heads_scores"]
    assert heads.iloc[0]["FV score"].startswith("0.300 [0.100, 0.500]")
    assert heads.iloc[0]["Induction, 50 tokens 2 times"] == "0.200 [0.180, 0.220]"


def test_headings_and_captions_say_how_many_tokens_were_repeated() -> None:
    found = outcome("a-model", "b-model")
    for number, one in enumerate(found.results):
        if one.experiment == INDUCTION and one.key.model == "b-model":
            found.results[number] = replace(one, rows=induction_rows(SCORES, "b-model", tokens=31))
    files, _ = drawn(found)
    (heads,) = files.cells["heads_scores"]
    headings = [heading for heading in heads if heading.startswith("Induction, ")]
    assert headings == ["Induction, 31 to 50 tokens 2 times", "Induction, 31 to 100 tokens 4 times"]
    assert "the repetition of 31 random tokens" in files.figures["heads_scores_b-model"].caption


def test_without_a_second_task_the_scores_alone_are_drawn() -> None:
    files, told = drawn(outcome("a-model", ablated=False))
    assert set(files.tables) == {"heads_agreement", "heads_scores"}
    assert "two are needed" in told


def test_seeds_stand_in_a_table_of_their_own() -> None:
    found = outcome("a-model")
    seeded = found.labelled(seed=0).results + found.labelled(seed=2).results
    files = Recorded(NAME)
    draw(Outcome(seeded), RunConfig(seed=(0, 2)), Told(), files)
    (cells,) = files.cells["heads_seeds"]
    means, _ = files.cells["heads"]
    assert cells["Seed"].unique().tolist() == ["0", "2"]
    assert cells.loc[cells["Seed"] == "2", "Lost"].tolist() == means["Lost"].tolist()
