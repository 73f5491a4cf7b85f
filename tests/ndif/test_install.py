"""`tests/ndif/install` brings programs and no services: with stand-ins for all that it calls."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers.commands import ROOT

TOOLS = ("bash", "cat", "chmod", "dirname", "mkdir", "rm")
POLICY = Path("/usr/sbin/policy-rc.d")
APT_GET = f"""
[[ $1 == update ]] || {{ {POLICY} && allowed=yes || allowed="no $?"; }}
echo "apt-get $1 ${{allowed-}}" >> "$LOG"
"""
"""Tells whether services of packages that it installs may be started; 101 stands for no."""
PYTHON = """
[[ $1 == --version ]] && echo Python
[[ $2 == venv ]] && mkdir -p "$3/bin" && printf '#!/usr/bin/env bash\n' > "$3/bin/pip"
[[ $2 == venv ]] && chmod +x "$3/bin/pip"
true
"""


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/usr/bin/env bash\n{text}")
    path.chmod(0o755)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs packages")
def test_no_service_is_started_or_enabled(tmp_path: Path) -> None:
    had_policy = POLICY.exists()
    folder, tools, log = tmp_path / "tests" / "ndif", tmp_path / "tools", tmp_path / "log"
    shutil.copytree(ROOT / "tests" / "ndif", folder, ignore=shutil.ignore_patterns("*.py*"))
    tools.mkdir()
    for name in TOOLS:
        (tools / name).symlink_to(str(shutil.which(name)))
    program(tools / "apt-get", APT_GET)
    program(tools / "update-rc.d", 'echo "update-rc.d $*" >> "$LOG"')
    program(tools / "python3", PYTHON)
    environment = {"PATH": str(tools), "LOG": str(log)}
    command = [str(tools / "bash"), str(folder / "install")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    updated, installed, *disabled = log.read_text().splitlines()
    assert (updated, installed) == ("apt-get update ", "apt-get install no 101")
    assert "update-rc.d redis-server disable" in disabled
    assert POLICY.exists() == had_policy
    assert (tmp_path / ".ndif" / "installed").read_text().startswith("Python\nndif ")
