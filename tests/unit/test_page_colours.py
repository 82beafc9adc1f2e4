"""Whether the page's colours stand out, by WCAG 2.2: text 4.5 to 1 (1.4.3), edges and states 3 to 1 (1.4.11)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_STYLE = (_ROOT / "gateway" / "page" / "style.css").read_text(encoding="utf-8")
_LIGHT, _DARK = (
    dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{3,6});", block))
    for block in re.findall(r":root \{(.*?)\n *\}", _STYLE, re.DOTALL)
)
_TEXT = [(text, under) for text in ("text", "soft", "faint") for under in ("page", "card", "active")]
_TEXT += [("warn", "card"), ("accent", "page"), ("faint", "field")]
_EDGES = [("edge", "card"), ("edge", "field"), ("accent", "card"), ("accent", "active"), ("accent", "field")]
_STAGES = dict(re.findall(r'data-stage="([a-z]+)"\] \{ --stage: (#[0-9a-f]{6});', _STYLE))
_TIMED = {
    stage
    for path in (_ROOT / "suggest").rglob("*.py")
    for stage in re.findall(r'\.stage\("(\w+)"', path.read_text(encoding="utf-8"))
}


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", [_LIGHT, _DARK], ids=["light", "dark"])
def test_text_and_edges_stand_out(colours: dict[str, str]) -> None:
    assert _contrast("#000", "#fff") == pytest.approx(21)
    dim = [pair for pair in _TEXT if _contrast(colours[pair[0]], colours[pair[1]]) < 4.5]
    dim += [pair for pair in _EDGES if _contrast(colours[pair[0]], colours[pair[1]]) < 3]
    assert dim == []


def test_each_stage_has_a_colour_of_its_own() -> None:
    assert _TIMED - _STAGES.keys() == {"explain"}  # the page shows no time of work for itself
    assert len(set(_STAGES.values())) == len(_STAGES)
    cards = [colours["card"] for colours in (_LIGHT, _DARK)]
    assert [stage for stage, colour in _STAGES.items() if min(_contrast(colour, card) for card in cards) < 3] == []
