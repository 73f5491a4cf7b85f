"""The site: pages that lie outside `docs/`, and links as they are on GitHub.

Documents link to each other by their paths in the repository, so that GitHub shows them. Here a
link to a page or figure that the site has leads there, and any other to the repository.
"""

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PAGES = {f"{name.upper()}.md": f"{name}.md" for name in ("contributing", "agents", "changelog")}
PAGES |= {"README.md": "index.md"}
"""The places in the site of pages that lie outside `docs/`."""
LINK = re.compile(r"(?<=\]\()([^)#:\s]+)(?=[#)])")
FENCED = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages outside `docs/`, and the figures and tables that pages link to."""
    for path, uri in PAGES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob("docs/*.md")]
    texts.append((ROOT / "README.md").read_text(encoding="utf-8"))
    linked = re.findall(r"results/(?:figures|tables)/[\w.@-]+\.(?:png|md)", "\n".join(texts))
    for path in sorted({*linked}):
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead the links of a page to where things lie in the site, or in the repository."""
    own = Path(page.file.abs_src_path)
    here = Path(page.file.src_uri).parent

    def led(match: re.Match[str]) -> str:
        path = Path(os.path.normpath(own.parent / match[1])).relative_to(ROOT).as_posix()
        uri = PAGES.get(path, path.removeprefix("docs/"))
        if files.get_file_from_path(uri):
            return os.path.relpath(uri, here)
        kind = "tree" if (ROOT / path).is_dir() else "blob"
        return f"{config['extra']['repository']}/{kind}/main/{path}"

    parts = FENCED.split(markdown)
    return "".join(part if part.startswith("```") else LINK.sub(led, part) for part in parts)
