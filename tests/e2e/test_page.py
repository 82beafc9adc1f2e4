"""The page in a real browser, by a real gateway and a real server of twins."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from suggest.budget import LeftOut, OptionalPart, Shortage
from suggest.types import QueryCompletion, SuggestionSource
from tests.chromium import BROKEN, PALE, chromium, opened
from tests.gateways import running_gateway
from tests.path_proxy import site_with_gateway
from tests.redis_process import free_port
from tests.service_twins import TwinModel, running

_SLOW = "longer than usual"
_DOWN = "does not answer just now"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page of a server that answers at once is."""
    with (
        running(tmp_path_factory.mktemp("site")) as (server, _),
        running_gateway(f"127.0.0.1:{server.port}", connections_per_s=10_000) as gateway,
    ):
        yield gateway.url


@contextmanager
def trying(browser: Browser, folder: Path, *twins: TwinModel, **options: Any) -> Iterator[Page]:
    """The page with all that is behind it."""
    with (
        running(folder, *twins) as (server, _),
        running_gateway(f"127.0.0.1:{server.port}") as gateway,
        opened(browser, gateway.url, **options) as page,
    ):
        yield page


def texts(page: Page) -> list[str]:
    return page.locator("#suggestions .phrase").all_text_contents()


def complete(page: Page, typed: str) -> None:
    """Types, and waits for the refined list, whose order is that of no fast one."""
    page.locator("#query").press_sequentially(typed)
    expect(page.locator("[role=option]").first).to_contain_text(typed + "c")


def test_typing_shows_what_is_not_typed_in_bold(browser: Browser, site: str) -> None:
    with opened(browser, site) as page:
        complete(page, "new yor")
        assert texts(page) == ["new yorc", "new yorb", "new yora"]
        assert page.locator("#suggestions b").all_text_contents() == ["c", "b", "a"]
        expect(page.locator("#link-text")).to_have_text("live")


def test_arrows_move_through_the_list_and_enter_takes(browser: Browser, site: str) -> None:
    with opened(browser, site) as page:
        box = page.locator("#query")
        complete(page, "a")
        box.press("ArrowDown")
        box.press("ArrowDown")
        expect(box).to_have_value("ab")
        active = box.get_attribute("aria-activedescendant")
        assert page.locator("[role=option][aria-selected=true]").get_attribute("id") == active
        box.press("ArrowDown")
        box.press("ArrowDown")  # past the last one: what was typed
        expect(box).to_have_value("a")
        assert box.get_attribute("aria-activedescendant") is None
        box.press("ArrowUp")
        expect(box).to_have_value("aa")
        box.press("Enter")
        expect(page.locator("#chosen")).to_contain_text("Chosen: aa")
        expect(page.locator("#popup")).to_be_hidden()
        assert box.get_attribute("aria-expanded") == "false"


def test_tab_completes_and_goes_on_then_moves_the_focus(browser: Browser, site: str) -> None:
    with opened(browser, site) as page:
        box = page.locator("#query")
        complete(page, "a")
        box.press("Tab")
        expect(box).to_have_value("ac")
        expect(page.locator("[role=option]").first).to_contain_text("acc")
        expect(box).to_be_focused()
        expect(page.locator("#chosen")).to_be_hidden()
        box.press("Escape")
        box.press("Tab")
        expect(box).not_to_be_focused()


def test_escape_closes_then_clears(browser: Browser, site: str) -> None:
    with opened(browser, site) as page:
        box = page.locator("#query")
        complete(page, "a")
        box.press("ArrowDown")
        box.press("Escape")
        expect(page.locator("#popup")).to_be_hidden()
        expect(box).to_have_value("a")
        box.press("Escape")
        expect(box).to_have_value("")


def test_touch_takes_a_suggestion_and_an_empty_box_offers_popular_ones(browser: Browser, site: str) -> None:
    phone = {"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 800}}
    with opened(browser, site, **phone) as page:
        page.locator("#query").tap()
        expect(page.locator("#suggestions .phrase").first).to_have_text("c")
        page.locator("[role=option]").nth(1).tap()
        expect(page.locator("#chosen")).to_contain_text("Chosen: b")
        expect(page.locator("#query")).to_be_focused()


def test_a_composition_completes_and_keeps_its_enter(browser: Browser, site: str) -> None:
    with opened(browser, site) as page:
        box, keyboard = page.locator("#query"), page.context.new_cdp_session(page)
        box.focus()
        for syllable in ("ㅎ", "하", "한"):
            keyboard.send("Input.imeSetComposition", {"text": syllable, "selectionStart": 1, "selectionEnd": 1})
        expect(page.locator("#suggestions .phrase").first).to_have_text("한c")
        box.press("Enter")  # the input method's: it ends the syllable
        box.press("ArrowDown")
        expect(page.locator("#chosen")).to_be_hidden()
        expect(page.locator("[role=option][aria-selected=true]")).to_have_count(0)
        keyboard.send("Input.insertText", {"text": "한"})
        expect(box).to_have_value("한")
        page.wait_for_timeout(300)  # it is asked again: the fast answer first, then the refined one
        expect(page.locator("#suggestions .phrase").first).to_have_text("한c")
        box.press("ArrowDown")
        box.press("Enter")
        expect(page.locator("#chosen")).to_contain_text("Chosen: 한c")
        expect(box).to_have_value("한c")


def test_a_suggestion_taken_within_a_composition_is_not_written_over(browser: Browser, site: str) -> None:
    with opened(browser, site) as page:
        box, keyboard = page.locator("#query"), page.context.new_cdp_session(page)
        box.focus()
        keyboard.send("Input.imeSetComposition", {"text": "にほ", "selectionStart": 2, "selectionEnd": 2})
        expect(page.locator("#suggestions .phrase").first).to_have_text("にほc")
        page.locator("[role=option]").first.click()
        expect(box).to_have_value("にほc")
        expect(page.locator("#chosen")).to_contain_text("Chosen: にほc")


def test_right_to_left_text_is_laid_out_so(browser: Browser, site: str) -> None:
    with opened(browser, site) as page:
        complete(page, "שלום")
        assert page.locator("#query").evaluate("box => getComputedStyle(box).direction") == "rtl"
        assert page.locator("#suggestions .phrase").first.evaluate("box => getComputedStyle(box).direction") == "rtl"


def test_markup_is_text(browser: Browser, site: str) -> None:
    with opened(browser, site) as page:
        typed = "<img src=x onerror=alert(1)>"
        page.locator("#query").fill(typed)
        expect(page.locator("#suggestions .phrase").first).to_have_text(typed + "c")
        page.locator("#query").press("Enter")
        expect(page.locator("#chosen b")).to_have_text(typed)
        assert page.locator("img").count() == 1  # the page's own


def test_a_slow_server_is_said_calmly(browser: Browser, tmp_path: Path) -> None:
    twin = TwinModel(neural_kind="")
    twin.gate.clear()
    with trying(browser, tmp_path, twin) as page:
        page.locator("#query").press_sequentially("a")
        expect(page.locator("#message")).to_contain_text(_SLOW)
        twin.gate.set()
        expect(page.locator("[role=option]")).to_have_count(3, timeout=10_000)
        expect(page.locator("#message")).to_be_hidden()


def test_lists_go_with_the_server_and_come_back_with_it(browser: Browser, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    with running_gateway(address, timeout_s=1) as gateway, opened(browser, gateway.url) as page:
        options, words = page.locator("[role=option]"), page.locator("#words button")
        message, examples = page.locator("#message"), page.locator("#examples")
        expect(message).to_contain_text(_DOWN, timeout=15_000)
        with running(tmp_path / "first", address=address):
            expect(options).to_have_count(3, timeout=20_000)  # popular ones
            expect(examples).to_be_visible()
            page.locator("#text").press_sequentially("a ")
            expect(words).to_have_count(2)
            complete(page, "a")
            expect(message).to_be_hidden()
        expect(message).to_contain_text(_DOWN, timeout=15_000)  # nobody has typed anything since
        for each in (options, words, page.locator("#inspector table")):
            expect(each).to_have_count(0)
        expect(examples).to_be_hidden()
        expect(page.locator("#ghost")).to_have_text("")
        with running(tmp_path / "second", address=address):
            expect(options.first).to_contain_text("ac", timeout=20_000)
            expect(words).to_have_count(2)
            expect(examples).to_be_visible()
            expect(message).to_be_hidden()


def test_the_first_view_offers_popular_queries_and_an_example_of_each_kind(browser: Browser, tmp_path: Path) -> None:
    with trying(browser, tmp_path, _Learned(neural_kind="")) as page:
        expect(page.locator("#query")).to_be_focused()
        expect(page.locator("#suggestions .phrase").first).to_have_text("new york")
        chips = page.get_by_role("group", name="Examples").get_by_role("button")
        kinds = {"log": "new york", "generated": "new york pizza", "corrected": "wetaher → weather"}
        expect(chips).to_have_text([f"{kind} {text}" for kind, text in kinds.items()] + ["next word states states"])
        box = page.locator("#query")
        for name, typed, first in (
            ("log", "new ", "new york"),
            ("generated", "new york ", "new york pizza"),
            ("corrected", "wetaher", "weather"),
        ):
            chips.filter(has_text=name).click()
            expect(box).to_have_value(typed)
            expect(page.locator("#suggestions .phrase").first).to_have_text(first)
        chips.filter(has_text="next word").click()
        expect(page.locator("#text")).to_have_value("states ")
        expect(page.locator("#ghost")).to_have_text("states")


class _Learned(TwinModel):
    """Knows two queries, invents the rest, and corrects any other beginning to the second."""

    def complete_query(self, query: str, *options: Any) -> QueryCompletion:
        answer = super().complete_query(query, *options)
        if query == "" or "new york".startswith(query):
            listed = [("new york", SuggestionSource.LOG), ("weather", SuggestionSource.LOG)]
        elif query.startswith("new"):
            listed = [("new york pizza", SuggestionSource.GENERATED)]
        else:
            listed = [("weather", SuggestionSource.LOG)]
        like = answer.suggestions[0]
        return replace(
            answer,
            suggestions=tuple(like._replace(text=text, display=text, source=source) for text, source in listed),
        )


def test_without_web_sockets_it_asks_by_http(browser: Browser, site: str) -> None:
    with opened(browser, site) as page:
        page.route_web_socket("**/*", lambda socket: socket.close(code=1013))
        page.reload()
        complete(page, "new")
        expect(page.locator("#inspector")).to_contain_text("HTTP")


class _Held(TwinModel):
    """Answers to one query are held back."""

    def __init__(self, query: str) -> None:
        super().__init__(neural_kind="")
        self.held = query
        self.let = threading.Event()

    def complete_query(self, query: str, *options: Any) -> QueryCompletion:
        if query == self.held:
            self.let.wait(20)
        return super().complete_query(query, *options)


def test_late_answers_by_http_change_nothing(browser: Browser, tmp_path: Path) -> None:
    twin = _Held("q")
    with trying(browser, tmp_path, twin) as page:
        page.route_web_socket("**/*", lambda socket: socket.close(code=1013))
        page.reload()
        with page.expect_request("**/v1:completeQuery"):
            page.locator("#query").press_sequentially("q")
        page.locator("#query").press_sequentially("b")
        expect(page.locator("#suggestions .phrase").first).to_have_text("qbc")
        twin.let.set()
        page.wait_for_timeout(200)
        assert texts(page) == ["qbc", "qbb", "qba"]


def test_late_answers_by_web_socket_change_nothing(browser: Browser, tmp_path: Path) -> None:
    answers: dict[str, int] = {}

    def play_server(socket: WebSocketRoute) -> None:
        def answer(number: int, text: str) -> None:
            suggestion = {"text": text, "segments": [], "acceptanceProbability": 0.5}
            completion = {"suggestions": [suggestion], "model": "models/m", "modelVersion": "1"}
            message = {"sequenceNumber": str(number), "completion": completion, "isFinal": True}
            socket.send(json.dumps(message))

        def take(message: str | bytes) -> None:
            keystroke = json.loads(message).get("keystroke")
            if keystroke and keystroke["query"] == "ab":
                number = int(keystroke["sequenceNumber"])
                answer(number, "newer")
                answer(number - 1, "older")
                answers["sent"] = 2

        socket.on_message(take)

    with trying(browser, tmp_path) as page:
        page.route_web_socket("**/v1:streamCompleteQuery", play_server)
        page.reload()
        page.locator("#query").press_sequentially("ab")
        expect(page.locator("#inspector")).to_contain_text("newer")
        page.wait_for_timeout(200)
        assert answers == {"sent": 2}
        assert page.locator("[role=option]").count() == 1
        expect(page.locator("#inspector")).not_to_contain_text("older")


def test_ghost_text_is_taken_by_tab_and_arrow_and_hidden_by_escape(browser: Browser, site: str) -> None:
    with opened(browser, site) as page:
        field, ghost = page.locator("#text"), page.locator("#ghost")
        field.press_sequentially("the united ")
        expect(ghost).to_have_text("states")
        field.press("Tab")
        expect(field).to_have_value("the united states ")
        expect(ghost).to_have_text("states")
        field.press("ArrowRight")
        expect(field).to_have_value("the united states states ")
        expect(ghost).to_have_text("states")
        field.press("ArrowLeft")  # the cursor is within the text: nothing to take
        expect(ghost).to_have_text("")
        field.press("ArrowRight")
        expect(ghost).to_have_text("states")
        field.press("Escape")
        expect(ghost).to_have_text("")
        field.press("Tab")
        expect(field).not_to_be_focused()


def test_words_are_taken_by_touch_and_undone(browser: Browser, site: str) -> None:
    with opened(browser, site) as page:
        field = page.locator("#text")
        field.press_sequentially("a ")
        page.get_by_role("button", name="nations").click()
        expect(field).to_have_value("a nations ")
        expect(field).to_be_focused()
        field.press("Control+z")
        expect(field).to_have_value("a ")


def test_the_inspector_explains_what_is_shown(browser: Browser, tmp_path: Path) -> None:
    wide = {"viewport": {"width": 1280, "height": 800}}
    with trying(
        browser, tmp_path, TwinModel(left_out=(LeftOut(OptionalPart.NEURAL, Shortage.DEADLINE),)), **wide
    ) as page:
        complete(page, "a")
        inspector = page.locator("#inspector")
        for text in ("twin", "20260101T000000Z", "WebSocket", "left out", "ngram1.00 ms", "50%", "14%", "log"):
            expect(inspector).to_contain_text(text)
        page.locator("#query").press("ArrowDown")
        expect(page.locator("tr[data-active] th")).to_have_text("ac")
        logarithms = page.get_by_role("cell", name="-3.00")
        expect(logarithms).to_have_count(0)
        page.get_by_label("Log probabilities").check()
        expect(logarithms).to_have_count(3)


def test_a_query_of_the_address_bar_is_chosen(browser: Browser, site: str) -> None:
    with opened(browser, site) as page:
        page.goto(page.url + "?q=new+york")
        expect(page.locator("#query")).to_have_value("new york")
        expect(page.locator("#chosen")).to_contain_text("Chosen: new york")


def test_it_works_under_a_path_of_a_site(browser: Browser, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}/auto"
    with (
        running(tmp_path) as (server, _),
        running_gateway(f"127.0.0.1:{server.port}", public_url=url) as gateway,
        site_with_gateway(gateway.port, prefix="/auto", site_port=port),
        opened(browser, f"{url}/") as page,
    ):
        page.locator("#text").press_sequentially("the united ")
        expect(page.locator("#ghost")).to_have_text("states")
        complete(page, "new yor")
        expect(page.locator("#link-text")).to_have_text("live")


def test_roles_names_and_references_are_whole(browser: Browser, site: str) -> None:
    with opened(browser, site, viewport={"width": 1280, "height": 800}) as page:
        complete(page, "a")
        page.locator("#query").press("ArrowDown")
        box = page.get_by_role("combobox", name="Query", expanded=True)
        assert box.get_attribute("aria-autocomplete") == "list"
        assert page.get_by_role("listbox", name="Suggestions").get_by_role("option").count() == 3
        expect(page.get_by_role("option", selected=True)).to_have_count(1)
        expect(page.get_by_role("textbox", name="Text")).to_be_visible()
        expect(page.get_by_role("switch", name="Log probabilities")).not_to_be_checked()
        expect(page.get_by_role("status").filter(has_text="3 suggestions")).to_have_count(1)
        assert page.evaluate(BROKEN) == []


def test_on_a_phone_the_list_scrolls_beside_the_box(browser: Browser, tmp_path: Path) -> None:
    phone = {"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 500}}  # with a keyboard
    with trying(browser, tmp_path, _Long(neural_kind=""), **phone) as page:
        box, options = page.locator("#query"), page.locator("[role=option]")
        box.tap()
        expect(options).to_have_count(20)
        for _ in range(20):
            box.press("ArrowDown")
        expect(options.last).to_be_in_viewport()
        expect(box).to_be_in_viewport(ratio=1)


class _Long(TwinModel):
    """Always has twenty suggestions."""

    def complete_query(self, query: str, *options: Any) -> QueryCompletion:
        answer = super().complete_query(query, *options)
        like = answer.suggestions[0]
        texts = [f"{query}{number:02}" for number in range(20)]
        return replace(answer, suggestions=tuple(like._replace(text=text, display=text) for text in texts))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_fits_and_can_be_read(browser: Browser, site: str, width: int, scheme: str) -> None:
    with opened(browser, site, viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        page.locator("#text").press_sequentially("a ")
        expect(page.locator("#ghost")).to_have_text("states")
        complete(page, "new york " * 9)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(PALE) == []
        if width == 1280:
            assert max(page.evaluate(_SPREADS)) <= 1  # px: nothing wraps


_SPREADS = """() => [["tbody tr", "offsetHeight"], [".facts div", "offsetTop"], [".legend li", "offsetTop"]].map(
  ([rows, place]) => {
    const places = [...document.querySelectorAll(rows)].map(each => each[place]);
    return Math.max(...places) - Math.min(...places);
  })"""
