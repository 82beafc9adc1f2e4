"""Settings that people write: TOML files, and what is wrong with one that cannot be read."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from lm.errors import InputError


def read_toml(path: Path, *, missing: str) -> dict[str, Any]:
    """The document.

    Args:
        missing: what to do if there is no such file.

    Raises:
        InputError: it cannot be read or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8").removeprefix("\ufeff")  # editors on Windows put this mark first
        return tomllib.loads(text)
    except FileNotFoundError:
        raise InputError(path, "no such file.", remedy=missing) from None
    except IsADirectoryError:
        raise InputError(path, "is a folder.", remedy="Name the TOML file in it.") from None
    except UnicodeDecodeError as error:
        raise InputError(path, "not UTF-8.", byte=error.start, remedy="Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(path, f"not valid TOML: {error}.") from None
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}.") from None
