import json
import math
import re
from dataclasses import fields, replace
from pathlib import Path
from string import ascii_lowercase as LETTERS
from typing import Any

import pytest

from tests.helpers.parsers import parsers
from tvsight.config import LEAST, REPLACED, RULES, RunConfig, check_given, command, field_names
from tvsight.errors import UsageError, option
from tvsight.experiments.layer_sweep import Options
from tvsight.prompts import Episode, write_episodes
from tvsight.protocol.central import requests
from tvsight.run.planning import complete, read_plan, sources

TASK_FILE, EPISODES = "mine.json", "episodes.jsonl"
CHANGED: dict[str, Any] = {
    **{"model": ("org/another",), "tasks": "to_upper", "task_file": (TASK_FILE,), "shots": 4},
    **{"dummy_queries": 1, "episodes_per_split": 49, "seed": (1,), "division": "todd"},
    **{"template": "arrow", "episodes": EPISODES, "revision": "v2", "dtype": "bfloat16"},
    **{"results": "elsewhere", "device": "cpu", "save_episodes": "saved.jsonl", "vectors": False},
    **{
        "redraw": True,
        "fail_fast": True,
        "captions": "full",
        "width": 3.3,
        "svg": True,
        **{"overwrite": True, "verbose": True},
        "remote": True,
    },
    **{"trust_remote_code": True, "allow_pickled_weights": True, "remote_simulated": True},
    **{"host": "http://127.0.0.1:8001", "max_in_flight": 5, "max_job_episodes": 50},
    **{"retries": 1, "job_minutes": 10.0, "dry_run": True},
}
"""A value of each field that is not that of `config`."""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """A run of a hub model in a folder with a task file and an episode file. No hub is asked."""
    monkeypatch.chdir(tmp_path)
    Path(TASK_FILE).write_text(json.dumps({"name": "mine", "pairs": [[x, x] for x in LETTERS]}))
    pairs = (("a", "A"),)
    write_episodes(
        Path(EPISODES),
        [
            Episode("to_upper", "dev", pairs, "b", ("B",), ("c",)),
            Episode("to_upper", "test", pairs, "d", ("D",), ("c",)),
        ],
    )
    return RunConfig(model=("org/model",), tasks="to_upper,next_letter")


@pytest.fixture
def replayed(config: RunConfig) -> RunConfig:
    """A run of the episode file."""
    return replace(config, tasks="paper", episodes=EPISODES)


def keys(config: RunConfig) -> list[str]:
    """The keys of all results that a run wants."""
    chosen = read_plan(config)
    return [
        request.result.key
        for source in sources(config)
        for request in complete(
            requests(chosen, source), f"{source.location}@{source.revision}", config.dtype
        )
    ]


def test_every_field_has_a_role() -> None:
    roles = {entry.name: entry.metadata.get("role") for entry in fields(RunConfig)}
    assert {name: role for name, role in roles.items() if role not in ("identity", "runtime")} == {}
    assert field_names("identity") | field_names("runtime") == set(roles)


@pytest.mark.parametrize("name", sorted(field_names("identity")))
def test_a_field_of_the_identity_changes_what_is_asked(config: RunConfig, name: str) -> None:
    if name == "episodes":  # which bring their own tasks
        config = replace(config, tasks="paper")
    changed = replace(config, **{name: CHANGED[name]})
    assert getattr(config, name) != getattr(changed, name)
    assert keys(changed) != keys(config)


def test_several_seeds_are_refused_where_one_is_meant(config: RunConfig) -> None:
    with pytest.raises(UsageError, match=r"--seed 0 1: only main_results, .* compare seeds"):
        keys(replace(config, seed=(0, 1)))


@pytest.mark.parametrize("name", sorted(field_names("runtime")))
def test_a_runtime_field_does_not_change_what_is_asked(config: RunConfig, name: str) -> None:
    config = replace(config, remote=name == "host")  # a host is refused without a server
    changed = replace(config, **{name: CHANGED[name]})
    assert getattr(config, name) != getattr(changed, name)
    assert keys(changed) == keys(config)
    assert keys(replace(config, template="example:{x}->{y}\\n")) == keys(config)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        *(
            ({name: least - 1}, f"{option(name)} {least - 1}: at least {least} was expected")
            for name, least in LEAST.items()
            if isinstance(least, int)
        ),
        ({"seed": ()}, "--seed: at least one seed was expected"),
        ({"seed": (1, 0, 1)}, "--seed: 1 is named twice"),
        ({"model": ()}, "--model: at least one model was expected"),
        ({"width": 7.0}, "--width 7.0: 3.3 to 6.8 inches were expected"),
        ({"job_minutes": math.nan}, "--job-minutes nan: a finite number"),
        ({"job_minutes": math.inf}, "--job-minutes inf: a finite number"),
        ({"results": ""}, "--results '': the text is empty"),
        ({"tasks": " "}, "--tasks ' ': the text is empty"),
        ({"model": ("a", "")}, "--model '': the text is empty"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        RunConfig(**options)


def typed(*names: str) -> dict[str, str]:
    """What is typed for some fields."""
    return {name: option(name, False if name == "vectors" else None) for name in names}


def test_rules_are_about_options_that_there_are() -> None:
    known = {entry.name for options, _ in parsers().values() for entry in fields(options)}
    for _, rules in parsers().values():
        about = {*rules.needs, *rules.needs.values(), *rules.excludes, *rules.unused}
        assert about.union(*(others for others, _ in rules.excludes.values())) <= known


def test_a_redraw_goes_with_what_says_which_results_are_drawn_and_with_nothing_else() -> None:
    drawing = {"results", "captions", "width", "svg", "overwrite", "verbose"}
    for name in field_names("identity") | drawing:
        check_given(typed("redraw", "model", name), RULES)
    for name in field_names("runtime") - drawing - {"redraw"}:
        with pytest.raises(UsageError, match=f"--redraw excludes {typed(name)[name]}: "):
            check_given(typed(name, "redraw"), RULES)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("dry_run", "save_episodes"), "--dry-run excludes --save-episodes: it writes nothing."),
        (("remote_simulated", "remote"), "--remote excludes --remote-simulated: "),
        (("remote", "device"), "--remote excludes --device: "),
        (("remote", "allow_pickled_weights"), "--remote excludes --allow-pickled-weights: "),
        (("redraw", "remote", "host"), "--redraw excludes --remote, --host: "),
        (("host",), "--host does nothing without --remote: add that"),
        (("retries", "remote_simulated"), "--retries does nothing without --remote: "),
        (("max_in_flight",), "--max-in-flight does nothing without --remote: "),
        (("job_minutes",), "--job-minutes does nothing without --remote: "),
        (("answer_tokens", "vectors"), "--answer-tokens excludes --no-vectors: whole answers"),
    ],
)
def test_options_that_do_not_go_together_are_refused(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        check_given(typed(*names), RULES)


def test_replayed_episodes_are_the_same_whatever_would_be_sampled(replayed: RunConfig) -> None:
    with pytest.raises(UsageError, match=rf"--task-file: {EPISODES} has no episodes of 'mine'"):
        read_plan(replace(replayed, task_file=(TASK_FILE,)))
    otherwise = replace(replayed, shots=3, dummy_queries=1, episodes_per_split=7, seed=(9,))
    assert keys(otherwise) == keys(replayed)
    assert len(before := keys(replayed)) == 1
    file = Path(EPISODES)
    file.write_text(file.read_text().replace('"c"', '"e"'))
    assert keys(replayed) != before
    file.write_text(file.read_text().replace("to_upper", "unheard_of"))
    with pytest.raises(UsageError, match=r"unknown task 'unheard_of'.*--task-file"):
        keys(replayed)


@pytest.mark.parametrize("name", REPLACED)
def test_an_option_that_a_replay_ignores_is_refused_whatever_its_value(name: str) -> None:
    with pytest.raises(UsageError, match=f"--episodes excludes {option(name)}: the file brings"):
        check_given(typed(name, "episodes"), RULES)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("tasks", "antonym", "antonyms"),
        ("tasks", "none", "No task selected"),
        ("template", "exampel", "example"),
        ("task_file", ("missing.json",), "missing.json"),
        ("episodes", "missing.jsonl", "missing.jsonl"),
        ("model", ("gemma-3-270",), "gemma-3-270m"),
        ("model", ("pythia-2.8b", "EleutherAI/pythia-2.8b"), "are the same. Name it once"),
    ],
)
def test_a_name_that_means_nothing_is_refused_with_what_was_meant(
    config: RunConfig, name: str, value: object, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        keys(replace(config, **{"tasks": "paper", name: value}))


def test_a_command_names_what_changes_its_figures_and_no_path_or_free_text() -> None:
    assert command("controls", RunConfig()) == "python -m analyses.controls"
    runtime = {name: CHANGED[name] for name in field_names("runtime") - {"host", "remote"}}
    assert command("controls", RunConfig(**runtime)) == "python -m analyses.controls"
    several = RunConfig(model=("gemma-3-270m", "org/model"), tasks="all,knowledge", shots=3)
    assert command("shots", several) == (
        "python -m analyses.shots --model gemma-3-270m org/model --tasks all,knowledge --shots 3"
    )
    private = RunConfig(model=("/home/me/model",), template="in:{x} out:{y}", task_file=("../a",))
    assert command("main_results", private) == (
        "python -m analyses.main_results --model ... --task-file ... --template ..."
    )
    own = Options(least_peak=0.75)
    assert command("layer_sweep", own) == "python -m analyses.layer_sweep --least-peak 0.75"
