"""The hub answers as huggingface_hub expects: whole files, parts of files, and refusals."""

from pathlib import Path

from tests.helpers.commands import ran
from tests.ndif.hub import Hub, Repository

NAME = "local/model"


def test_a_gated_model_without_a_token_is_refused_with_what_to_do(
    tiny_llama: Path, tmp_path: Path
) -> None:
    """As a person runs it. No server is asked: there is none."""
    results = tmp_path / "results"
    where = ("--host", "http://127.0.0.1:9", "--results", str(results))
    with Hub(0, [Repository(NAME, tiny_llama, gated=True)]).served() as hub:
        environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "HF_TOKEN": ""}
        command = ("-m", "analyses.main_results", "--remote", "--model", NAME)
        done = ran(*command, *where, environment=environment)
    assert done.returncode == 2, done.stdout + done.stderr
    told = f"error: {NAME} is gated: accept its licence on its hub page, then run `hf auth login`"
    assert done.stderr.startswith(told)
    assert "Traceback" not in done.stderr
    assert list(results.glob("main_results/*")) == []
