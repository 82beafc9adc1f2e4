"""Whether what is taken down is shown by any method, and whether anything else is missing."""

from __future__ import annotations

import itertools
import queue
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from autocomplete.v1 import autocomplete_service_pb2 as pb

from benchmarks.live.servers import Caller, Store, letters_of, popular, replicas, store_of
from lm.text.normalize import normalize_query

_DENIED, _ALIKE, _PREFIXES = 100, 1000, 10_000
_POOL = 8_000
_STREAMED, _GENERATED, _TOKENS = 2_000, 300, 8
_LONG_S = 30.0
_MIX = pb.GENERATED_QUERIES_MIX


class Denied:
    """What is taken down: each second one is taken down where it is a part, too."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.exact, self.contains = texts[::2], texts[1::2]
        self._letters = {letters_of(text) for text in self.exact}

    def shows(self, text: str) -> bool:
        """Whether a text is one of them, by a rule of this file's own."""
        if letters_of(text) in self._letters:
            return True
        return any(letters_of(each) in letters_of(text) and is_form(text, each) for each in self.contains)

    def is_alike(self, text: str) -> bool:
        """Whether a text shares a word, or its first or last letters, with one of them."""
        words, letters = set(text.split()), letters_of(text)
        return any(
            words & set(each.split()) or letters.startswith(letters_of(each)) or letters.endswith(letters_of(each))
            for each in (*self.exact, *self.contains)
        )


def is_form(text: str, phrase: str) -> bool:
    """Whether a text has a phrase in it as words of its own, however they are joined."""
    words, letters = [letters_of(word) for word in normalize_query(text).replace("-", " ").split()], letters_of(phrase)
    ends = [0, *itertools.accumulate(map(len, words))]
    whole = "".join(words)
    return any(whole[begin : begin + len(letters)] == letters for begin in ends if begin + len(letters) in ends)


def measure_hidden(registry: Path, sample: Path) -> None:
    """Prints what is shown of what is taken down, and what is missing of what is not."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        location, _ = stack.enter_context(store_of(Store.SQLITE, folder))
        [server] = stack.enter_context(replicas(registry, folder, location))
        caller = server.callers(stack)[0]
        texts = popular(sample, caller, _POOL)
        denied = Denied(texts[:_DENIED])
        harmless = [text for text in texts[_DENIED:] if denied.is_alike(text) and not denied.shows(text)][:_ALIKE]
        forms = [text for text in texts[_DENIED:] if denied.shows(text)]
        for text in (*denied.exact, *denied.contains):
            caller.take_down(text, contains=text in denied.contains)
        for each in server.callers(stack):  # all workers know the last one
            while any(map(denied.shows, each.shown(texts[_DENIED - 1][:-1]))):
                pass
        typed = prefixes(texts[:_DENIED], texts)
        found = Counter[str]()
        for method, asked, shown in shown_by(caller, typed):
            goes_on = method in ("PredictNextWord", "GenerateText") and denied.shows(asked)
            bad = [text for text in shown if denied.shows(text.removeprefix(asked) if goes_on else text)]
            found[f"{method}: asked"] += 1
            found[f"{method}: shown"] += len(shown)
            found[f"{method}: taken down, but shown"] += len(bad)
            if bad:
                print(f"{method} {asked!r}: {bad}")
        missing = [text for text in harmless if text not in caller.shown(text[:-1], 20)]
    for name, count in found.items():
        print(f"{name:40} {count:8,}")
    print(f"of {len(harmless)} harmless texts like those taken down, missing: {len(missing)} {missing}")
    print(f"{len(forms)} other popular texts are forms of those taken down, such as {forms[:10]}")


def prefixes(denied: Sequence[str], others: Sequence[str]) -> list[str]:
    """Different beginnings: of what is denied, whole or part, also mistyped and turned round, then of other texts."""
    chance, made = random.Random(1), dict.fromkeys(["", " "])
    for text in denied:
        turned = " ".join(reversed(text.split()))
        for length in range(1, len(text) + 1):
            begun = text[:length]
            place = chance.randrange(length)
            made |= dict.fromkeys(
                [begun, turned[:length], begun[:place] + begun[place + 1 :] + text[length:], begun + " "]
            )
    for text in others[len(denied) :]:
        made |= dict.fromkeys(text[:length] for length in range(1, len(text) + 1))
        if len(made) >= _PREFIXES:
            break
    return list(made)[:_PREFIXES]


def shown_by(caller: Caller, typed: Sequence[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Method, what is asked, and all texts that the answer holds: of each method that suggests."""
    answers = caller.answers
    for query in typed:
        for generated in (pb.GENERATED_QUERIES_UNSPECIFIED, _MIX):
            request = pb.CompleteQueryRequest(query=query, max_suggestions=20, generated=generated)
            yield "CompleteQuery", query, _texts(answers.CompleteQuery(request, timeout=_LONG_S))
        words = answers.PredictNextWord(pb.PredictNextWordRequest(text=query, max_suggestions=20), timeout=_LONG_S)
        before = query[: words.replace_start]
        yield "PredictNextWord", before, [before + each.text for each in words.suggestions]
    yield from _streamed(caller, typed[:_STREAMED])
    for seed, query in enumerate(typed[:_GENERATED]):
        prompt = pb.GenerateTextRequest(prompt=query, max_output_tokens=_TOKENS, seed=seed)
        text = "".join(chunk.text for chunk in answers.GenerateText(prompt, timeout=_LONG_S))
        yield "GenerateText", query, [query + text]


def _streamed(caller: Caller, typed: Sequence[str]) -> Iterator[tuple[str, str, list[str]]]:
    """One stream, on which each keystroke waits for the last answer to the one before."""
    requests: queue.SimpleQueue[pb.StreamCompleteQueryRequest] = queue.SimpleQueue()
    requests.put(pb.StreamCompleteQueryRequest(config=pb.StreamCompleteQueryRequest.Config(max_suggestions=20)))
    call = caller.answers.StreamCompleteQuery(iter(requests.get, None), timeout=20 * _LONG_S)
    for number, query in enumerate(typed, start=1):
        keystroke = pb.StreamCompleteQueryRequest.Keystroke(sequence_number=number, query=query)
        requests.put(pb.StreamCompleteQueryRequest(keystroke=keystroke))
        for answer in call:
            yield "StreamCompleteQuery", query, _texts(answer.completion)
            if answer.is_final:
                break
    call.cancel()


def _texts(answer: pb.CompleteQueryResponse) -> list[str]:
    return [each.text for each in answer.suggestions] + [answer.corrected_query] * bool(answer.corrected_query)
