"""Running text: read from files, cut into sentences, split into what trains and what measures.

Neighbouring sentences speak of the same things, so whole blocks of them are held out, not single ones.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

from lm.errors import InputError
from lm.text.normalize import normalize_text
from lm.text.sentences import split_sentences
from training.config import HeldOut, TextSource, TrainingConfig
from training.data.screening import Screen
from training.data.sources import Meter, Progress, leave_out_empty, source_files
from training.data.tables import KINDS, read_columns
from training.progress import Reporter

TEXT_KINDS = KINDS
_PARTS = ("train", "validation", "test")
_SPLIT = "split"
_BLOCK_SENTENCES = 50
_MIN_BLOCKS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusCounts:
    """What a corpus held and where its sentences went.

    Attributes:
        dropped_sentences: those that hold personal data or keys, by reason.
    """

    files: int
    paragraphs: int
    dropped_sentences: dict[str, int]
    train: int
    validation: int
    test: int


def read_paragraphs(source: TextSource, path: Path, progress: Progress | None = None) -> Iterator[str]:
    """Paragraphs of running text of one file.

    Raises:
        InputError: the file cannot be used; names line, byte or column where there is one.
    """
    for _, (text,) in itertools.islice(read_columns(path, [source.column], progress=progress), source.max_lines):
        # JSON can spell half a surrogate pair, which no UTF-8 file can hold
        for paragraph in (text or "").encode("utf-8", "replace").decode("utf-8").splitlines():
            if paragraph and not paragraph.isspace():
                yield paragraph


def write_sentences(config: TrainingConfig, base: Path, out_folder: Path, reporter: Reporter) -> CorpusCounts:
    """Writes `train.txt`, `validation.txt` and `test.txt`: UTF-8, one sentence a line, case kept.

    Files with a `part` go there whole. Of the others, blocks of sentences are held out; which ones depends only on the
    seed and on where they stand. In a small text blocks are shorter, so that each part gets its share. Sentences with
    personal data or keys are dropped. Sentences with blocked words stay: such words are never suggested, and the words
    around them are worth learning.

    Raises:
        InputError: as `read_paragraphs`; or there are too few sentences to hold any out.
    """
    files = leave_out_empty(source_files(config.text, base, TEXT_KINDS), reporter)
    every = out_folder / "sentences.part"
    asides = {name: out_folder / f"{name}.txt.part" for name in _PARTS}
    try:
        paragraphs, counts, dropped = _write_all(files, {_SPLIT: every, **asides}, reporter)
        every_count, total = sum(counts.values()), counts.pop(_SPLIT)
        if total:
            dealt = _deal(every, total, *_held_out_blocks(total, config.held_out, config.seed), asides, reporter)
            counts = {name: counts[name] + dealt[name] for name in _PARTS}
        for name, count in counts.items():
            if not count:
                raise InputError(
                    files[0][1] if files else base,
                    f"the text holds {every_count} sentences, and none is left for {name}; training, "
                    "tuning and measuring need one each at least.",
                    remedy="Give more text, or a file for it; a useful model needs some ten thousand sentences.",
                )
        for name, aside in asides.items():
            aside.replace(out_folder / f"{name}.txt")
    finally:
        for path in (every, *asides.values()):
            path.unlink(missing_ok=True)
    return CorpusCounts(files=len(files), paragraphs=paragraphs, dropped_sentences=dropped, **counts)


def _write_all(
    files: Sequence[tuple[TextSource, Path]], outs: dict[str, Path], reporter: Reporter
) -> tuple[int, dict[str, int], dict[str, int]]:
    """Writes all sentences in order, by the part of their file.

    Returns:
        The number of paragraphs, of the sentences of each part, and of those dropped by reason.
    """
    paragraphs, screen, dropped = 0, Screen(), Counter[str]()
    counts = dict.fromkeys(outs, 0)
    with ExitStack() as stack, reporter.task("Reading text") as task:
        opened = {
            part: stack.enter_context(path.open("w", encoding="utf-8", newline="\n")) for part, path in outs.items()
        }
        meter = Meter(task, [path for _, path in files])
        for source, path in files:
            for paragraph in read_paragraphs(source, path, meter.at):
                paragraphs += 1
                for sentence in split_sentences(paragraph) if source.sentences == "split" else [paragraph]:
                    normal = normalize_text(sentence, lowercase=False)
                    reason = screen.private(normal.lower()) if source.screened else None
                    if reason is not None:
                        dropped[reason] += 1
                    elif normal:
                        opened[source.part].write(normal + "\n")
                        counts[source.part] += 1
            meter.finish(path)
    return paragraphs, counts, dict(sorted(dropped.items()))


def _deal(
    every: Path, total: int, block_size: int, parts: dict[int, str], asides: dict[str, Path], reporter: Reporter
) -> dict[str, int]:
    """Appends each sentence to the part that its block belongs to; returns how many went to each."""
    counts = dict.fromkeys(asides, 0)
    with (
        ExitStack() as stack,
        reporter.task("Holding sentences out", total) as task,
        every.open("rb") as lines,
    ):
        outs = {name: stack.enter_context(aside.open("ab")) for name, aside in asides.items()}
        for number, line in enumerate(lines):
            part = parts.get(number // block_size, "train")
            outs[part].write(line)
            counts[part] += 1
            if number % 65536 == 0:
                task.update(number)
    return counts


def _held_out_blocks(total: int, held_out: HeldOut, seed: int) -> tuple[int, dict[int, str]]:
    """How many sentences a block has, and which blocks are held out for what.

    Blocks are ordered by a hash: the first ones validate, the last ones test.
    So a corpus that grows at its end keeps most of its parts, and none of one part moves to the other.
    """

    def draw(block: int) -> bytes:
        return md5(f"{seed}:{block}".encode(), usedforsecurity=False).digest()

    size = max(1, min(_BLOCK_SENTENCES, total // _MIN_BLOCKS))
    blocks = total // size
    most = max(1, held_out.max_sentences // size)

    def share(fraction: float) -> int:
        return max(1, min(most, int(blocks * fraction)))

    validation = heapq.nsmallest(share(held_out.validation_fraction), range(blocks), key=draw)
    test = heapq.nlargest(share(held_out.test_fraction), range(blocks), key=draw)
    return size, dict.fromkeys(validation, "validation") | dict.fromkeys(test, "test")
