from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import huggingface_hub
import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tvsight.errors import UsageError
from tvsight.models.catalogue import catalogue
from tvsight.models.sources import ModelSource, resolve, weights_identity

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOADED = (
    *("model.safetensors", "pytorch_model.bin", "weights.gguf", "parts/model-1.safetensors"),
    *("config.json", "modeling_own.py", "code/more.py"),
    *("tokenizer.json", "vocab.txt", "merges.tiktoken", "chat_template.jinja"),
)
"""Files that some loader reads."""
RESPONSE: Any = SimpleNamespace(headers={}, request=None)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the checkpoint directory `mine`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    (tmp_path / "mine" / "model.safetensors").write_bytes(b"weights")
    return tmp_path


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache and a hub that no test reaches unless it says what the hub answers."""
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    hub_raises(monkeypatch, AssertionError("a test asked the hub"))


def hub_raises(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def model_info(*_: Any, **__: Any) -> NoReturn:
        raise error

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)


def hub_answers(monkeypatch: pytest.MonkeyPatch, sha: str | None) -> list[tuple[Any, ...]]:
    asked: list[tuple[Any, ...]] = []

    def model_info(_: Any, repo: str, *, revision: str | None, **__: Any) -> SimpleNamespace:
        asked.append((repo, revision))
        return SimpleNamespace(sha=sha)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    return asked


def identity_refusal(source: ModelSource) -> str:
    with pytest.raises(UsageError) as refused:
        weights_identity(source)
    return str(refused.value)


@pytest.mark.parametrize("name", ["pythia-2.8b", "Pythia-2.8B"])
def test_an_alias_is_a_hub_model_whatever_its_case(name: str) -> None:
    source = ModelSource("hub", "pythia-2.8b", "EleutherAI/pythia-2.8b", "step1000")
    assert resolve(name, "step1000") == source


def test_the_alias_of_a_packaged_model_is_its_package_and_the_hub_id_is_not() -> None:
    entry = catalogue()["smollm2-135m"]
    source = ModelSource("package", entry.alias, entry.alias, package=entry.package)
    assert resolve(entry.alias) == source
    assert resolve(entry.hub_id) == ModelSource("hub", entry.hub_id, entry.hub_id)
    with pytest.raises(UsageError, match=f"is a package and has no revisions; {entry.hub_id} has"):
        resolve(entry.alias, "main")


def test_a_directory_is_named_by_its_last_part_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ModelSource("directory", "mine", str(folder / "mine"))
    monkeypatch.setenv("HOME", str(folder))
    for name in ("mine", "./mine", "mine/../mine", str(folder / "mine"), "~/mine"):
        assert resolve(name) == expected
    with pytest.raises(UsageError, match="revision"):
        resolve("mine", "v1")
    assert resolve("org/name", "v1") == ModelSource("hub", "org/name", "org/name", "v1")
    assert resolve("openai-community/gpt2") == resolve("gpt2")
    (folder / "org").mkdir()
    (folder / "mine").rename(folder / "org" / "name")
    assert resolve("org/name").kind == "directory"


def test_an_alias_wins_over_a_directory_of_the_same_name(folder: Path) -> None:
    (folder / "mine").rename(folder / "gpt2")
    assert resolve("gpt2").kind == "hub"
    assert resolve("./gpt2").kind == "directory"


@pytest.mark.parametrize("name", ["empty", "."])
def test_a_directory_without_a_configuration_is_refused(folder: Path, name: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(UsageError) as refused:
        resolve(name)
    assert str(refused.value) == (
        f"The directory {name!r} holds no checkpoint: a config.json was expected in it."
    )


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "near"),
    [("pythia-2.8", "pythia-2.8b"), ("gemma-3-270", "gemma-3-270m"), ("GPT-J", "gpt-j-6b")],
)
def test_a_mistyped_alias_is_refused_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UsageError) as refused:
        resolve(name)
    message = str(refused.value)
    assert f"Unknown model {name!r}: neither a catalogue alias, nor a directory" in message
    assert "Did you mean " in message
    assert repr(near) in message
    assert "`python -m analyses.models` lists the aliases." in message


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "name",
    [
        *("../x", "a/../b", "a/..", "../../etc/passwd", "/absent/model", "~/absent", "a/b/c"),
        *("~no-such-user/x", "a//b", "org/", "/", "a b/c", "org/name\n", "https://hub/org/name"),
        *("org\\name", "mine/config.json/x", "nul\0nul", "x" * 5_000, ""),
    ],
    ids=lambda name: ascii(name[:20]),
)
def test_a_path_trick_is_never_a_hub_id(name: str) -> None:
    with pytest.raises(UsageError):
        resolve(name)


def test_the_weights_of_a_directory_are_known_by_their_content(folder: Path) -> None:
    first = weights_identity(resolve("mine"))
    assert first.startswith("sha256:")
    for name in ("notes.md", ".gitattributes", ".git/HEAD", "__pycache__/modeling.pyc"):
        (folder / "mine" / name).parent.mkdir(exist_ok=True)
        (folder / "mine" / name).write_text("not part of the model")
    (folder / "mine").rename(folder / "moved")
    assert weights_identity(resolve("moved")) == first
    found = {first}
    for name in LOADED:
        (folder / "moved" / name).parent.mkdir(exist_ok=True)
        (folder / "moved" / name).write_text(f"changed {name}")
        found.add(weights_identity(resolve("moved")))
    (folder / "moved" / "model.safetensors").rename(folder / "moved" / "other.safetensors")
    found.add(weights_identity(resolve("moved")))
    assert len(found) == 2 + len(LOADED)


@pytest.mark.usefixtures("folder")
def test_a_file_of_a_checkpoint_that_cannot_be_read_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    message = identity_refusal(resolve("mine"))
    assert message == "The checkpoint mine cannot be read: Permission denied"


def test_the_weights_of_a_hub_model_are_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = hub_answers(monkeypatch, COMMIT)
    assert weights_identity(resolve("gpt2", "v1")) == f"commit:{COMMIT}"
    assert asked == [("openai-community/gpt2", "v1")]


@pytest.mark.parametrize(
    "error",
    [ConnectionError("down"), GatedRepoError("no", response=RESPONSE)],
    ids=["down", "gated"],
)
def test_without_the_hub_the_commit_is_read_from_the_cache(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    asked: list[tuple[Any, ...]] = []

    def cached(repo: str, file: str, *, revision: str | None) -> str:
        asked.append((repo, file, revision))
        return f"/cache/models--openai-community--gpt2/snapshots/{COMMIT}/config.json"

    hub_raises(monkeypatch, error)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", cached)
    assert weights_identity(resolve("gpt2", "v1")) == f"commit:{COMMIT}"
    assert asked == [("openai-community/gpt2", "config.json", "v1")]


GATED = GatedRepoError("no", response=RESPONSE)
ABSENT = RepositoryNotFoundError("no", response=RESPONSE)
REFUSED: list[tuple[Exception, tuple[str, ...], list[str]]] = [
    (
        GATED,
        ("org/secret",),
        ["org/secret is gated: accept its", "`hf auth login` (or set HF_TOKEN)"],
    ),
    (ABSENT, ("llama-3.1-8b",), ["meta-llama/Llama-3.1-8B is gated:"]),
    (
        ABSENT,
        ("EleutherAI/pythia-2.8",),
        ["The hub has no model 'EleutherAI/pythia-2.8' (or it is", "Did you mean 'pythia-2.8b'"],
    ),
    (
        RevisionNotFoundError("no", response=RESPONSE),
        ("gpt2", "v9"),
        ["openai-community/gpt2 has no revision 'v9'; leave --revision out for the newest."],
    ),
    *(
        (
            error,
            ("gpt2",),
            [
                "The hub could not be reached and openai-community/gpt2 is not in its",
                f"({type(error).__name__})",
                "run `hf download openai-community/gpt2`",
                "`--model gemma-3-270m`",
            ],
        )
        for error in (ConnectionError("down"), HfHubHTTPError("500", response=RESPONSE))
    ),
]


@pytest.mark.parametrize(("error", "asked", "parts"), REFUSED)
def test_what_the_hub_does_not_give_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception, asked: tuple[str, ...], parts: list[str]
) -> None:
    hub_raises(monkeypatch, error)
    message = identity_refusal(resolve(*asked))
    assert [part for part in parts if part not in message] == []


def test_a_hub_that_tells_no_commit_and_offline_mode_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub_answers(monkeypatch, None)
    # The cache knows that the file is absent.
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: object())
    assert "openai-community/gpt2 is not in its local cache" in identity_refusal(resolve("gpt2"))
    served = identity_refusal(replace(resolve("gpt2"), on_server=True))
    assert "configuration and tokenizer of openai-community/gpt2 are not in its local" in served
    assert '`hf download openai-community/gpt2 --include "*.json" "*.txt" "*token*"`' in served
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "could not be reached (HF_HUB_OFFLINE is set) and" in identity_refusal(resolve("gpt2"))


@pytest.mark.parametrize(
    "name", ["org/a--b", "org/a..b", "org/a.git", "orgé/a", f"org/{'a' * 100}"]
)
def test_a_name_that_the_hub_forbids_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.undo()  # the hub's own check of names, which needs no network
    with pytest.raises(UsageError):
        weights_identity(resolve(name))
