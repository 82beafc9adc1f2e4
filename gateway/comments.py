"""What the `.proto` files say of each message, field and method: descriptors at run time hold no comments."""

from __future__ import annotations

import re
from pathlib import Path

_OPENS = re.compile(r"(?:message|enum|service|oneof) (\w+) \{")
_METHOD = re.compile(r"rpc (\w+)\(")
_FIELD = re.compile(r"(?:optional |repeated )?[\w.]+ (\w+) = \d+")
_VALUE = re.compile(r"(\w+) = \d+")


def read_comments(path: Path, package: str) -> dict[str, str]:
    """Comments by full name, such as `autocomplete.v1.CompleteQueryRequest.query`.

    Args:
        path: a file as `buf format` lays it out: one declaration a line, comments on the lines before it.
    """
    comments: dict[str, str] = {}
    scopes = [package]
    pending: list[str] = []
    for line in map(str.strip, path.read_text(encoding="utf-8").splitlines()):
        if line.startswith("//"):
            pending.append(line.removeprefix("//").strip())
            continue
        for pattern in (_OPENS, _METHOD, _FIELD, _VALUE):
            named = pattern.match(line)
            if named:
                owner = [scope for scope in scopes if scope]
                comments[".".join([*owner, named[1]])] = _paragraphs(pending)
                break
        scopes += [_scope(line)] * line.count("{")
        for _ in range(line.count("}")):
            scopes.pop()
        pending = []
    return comments


def _scope(line: str) -> str:
    """The name that a block adds to those in it; a oneof and options add none."""
    opens = _OPENS.match(line)
    return opens[1] if opens and not line.startswith("oneof") else ""


def _paragraphs(lines: list[str]) -> str:
    """Lines joined to paragraphs; an empty line parts two."""
    return "\n\n".join(" ".join(part.split("\n")) for part in "\n".join(lines).split("\n\n"))
