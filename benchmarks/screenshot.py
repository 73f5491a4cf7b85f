"""Take the picture of the page in docs/report.md, with Debian's Chromium.

    python -m benchmarks.screenshot

It needs the `test` extra, and `apt-get install -y chromium`.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import sync_playwright

from tvsight.explorer.page import write_page
from tvsight.storage.choice import Choice
from tvsight.storage.store import Store

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "report.png"
SIZE = {"width": 1200, "height": 800}


def main() -> None:
    """Draw the page of the reference results, and take the picture of its first view."""
    with TemporaryDirectory() as folder, sync_playwright() as started:
        file = Path(folder, "index.html")
        write_page(Store(ROOT / "results"), Choice(), file)
        browser = started.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=SIZE)
        page.goto(file.as_uri())
        page.wait_for_selector("table")
        page.screenshot(path=PICTURE)
        browser.close()
    with Image.open(PICTURE) as image:
        image.convert("RGB").save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
