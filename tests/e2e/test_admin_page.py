"""The operators' page in a real browser, by a real gateway, a real server of twins and a real store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.chromium import BROKEN, PALE, chromium, opened
from tests.gateways import RunningGateway, running_gateway
from tests.path_proxy import site_with_gateway
from tests.redis_process import free_port
from tests.service_twins import TwinModel, running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@contextmanager
def working(browser: Browser, folder: Path, *twins: TwinModel, **options: Any) -> Iterator[Page]:
    """The page with all that is behind it, once it knows what is served."""
    with (
        running(folder, *twins) as (server, _),
        running_gateway(f"127.0.0.1:{server.port}", admin=True, timeout_s=20) as gateway,
        opened(browser, gateway.url, **options) as page,
    ):
        page.goto(f"{gateway.url}/admin")
        expect(page.locator("#link-text")).to_have_text("live", timeout=20_000)
        yield page


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def texts(page: Page) -> Locator:
    return page.locator(".found .phrase")


def type_query(page: Page, query: str, *shown: str) -> None:
    page.get_by_label("What people type").fill(query)
    expect(texts(page)).to_have_text([query + ending for ending in shown or "cba"])


def test_a_text_is_taken_down_listed_and_shown_again(browser: Browser, tmp_path: Path) -> None:
    with working(browser, tmp_path) as page:
        page.get_by_label("Your name").fill("Ann")
        type_query(page, "new")
        button(page, "Take down: newb").click()
        dialog = page.get_by_role("dialog", name="Take down")
        expect(dialog.get_by_label("Text")).to_have_value("newb")
        dialog.get_by_label("Why").fill("asked to")
        dialog.get_by_label("Ends").select_option("in a day")
        button(page, "Take down").click()
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("status").filter(has_text="Taken down: “newb”.")).to_be_visible()
        expect(texts(page)).to_have_text(["newc", "newa"], timeout=15_000)
        row = page.get_by_role("table", name="Taken down").get_by_role("row").nth(1)
        for each in ("newb", "exactly this", "all models", "Ann", "asked to"):
            expect(row).to_contain_text(each)
        expect(row).not_to_contain_text("never")
        button(page, "Show again: newb").click()
        expect(texts(page)).to_have_text(["newc", "newb", "newa"], timeout=15_000)
        button(page, "Undo").click()
        expect(page.get_by_role("table", name="Taken down")).to_contain_text("asked to")
        expect(texts(page)).to_have_text(["newc", "newa"], timeout=15_000)


def test_an_undo_takes_back_no_more_than_was_done(browser: Browser, tmp_path: Path) -> None:
    with working(browser, tmp_path) as page:
        for reason in ("first", "second"):
            page.get_by_role("button", name="Take down a text").last.click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_label("Text").fill("newb")
            dialog.get_by_label("Why").fill(reason)
            button(page, "Take down").click()
            expect(dialog).to_be_hidden()
        button(page, "Undo").click()
        expect(page.get_by_role("status").filter(has_text="Undone.")).to_be_visible()
        expect(page.get_by_role("table", name="Taken down")).to_contain_text("first")


def test_what_the_server_refuses_stays_in_the_form(browser: Browser, tmp_path: Path) -> None:
    with working(browser, tmp_path) as page:
        page.get_by_role("button", name="Take down a text").first.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Text").fill("new(")
        dialog.get_by_label("Take down").select_option("regular expression")
        button(page, "Take down").click()
        expect(dialog.get_by_role("alert")).to_contain_text("deny_list_entry.phrase")
        dialog.get_by_label("Text").fill("^new[ab]$")
        button(page, "Take down").click()
        expect(dialog).to_be_hidden()
        page.get_by_label("What people type").fill("new")
        expect(texts(page)).to_have_text(["newc"], timeout=15_000)


def test_kill_switches(browser: Browser, tmp_path: Path) -> None:
    with working(browser, tmp_path, TwinModel("shop"), TwinModel("films")) as page:
        page.get_by_label("Model", exact=True).select_option("films")
        type_query(page, "new")
        button(page, "Switch off: generated text of films").click()
        page.get_by_role("dialog").get_by_label("Why").fill("odd")
        button(page, "Switch off").click()
        expect(texts(page)).to_have_text(["newc"], timeout=15_000)
        expect(page.get_by_text("generated text of films: off since")).to_contain_text("(odd)")
        page.get_by_label("Model", exact=True).select_option("shop")
        expect(texts(page)).to_have_text(["newc", "newb", "newa"])
        button(page, "Switch off: all suggestions of all models").click()
        button(page, "Switch off").click()
        expect(page.get_by_text("Nothing is shown for this.")).to_be_visible(timeout=15_000)
        button(page, "Off: switch on: all suggestions of all models").click()
        expect(texts(page)).to_have_text(["newc", "newb", "newa"], timeout=15_000)
        expect(page.get_by_role("table", name="Taken down")).to_have_count(0)


def test_it_says_why_and_what_is_served(browser: Browser, tmp_path: Path) -> None:
    with working(browser, tmp_path) as page:
        type_query(page, "new")
        why = button(page, "Why: newb")
        why.press("Enter")
        expect(why).to_have_attribute("aria-expanded", "true")
        for each in ("Of a hundred people", "the language models", "14%", "Typing errors"):
            expect(page.locator(".reasons:visible")).to_contain_text(each)
        served = page.get_by_role("region", name="What is served")
        for each in ("twin", "answers", "20260101T000000Z", "Trained"):
            expect(served).to_contain_text(each)


def test_what_users_submit_is_trending_and_without_an_answer(browser: Browser, tmp_path: Path) -> None:
    with working(browser, tmp_path) as page:
        event = {"eventType": "EVENT_TYPE_SUBMISSION", "query": "brass ring"}
        events = [{**event, "eventId": f"event {user}", "userPseudoId": f"user {user}"} for user in range(3)]
        answer = page.request.post(
            f"{page.url.removesuffix('admin')}v1/userEvents:batchWrite", data={"userEvents": events}
        )
        assert answer.ok, answer.text()
        trending = page.get_by_role("region", name="Trending")
        expect(trending).to_contain_text("brass ring", timeout=30_000)
        unanswered = page.get_by_role("table", name="Nothing was accepted")
        expect(unanswered).to_contain_text("3 or more", timeout=30_000)
        button(page, "See the list: brass ring").click()
        expect(page.get_by_label("What people type")).to_have_value("brass ring")
        button(page, "Take down: brass ring").first.click()
        page.get_by_role("dialog").get_by_role("button", name="Take down", exact=True).click()
        expect(trending).to_contain_text("not shown", timeout=30_000)


def test_it_waits_for_a_server_that_is_away(browser: Browser, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    with (
        running_gateway(address, timeout_s=1, admin=True) as gateway,
        opened(browser, gateway.url) as page,
    ):
        page.goto(f"{gateway.url}/admin")
        trouble = page.get_by_role("alert")
        expect(trouble).to_contain_text("cannot be reached", timeout=15_000)
        page.get_by_role("button", name="Take down a text").first.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Text").fill("a")
        button(page, "Take down").click()
        expect(dialog.get_by_role("alert")).to_contain_text("cannot be reached", timeout=15_000)
        button(page, "Cancel").click()
        with running(tmp_path, address=address):
            expect(page.locator("#link-text")).to_have_text("live", timeout=30_000)
            expect(trouble).to_be_hidden()
            expect(texts(page)).to_have_text(["c", "b", "a"])


def test_without_a_store_it_shows_what_there_is_and_says_why_not_more(browser: Browser, tmp_path: Path) -> None:
    with (
        running(tmp_path, live="off") as (server, _),
        running_gateway(f"127.0.0.1:{server.port}", admin=True, timeout_s=20) as gateway,
        opened(browser, gateway.url) as page,
    ):
        page.goto(f"{gateway.url}/admin")
        expect(page.get_by_role("alert")).to_contain_text("keeps no live state", timeout=20_000)
        type_query(page, "new")
        expect(page.get_by_role("region", name="What is served")).to_contain_text("twin")
        button(page, "Take down: newb").click()
        button(page, "Take down").click()
        expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("--live")


def test_the_keyboard_is_enough(browser: Browser, tmp_path: Path) -> None:
    with working(browser, tmp_path) as page:
        page.get_by_label("What people type").press_sequentially("new")
        expect(texts(page)).to_have_text(["newc", "newb", "newa"])
        page.keyboard.press("Tab")  # take down a text
        for _ in range(3):
            page.keyboard.press("Tab")  # of the first row: why, pin, take down
        expect(button(page, "Take down: newc")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog").get_by_label("Text")).to_be_focused()
        page.keyboard.press("Enter")
        expect(texts(page)).to_have_text(["newb", "newa"], timeout=15_000)
        button(page, "Show again: newc").focus()
        page.wait_for_timeout(200)
        page.keyboard.press("Enter")
        expect(texts(page)).to_have_text(["newc", "newb", "newa"], timeout=15_000)


def test_it_is_for_operators_alone_and_in_no_frame(tmp_path: Path) -> None:
    def paths(gateway: RunningGateway) -> list[int]:
        return [gateway.ask("GET", path).status for path in ("/admin", "/admin/main.js")]

    with running(tmp_path) as (server, _):
        with running_gateway(f"127.0.0.1:{server.port}") as gateway:
            assert paths(gateway) == [404, 404]
        with running_gateway(f"127.0.0.1:{server.port}", admin=True) as gateway:
            assert paths(gateway) == [200, 200]
            slashed = gateway.ask("GET", "/admin/")
            assert (slashed.status, slashed.headers["location"]) == (307, "../admin")
            policy = gateway.ask("GET", "/admin").headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy


def test_it_works_under_a_path_of_a_site(browser: Browser, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}/auto"
    with (
        running(tmp_path) as (server, _),
        running_gateway(f"127.0.0.1:{server.port}", public_url=url, admin=True) as gateway,
        site_with_gateway(gateway.port, prefix="/auto", site_port=port),
        opened(browser, f"{url}/") as page,
    ):
        page.goto(f"{url}/admin")
        expect(page.locator("#link-text")).to_have_text("live", timeout=20_000)
        type_query(page, "new")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_fits_can_be_read_and_names_all(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    with working(browser, tmp_path, viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        page.get_by_role("button", name="Take down a text").first.click()
        page.get_by_role("dialog").get_by_label("Text").fill("new york " * 20)
        page.get_by_role("dialog").get_by_label("Why").fill("because " * 20)
        assert page.evaluate(PALE) == page.evaluate(BROKEN) == []
        button(page, "Take down").click()
        expect(page.get_by_role("dialog")).to_be_hidden()
        button(page, "Switch off: generated text of all models").click()
        button(page, "Switch off").click()
        expect(page.get_by_role("dialog")).to_be_hidden()
        type_query(page, "new york " * 9, "c")
        page.get_by_role("button", name="Why").first.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(PALE) == page.evaluate(BROKEN) == []


def test_a_text_is_pinned_and_let_go(browser: Browser, tmp_path: Path) -> None:
    with working(browser, tmp_path) as page:
        type_query(page, "new")
        button(page, "Pin: newa").click()
        dialog = page.get_by_role("dialog", name="Pin a text")
        expect(dialog.get_by_label("What people type")).to_have_value("new")
        dialog.get_by_role("button", name="Pin", exact=True).click()
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("table", name="Pins")).to_contain_text("at place 1")
        button(page, "Undo").click()
        expect(page.get_by_text("Nothing is pinned.")).to_be_visible()
        button(page, "Pin: newa").click()
        dialog.get_by_label("Or boost").fill("2.5")
        dialog.get_by_role("button", name="Pin", exact=True).click()
        expect(page.get_by_role("table", name="Pins")).to_contain_text("boosted 2.5 times")


def test_a_query_that_finds_nothing_is_hidden_and_suggested_again(browser: Browser, tmp_path: Path) -> None:
    with working(browser, tmp_path) as page:
        type_query(page, "new")
        button(page, "Hide a query that finds nothing").click()
        dialog = page.get_by_role("dialog", name="Hide a query")
        dialog.get_by_label("Query").fill("newb")
        dialog.get_by_role("button", name="Hide", exact=True).click()
        expect(dialog).to_be_hidden()
        expect(texts(page)).to_have_text(["newc", "newa"], timeout=15_000)
        button(page, "Suggest again: newb").click()
        expect(page.get_by_text("No query is known to find nothing.")).to_be_visible()
        expect(texts(page)).to_have_text(["newc", "newb", "newa"], timeout=15_000)


def test_a_selection_outlives_looks_that_find_nothing_new(browser: Browser, tmp_path: Path) -> None:
    with working(browser, tmp_path) as page:
        button(page, "Switch off: generated text of all models").click()
        button(page, "Switch off").click()
        page.get_by_text("generated text of all models: off since").select_text()
        with page.expect_response(lambda answer: "denyListEntries" in answer.url, timeout=30_000):
            pass
        with page.expect_response(lambda answer: "denyListEntries" in answer.url, timeout=30_000):
            pass
        assert "off since" in page.evaluate("getSelection().toString()")


def test_an_entry_is_added_withdrawn_and_restored(browser: Browser, tmp_path: Path) -> None:
    with working(browser, tmp_path) as page:
        entries = page.get_by_role("table", name="Entries added or withdrawn")
        for chosen, shown in (("suggested", "2.5"), ("withdrawn: not suggested at all", "withdrawn")):
            page.get_by_role("button", name="Add an entry").click()
            dialog = page.get_by_role("dialog", name="Add an entry")
            dialog.get_by_label("Title").fill("newest lamp")
            dialog.get_by_label("Weight").fill("2.5")
            dialog.get_by_label("Tags").fill("lamps, new")
            dialog.get_by_label("It is").select_option(chosen)
            dialog.get_by_role("button", name="Add", exact=True).click()
            expect(dialog).to_be_hidden()
            expect(entries).to_contain_text(shown)
        button(page, "Undo").click()
        expect(entries).to_contain_text("2.5")
        button(page, "Remove: newest lamp").click()
        expect(page.get_by_text("No entry was added or withdrawn.")).to_be_visible()


def test_a_synonym_is_added_and_removed(browser: Browser, tmp_path: Path) -> None:
    with working(browser, tmp_path) as page:
        page.get_by_role("button", name="Add a synonym").click()
        dialog = page.get_by_role("dialog", name="Add a synonym")
        dialog.get_by_label("Who types this").fill("tv")
        dialog.get_by_label("also finds what has this").fill("television")
        dialog.get_by_role("button", name="Add", exact=True).click()
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("table", name="Synonyms")).to_contain_text("this way alone")
        button(page, "Remove: tv for television").click()
        expect(page.get_by_text("There is no synonym.")).to_be_visible()
        button(page, "Undo").click()
        expect(page.get_by_role("table", name="Synonyms")).to_contain_text("television")
