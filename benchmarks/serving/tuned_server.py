"""`autocomplete serve` with constants of its modules changed: what has no setting can still be measured.

Run as `python -m benchmarks.serving.tuned_server PACKAGE.CONSTANT=VALUE... -- FLAGS`.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType

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
    """Gives constants, named by package, other values for a while: in each of its modules that has one of the name.

    Raises:
        ConfigError: there is no such constant.
    """
    before: list[tuple[ModuleType, str, object]] = []
    try:
        for name, value in constants.items():
            package, _, constant = name.rpartition(".")
            places = [module for module in _modules(package) if hasattr(module, constant)]
            if not places:
                raise ConfigError(f"There is no {name}.", remedy="It was renamed or went: adapt the benchmark.")
            for module in places:
                before.append((module, constant, getattr(module, constant)))
                setattr(module, constant, value)
        yield
    finally:
        for module, constant, value in before:
            setattr(module, constant, value)


def value_of(name: str) -> object:
    """What a constant, named by package, is.

    Raises:
        ConfigError: there is no such constant.
    """
    package, _, constant = name.rpartition(".")
    for module in _modules(package):
        if hasattr(module, constant):
            return getattr(module, constant)
    raise ConfigError(f"There is no {name}.", remedy="It was renamed or went: adapt the benchmark.")


def _modules(package: str) -> list[ModuleType]:
    found = importlib.import_module(package)
    return [importlib.import_module(f"{package}.{each.name}") for each in pkgutil.iter_modules(found.__path__)]


if __name__ == "__main__":
    main()
