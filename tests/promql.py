"""Which metrics and labels an expression of PromQL names: enough of its grammar for rules and dashboards."""

from __future__ import annotations

import re

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)?\{([^}]*)\}")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_LABEL = re.compile(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)")
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")
_OPERATORS = {"and", "or", "unless", "offset", "bool"}


def metrics(expression: str) -> dict[str, set[str]]:
    """Names of the series that an expression reads, each with the labels that it is selected by."""
    bare = _GROUPING.sub(" ", re.sub(r"\[[^\]]*\]", " ", _STRING.sub("''", expression)))
    found: dict[str, set[str]] = {}
    for name, matchers in _SELECTOR.findall(bare):
        found.setdefault(name, set()).update(_LABEL.findall(matchers))
    rest = _SELECTOR.sub(" ", bare)
    for match in _NAME.finditer(rest):
        called = rest[match.end() :].lstrip().startswith("(")
        number = match.start() > 0 and rest[match.start() - 1].isdigit()
        if not called and not number and match[0] not in _OPERATORS:
            found.setdefault(match[0], set())
    return found


def groupings(expression: str) -> set[str]:
    """Labels that an expression groups or matches by."""
    lists = _GROUPING.findall(_STRING.sub("''", expression))
    return {label.strip() for names in lists for label in names.split(",") if label.strip()}
