"""PostgreSQL with the accounts that an NDIF server checks API keys against."""

import os
import pwd
import subprocess
import uuid
from pathlib import Path

USER = "ndif"
DATABASE = "postgres"
"""The one that every new cluster has."""

# The four tables that ndif/services/api/auth.py joins; a key is valid when it has a row.
SCHEMA = """
CREATE TABLE users (user_id uuid PRIMARY KEY, email text);
CREATE TABLE user_tags (user_tag_id uuid PRIMARY KEY, name text);
CREATE TABLE keys (key_id uuid PRIMARY KEY, user_id uuid);
CREATE TABLE key_user_tag_assignments (key_id uuid, user_tag_id uuid);
"""


def programs() -> Path | None:
    """The folder of the newest installed server's programs, which is not on the PATH."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(found, key=lambda path: float(path.parts[-3]), default=None)
    return newest.parent if newest else None


def create(folder: Path, key: str, email: str) -> None:
    """Make a database cluster in `folder` that knows one key.

    The tables are made in single-user mode, so that nothing has to be waited for.
    """
    folder.mkdir()
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    _run(["initdb", "--pgdata", str(folder), "--username", USER, "--auth", "trust", "--no-sync"])
    user = uuid.uuid4()
    rows = (
        f"INSERT INTO users VALUES ('{user}', '{email}');\n"
        f"INSERT INTO keys VALUES ('{key}', '{user}');\n"
    )
    _run(["postgres", "--single", "-D", str(folder), DATABASE], SCHEMA + rows)


def command(folder: Path, port: int) -> list[str]:
    """What serves the cluster in `folder`, over loopback alone."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "shared_buffers": "16MB",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return _unprivileged(["postgres", "-D", str(folder), "-p", str(port), *options])


def url(port: int) -> str:
    return f"postgresql://{USER}@127.0.0.1:{port}/{DATABASE}?sslmode=disable"


def _run(words: list[str], text: str = "") -> None:
    done = subprocess.run(_unprivileged(words), input=text, cwd="/", capture_output=True, text=True)
    # In single-user mode a statement may fail and the exit status be 0.
    if done.returncode or "ERROR:" in done.stderr:
        raise RuntimeError(f"{words[0]} failed:\n{done.stdout}\n{done.stderr}")


def _unprivileged(words: list[str]) -> list[str]:
    """As the user `postgres` when we are root, as whom these programs refuse to run."""
    folder = programs()
    if folder is None:
        raise RuntimeError("PostgreSQL is not installed: bash tests/ndif/install")
    words = [str(folder / words[0]), *words[1:]]
    if os.geteuid() == 0:
        identity = ["--reuid=postgres", "--regid=postgres", "--clear-groups"]
        words = ["setpriv", *identity, *words]
    return words
