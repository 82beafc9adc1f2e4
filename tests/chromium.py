"""A real Chromium for tests: the system's, else the one that `playwright install chromium` fetched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Error, Page, sync_playwright

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


@contextmanager
def opened(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """A page that must not log an error or ask another host."""
    context = browser.new_context(**options)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url) if not request.url.startswith(url) else None)
    page.goto(url)
    try:
        yield page
    finally:
        context.close()
    assert problems == []


BROKEN = """() => {
  const broken = [];
  const all = [...document.querySelectorAll("*")];
  const ids = all.map(each => each.id).filter(Boolean);
  if (new Set(ids).size !== ids.length) broken.push("an id stands twice");
  for (const each of all) {
    for (const name of ["aria-controls", "aria-describedby", "aria-labelledby", "aria-activedescendant", "for"]) {
      const target = each.getAttribute(name);
      if (target !== null && !document.getElementById(target)) broken.push(`${name}=${target}`);
    }
    const control = each.matches("input, textarea, button, a[href]");
    const named = each.labels?.length || each.getAttribute("aria-label") || each.textContent.trim();
    if (control && !named) broken.push(`no name: ${each.outerHTML}`);
    if (each.matches("img:not([alt])")) broken.push("img without alt");
    if (control && each.closest("[aria-hidden=true]")) broken.push("hidden control");
  }
  return broken;
}"""
"""Script: what of the page is without a name, or refers to what is not there."""

PALE = """() => {
  const linear = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const numbers = color => color.match(/[\\d.]+/g).map(Number);
  const behind = each => {
    for (; each; each = each.parentElement) {
      const color = numbers(getComputedStyle(each).backgroundColor);
      if (color.length === 3) return color;
    }
    return [255, 255, 255];
  };
  const pale = [];
  for (const each of document.querySelectorAll("body *")) {
    const own = [...each.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || !each.checkVisibility({ visibilityProperty: true })) continue;
    const [a, b] = [light(numbers(getComputedStyle(each).color)), light(behind(each))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) pale.push(each.textContent.trim());  // WCAG 2.2, 1.4.3
  }
  return pale;
}"""
"""Script: texts of the page whose colour is too near to what is behind it."""
