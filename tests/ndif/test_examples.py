"""The notebook for a server runs on one."""

from pathlib import Path

from tests.helpers.commands import ran
from tests.helpers.notebooks import EXAMPLES, changed
from tests.ndif.server import NdifServer
from tests.ndif.settings import TINY
from tvsight.storage.store import Store

CHANGES = {
    "MODEL": repr(TINY),
    "DTYPE": '"float32"',
    "TASKS": '["to_upper", "to_lower"]',
    "EPISODES": "4",
    "SHOTS": "3",
}
LIMIT_S = 400


def test_the_notebook_runs_on_a_server(ndif: NdifServer, tmp_path: Path) -> None:
    file = tmp_path / "on_ndif.py"
    file.write_text(changed(EXAMPLES / "on_ndif.py", CHANGES), encoding="utf-8")
    environment = ndif.client_environment(tmp_path / "home")
    environment = {"CUDA_VISIBLE_DEVICES": "", **environment}
    done = ran(file, folder=tmp_path, environment=environment, limit_s=LIMIT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "task vector:" in done.stdout
    assert {path.parts[2].partition("-")[0] for path in Store(tmp_path / "on_ndif").paths()} == {
        "to_upper",
        "to_lower",
    }
