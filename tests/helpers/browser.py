"""A real browser for tests of the page, or the one command that installs it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

REQUIRED = "TVSIGHT_REQUIRE_BROWSER"
"""With this set to 1 a browser that is missing is a failure."""
INSTALL = "apt-get install -y chromium"


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Debian's Chromium, without a window."""
    found = shutil.which("chromium")
    if found is None or find_spec("playwright") is None:
        told = f"no browser; install it with `{INSTALL}`, and the `test` extra"
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(told)
        pytest.skip(told)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Watched:
    """A tab that keeps every error, and the protocol of every request."""

    def __init__(self, browser: "Browser", width: int = 1400, dark: bool = False) -> None:
        self.page: Page = browser.new_page(
            viewport={"width": width, "height": 1000}, color_scheme="dark" if dark else "light"
        )
        self.faults: list[str] = []
        self.asked: set[str] = set()
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda m: self.faults.append(m.text) if m.type == "error" else None)
        self.page.on("request", lambda request: self.asked.add(request.url.split(":")[0]))

    def open(self, address: str, view: str = "") -> "Page":
        """Open a view, and wait until it is there."""
        self.page.goto(address + view)
        self.page.wait_for_selector("h1")
        return self.page
