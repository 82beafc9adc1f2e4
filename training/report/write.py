"""Writes the report: both files whole, or neither."""

from __future__ import annotations

import errno
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lm.errors import InputError

PAGE_FILE, JSON_FILE = "report.html", "report.json"


def check_folder(folder: Path) -> None:
    """Makes the report's folder and tries to write there, before measuring takes its time.

    Raises:
        InputError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from None


def write_report(folder: Path, document: Mapping[str, Any]) -> Path:
    """Writes `report.html` and `report.json` into the folder; returns the path of the page.

    Raises:
        InputError: the disk is full or the folder cannot be written; what was there before is untouched.
    """
    from training.report.page import render_page

    contents = {
        PAGE_FILE: render_page(document),
        JSON_FILE: json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    }
    aside = {name: folder / f".{name}.partial" for name in contents}
    try:
        for name, content in contents.items():
            aside[name].write_text(content, encoding="utf-8")
        for name, path in aside.items():
            path.replace(folder / name)
    except OSError as error:
        raise _unwritable(folder, error) from None
    finally:
        for path in aside.values():
            path.unlink(missing_ok=True)
    return folder / PAGE_FILE


def _unwritable(folder: Path, error: OSError) -> InputError:
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return InputError(folder, "a file, not a folder.", remedy="Name a folder for the report.")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return InputError(folder, "the disk is full.", remedy="Make room, or name a folder on another disk.")
    return InputError(folder, f"cannot be written: {error.strerror}.", remedy="Name another folder for the report.")
