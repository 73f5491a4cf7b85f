"""Every option of every command: a list with an entry twice is refused, and so is an option that
does nothing alone; a run on a server that names no model is told which one it has."""

import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import nnsight
import pytest

from tests.helpers.commands import analysis
from tests.helpers.parsers import parsers
from tvsight.cli.command import _run
from tvsight.config import SEPARATED, RunConfig
from tvsight.errors import ServerError, UsageError, option
from tvsight.execution.ndif import preflight
from tvsight.execution.ndif.client import NdifClient
from tvsight.run import places

HOST = "http://127.0.0.1:9"
LISTS = {
    "model": "org/a org/a",
    "task_file": "a.csv a.csv",
    "seed": "5 5",
    "experiment": "controls controls",
    "methods": "mean_state function_vector mean_state",
    "templates": "arrow arrow",
    "pairs": "antonyms:synonyms antonyms:synonyms",
    "tasks": "antonyms,en_fr,antonyms",
    "shot_counts": "5,05",
}
"""Values typed for each list, with an entry twice."""
NEEDS = {
    **dict.fromkeys(("host", "max_in_flight", "retries", "job_minutes"), "remote"),
    **dict.fromkeys(("revision", "trust_remote_code", "allow_pickled_weights"), "model"),
    "trust_method_file": "method_file",
    "method_file": "trust_method_file",
    "tasks template": "model",
    "results export layer": "vectors",
    "results push layer": "vectors",
}
"""The option that an option needs, by its name, or by that after its command."""
ALONE = {
    *("model", "tasks", "task_file", "shots", "dummy_queries", "episodes_per_split", "seed"),
    *("division", "template", "episodes", "dtype", "results", "device", "remote", "dry_run"),
    *("remote_simulated", "max_job_episodes", "save_episodes", "vectors", "redraw", "fail_fast"),
    *("overwrite", "verbose", "all", "json"),
    *("captions", "width", "svg", "methods", "answer_tokens", "score", "layer"),
    *("least_peak", "perplexity", "distance", "all_tokens", "heads", "protocol"),
    *("shot_counts", "templates", "pairs", "output", "experiment"),
    *("quick", "yes", "licence", "private", "message", "forget", "task", "episode", "split", "url"),
    "folder",
    "ndif_status host",
}
"""Options that have an effect alone."""
VALUES = {"host": HOST, "job_minutes": "2.5", "method_file": "a.py", "revision": "v1"}
"""A value typed for an option that is no switch and no number."""
PLACED = {"show": ["antonyms"], "results push": ["hf://datasets/me/a"]}
PLACED["results export-paper"] = ["an_article"]
PLACED["results pull"] = PLACED["results push"]
"""Arguments without which a command does not start."""
OPTIONS = [(name, entry) for name, (of, _) in parsers().items() for entry in fields(of)]
MEASURING = [name for name, (options, _) in parsers().items() if issubclass(options, RunConfig)]


def parsed(command: str, *typed: str) -> Any:
    """The options that a command gets for what is typed."""
    name = command.split()[0]
    options, rules = parsers()[command]
    kept: list[Any] = []

    def main(chosen: Any) -> int:
        kept.append(chosen)
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *PLACED.get(command, []), *typed])
        _run(options, main, "A command.", rules)
    return kept[0]


@pytest.mark.parametrize("command", parsers())
def test_a_list_with_an_entry_twice_is_refused(command: str) -> None:
    for of, entry in OPTIONS:
        name = entry.name
        if of == command and (name in SEPARATED or isinstance(entry.default, tuple)):
            with pytest.raises(UsageError, match=rf"^{option(name)}: .* Name it once\.$"):
                parsed(command, option(name), *LISTS[name].split())


@pytest.mark.parametrize("command", parsers())
def test_an_option_that_needs_another_is_refused_alone(command: str) -> None:
    for of, entry in OPTIONS:
        name, own = entry.name, f"{command} {entry.name}"
        needed = NEEDS.get(own) or (None if own in ALONE else NEEDS.get(name))
        if of == command and needed is not None:
            value = [] if isinstance(entry.default, bool) else [VALUES.get(name, "3")]
            with pytest.raises(UsageError, match=rf"{option(name)}.* {option(needed)}"):
                parsed(command, option(name), *value)
        elif of == command:
            assert {own, name} & ALONE, own


def test_every_option_is_known_once() -> None:
    known = {name.split()[-1] for name in {*NEEDS, *ALONE}}
    assert known == {entry.name for _, entry in OPTIONS}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A server that says what it runs."""

    def runs(*deployed: dict[str, Any]) -> None:
        documents = {
            f"job {n}": {"application_state": "RUNNING"} | d for n, d in enumerate(deployed)
        }
        monkeypatch.setattr(NdifClient, "connect", lambda self: None)
        monkeypatch.setattr(NdifClient, "get", lambda self, path: {"deployments": documents})

    return runs


GPT_J, PYTHIA, GPT2 = (
    {"repo_id": f"{name}"}
    for name in ("EleutherAI/GPT-J-6b", "EleutherAI/pythia-2.8b", "openai-community/gpt2")
)
COLD = {"application_state": None, "deployment_level": "COLD"}


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry_run"])
@pytest.mark.parametrize("command", MEASURING)
def test_a_run_on_a_server_without_a_model_has_one_of_the_server(
    command: str,
    dry: tuple[str, ...],
    server: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    server(GPT2, PYTHIA)
    assert parsed(command, "--remote", "--host", HOST, *dry).model == ("EleutherAI/pythia-2.8b",)
    (line,) = " ".join(capsys.readouterr().out.split()).split("\n")
    assert line == (
        f"No --model was named: EleutherAI/pythia-2.8b on {HOST}, the first of the catalogue, "
        "since EleutherAI/gpt-j-6b does not run there."
    )
    named = parsed(command, "--remote", "--host", HOST, *dry, "--model", "gemma-3-270m")
    assert named.model == ("gemma-3-270m",)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("deployed", "chosen", "why"),
    [
        ([GPT2, GPT_J], "EleutherAI/gpt-j-6b", "the paper's, which runs there"),
        (
            [GPT_J | {"pinned": False}, GPT2],
            "openai-community/gpt2",
            "gpt-j-6b is not pinned there",
        ),
        ([GPT_J | {"pinned": False}], "EleutherAI/gpt-j-6b", "the paper's"),
        ([GPT_J | COLD, PYTHIA], "EleutherAI/pythia-2.8b", "gpt-j-6b does not run there"),
    ],
)
def test_the_model_is_one_that_the_server_runs_for_every_key(
    deployed: list[dict[str, Any]], chosen: str, why: str, server: Callable[..., None]
) -> None:
    server(*deployed)
    model, said = preflight.usual_model(NdifClient(HOST))
    assert model == chosen
    assert why in said


@pytest.mark.parametrize(
    ("deployed", "said"),
    [([], "runs no model now"), ([{"repo_id": "org/a"}], "runs org/a, none of the catalogue")],
)
def test_a_server_without_a_model_of_the_catalogue_says_what_it_runs(
    deployed: list[dict[str, Any]], said: str, server: Callable[..., None]
) -> None:
    server(*deployed)
    with pytest.raises(UsageError, match=f"^{HOST} {said}: name a model with --model\\.$"):
        preflight.usual_model(NdifClient(HOST))


def test_what_is_lacking_is_asked_for_in_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A key, then the hub, then the server. Nobody is asked for the key."""
    public = ("--remote", "--host", "https://api.ndif.us", "--retries", "0")
    nowhere = ("--remote", "--host", HOST, "--retries", "0")
    monkeypatch.setattr(nnsight.CONFIG.API, "APIKEY", None)
    for model in ((), ("--model", "gpt2")):
        with pytest.raises(
            UsageError, match=r"needs an API key: get one at https://login\.ndif\.us"
        ):
            parsed("main_results", *public, *model)
    monkeypatch.setattr(places, "weights_identity", unreachable)
    with pytest.raises(UsageError, match="The hub could not be reached"):
        parsed("main_results", *nowhere)
    monkeypatch.setattr(places, "weights_identity", lambda source: "commit:1")
    with pytest.raises(ServerError, match=f"No NDIF server can be reached: {HOST}.*--host"):
        parsed("main_results", *nowhere)
    with pytest.raises(UsageError, match="Unknown task 'antonym'"):
        parsed("main_results", *nowhere, "--tasks", "antonym")


def unreachable(source: object) -> str:
    raise UsageError("The hub could not be reached.")


def test_a_person_is_told_in_one_line_what_to_do_next() -> None:
    done = analysis("main_results", "--remote", "--host", HOST, "--retries", "0")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: The hub could not be reached (HF_HUB_OFFLINE is set)")
    assert "repeat the command" in line


ABOUT_VECTORS = (
    *("controls", "function_vectors", "steering", "token_projections"),
    *("vector_clusters", "vector_variability"),
)


@pytest.mark.parametrize("command", ABOUT_VECTORS)
def test_an_analysis_of_vectors_stores_them(command: str) -> None:
    with pytest.raises(UsageError, match=r"^--no-vectors: this analysis is about the vectors"):
        parsed(command, "--no-vectors")
