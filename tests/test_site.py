"""The site of the documents is built without a warning, and holds what they link to."""

import re
from pathlib import Path

import pytest

import tvsight
from tests.helpers.commands import ROOT, ran

pytestmark = pytest.mark.slow

API = ROOT / "docs" / "api.md"
BESIDE = ("index", "contributing", "agents", "changelog")
"""Pages that lie outside docs/."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    pytest.importorskip("mkdocs", reason='pip install -e ".[docs]"')
    folder = tmp_path_factory.mktemp("site")
    command = ("-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder)
    done = ran(*command, environment={"NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout + done.stderr == ""
    return folder


def test_every_page_and_what_pages_show_is_there(site: Path) -> None:
    pages = {file.stem for file in (ROOT / "docs").glob("*.md")} | {*BESIDE}
    built = {file.parent.relative_to(site).as_posix() for file in site.rglob("index.html")}
    assert pages - {"index"} <= built
    for page in site.rglob("index.html"):
        for link in re.findall(r'(?:src|href)="(\.[^"#?]*)', page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.parent.name}: {link}"


def test_a_reader_fetches_nothing_from_another_host(site: Path) -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in site.rglob("*.html"))
    assert re.findall(r'<(?:script|img|iframe)[^>]*src="?https?:', text) == []
    assert re.findall(r'<link[^>]*rel="?(?:stylesheet|preconnect)"?[^>]*href="?https?:', text) == []


def test_the_api_has_every_name_of_the_package(site: Path) -> None:
    shown = re.findall(r"heading: tvsight\.(\w+)", API.read_text(encoding="utf-8"))
    assert {*tvsight.__all__} <= {*shown}
    text = (site / "api" / "index.html").read_text(encoding="utf-8")
    for name in ("task_vector", "LoadedModel", "UsageError"):
        assert name in text
    assert "Args:" not in text, "a docstring was not understood"
