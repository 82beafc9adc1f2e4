"""`autocomplete serve` with constants of its modules changed: what has no setting can still be measured.

Run as `python -m benchmarks.serving.tuned_server MODULE.CONSTANT=VALUE... -- FLAGS`.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cli.main import main as run
from lm.errors import ConfigError


def main() -> None:
    """Changes the constants and serves."""
    end = sys.argv.index("--")
    given = (text.partition("=") for text in sys.argv[1:end])
    sys.argv[1:] = ["serve", *sys.argv[end + 1 :]]
    with changed({name: ast.literal_eval(value) for name, _, value in given}):
        run()


@contextmanager
def changed(constants: Mapping[str, object]) -> Iterator[None]:
    """Gives constants, by module and name, other values for a while.

    Raises:
        ConfigError: there is no such constant.
    """
    before = {}
    try:
        for name, value in constants.items():
            module, _, attribute = name.rpartition(".")
            place = importlib.import_module(module)
            if not hasattr(place, attribute):
                raise ConfigError(f"There is no {name}.", remedy="It was renamed or went: adapt the benchmark.")
            before[place, attribute] = getattr(place, attribute)
            setattr(place, attribute, value)
        yield
    finally:
        for (place, attribute), value in before.items():
            setattr(place, attribute, value)


if __name__ == "__main__":
    main()
