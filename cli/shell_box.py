"""A search box in the terminal: a line to type in, suggestions below it, a status line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from prompt_toolkit.application import Application, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import BufferControl, FormattedTextControl, HSplit, Layout, VSplit, Window

from autocomplete_client import AsyncClient, AsyncTypingSession, CallError
from cli.suggestions import Response, Row, explain_failure, rows

_KEYS = "Tab take · ↑↓ choose · Enter submit · Ctrl-T {other} · Ctrl-C end"


class Box:
    """What is typed, what is suggested for it, and the keys.

    Args:
        client: of the server; the caller closes it.
        address: its address, for messages.
        model: its name; empty for the default one.
        limit: at most this many suggestions.
        words: begins with next words.
    """

    def __init__(self, client: AsyncClient, *, address: str, model: str, limit: int, words: bool) -> None:
        self._client = client
        self._address = address
        self._model = model
        self._limit = limit
        self._typing: AsyncTypingSession | None = None
        self._asking: asyncio.Task[None] | None = None
        self.words = words
        self.rows: list[Row] = []
        self.chosen: int | None = None
        self.status = ""
        self.buffer = Buffer(multiline=False, on_text_changed=lambda _: self._ask())
        self.application: Application[None] = Application(
            layout=Layout(self._layout()), key_bindings=self._keys(), erase_when_done=True
        )

    async def run(self) -> None:
        """Shows the box until the user ends it."""
        async with self._client.session(model=self._model, max_suggestions=self._limit) as typing:
            self._typing = typing
            showing = asyncio.create_task(self._show_queries(typing))
            self._ask()
            try:
                await self.application.run_async()
            finally:
                self._forget_words()
                showing.cancel()

    def _ask(self) -> None:
        """Asks about the box as it is now. Answers to what it held before are dropped."""
        self.chosen = None
        self._forget_words()
        if self.words:
            self._asking = asyncio.create_task(self._show_words(self.buffer.text))
        elif self._typing is not None:
            self._typing.type(self.buffer.text)

    async def _show_queries(self, typing: AsyncTypingSession) -> None:
        async for answer in typing:
            if self.words or answer.query != self.buffer.text:
                continue
            if answer.error is not None:
                self._fail(answer.error)
                continue
            stage = "final" if answer.is_final else "fast"
            self._show(answer.query, answer.completion, f"{answer.latency_s * 1000:.1f} ms, {stage}")

    async def _show_words(self, text: str) -> None:
        started_s = time.perf_counter()
        try:
            answer = await self._client.predict_next_word(text, model=self._model, max_suggestions=self._limit)
        except CallError as error:
            self._fail(error)
            return
        latency_s = time.perf_counter() - started_s
        self._show(text, answer, f"{latency_s * 1000:.1f} ms")

    def _forget_words(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def _show(self, text: str, answer: Response, timing: str) -> None:
        self.rows = rows(text, answer)
        if self.chosen is not None and self.chosen >= len(self.rows):
            self.chosen = None
        degraded = ", degraded" if answer.degraded else ""
        self.status = f"{answer.model.removeprefix('models/')} {answer.model_version} · {timing}{degraded}"
        self.application.invalidate()

    def _fail(self, error: CallError) -> None:
        self.rows, self.chosen = [], None
        self.status = str(explain_failure(error, self._address))
        self.application.invalidate()

    def _take(self) -> None:
        """Puts the chosen suggestion, or else the first one, into the box."""
        if self.rows:
            text = self.rows[self.chosen or 0].text
            self.buffer.text = text
            self.buffer.cursor_position = len(text)

    def _choose(self, step: int) -> None:
        """Moves the choice. Beyond both ends of the list, the typed text itself is chosen."""
        places = [None, *range(len(self.rows))]
        self.chosen = places[(places.index(self.chosen) + step) % len(places)]

    def _submit(self) -> None:
        text = self.rows[self.chosen].text if self.chosen is not None else self.buffer.text
        if text:
            run_in_terminal(lambda: print(text))
        self.buffer.reset()
        self._ask()

    def _switch(self) -> None:
        self.words = not self.words
        self.rows = []
        self._ask()

    def _end(self) -> None:
        self.application.exit()

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        for key, action in (
            ("tab", self._take),
            ("down", partial(self._choose, 1)),
            ("up", partial(self._choose, -1)),
            ("enter", self._submit),
            ("c-t", self._switch),
            ("c-c", self._end),
            ("c-d", self._end),
        ):
            keys.add(key)(_on_key(action))
        return keys

    def _layout(self) -> HSplit:
        prompt = FormattedTextControl(lambda: [("bold", "text> " if self.words else "query> ")])
        line = VSplit([Window(prompt, dont_extend_width=True, height=1), Window(BufferControl(self.buffer), height=1)])
        return HSplit(
            [
                line,
                Window(FormattedTextControl(self._list), dont_extend_height=True),
                Window(FormattedTextControl(self._status_line), height=2, style="reverse", wrap_lines=True),
            ]
        )

    def _list(self) -> StyleAndTextTuples:
        fragments: StyleAndTextTuples = []
        for place, row in enumerate(self.rows):
            chosen = place == self.chosen
            style = "reverse " if chosen else ""
            fragments.append((style, "  > " if chosen else "    "))
            fragments += [(style + ("" if typed else "bold"), part) for typed, part in row.shown]
            fragments.append(("fg:ansibrightblack", f"  {row.source} {row.probability:.1%}\n"))
        return fragments

    def _status_line(self) -> StyleAndTextTuples:
        source = f"{self.rows[self.chosen or 0].source} · " if self.rows else ""
        other = "queries" if self.words else "next words"
        return [("", f" {source}{self.status}\n {_KEYS.format(other=other)}")]


def _on_key(action: Callable[[], None]) -> Callable[[KeyPressEvent], None]:
    return lambda _event: action()
