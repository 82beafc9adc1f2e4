"""A real Chromium for tests: the system's, else the one that `playwright install chromium` fetched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Error, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",  # containers run tests as root
    *("--disable-background-networking", "--disable-component-update", "--disable-quic", "--no-first-run"),
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser.

    Raises:
        RuntimeError: there is none.
    """
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found, args=_FLAGS)
        except Error as error:
            remedy = "no Chromium: `apt install chromium`, or `.venv/bin/playwright install chromium`"
            raise RuntimeError(remedy) from error
        yield browser
        browser.close()
