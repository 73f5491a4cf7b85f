"""The picture of the page in docs/report.md, taken with Debian's Chromium.

python -m tests.helpers.screenshot
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from tests.helpers.browser import chromium
from tvsight.explorer.page import write_page
from tvsight.storage.choice import Choice
from tvsight.storage.store import Store

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "report.png"


def main() -> None:
    """Draw the page of the reference results, and take the picture of its first view."""
    with TemporaryDirectory() as folder, chromium() as browser:
        file = Path(folder, "index.html")
        write_page(Store(ROOT / "results"), Choice(), file)
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.goto(file.as_uri())
        page.wait_for_selector("table")
        page.screenshot(path=PICTURE)
    with Image.open(PICTURE) as image:
        image.convert("RGB").save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
