"""Resolves the newest versions that fit `pyproject.toml` into `requirements.lock`: `make lock`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_LOCK = _ROOT / "requirements.lock"
_HEADER = "# Versions of everything, for pip's `--constraint`; written by `make lock`.\n"


def main(extra_arguments: list[str]) -> None:
    """Writes the lock. Further arguments, such as `--constraint FILE`, go to pip."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        command += ["--report", str(report), *extra_arguments]
        command += [str(_ROOT / "autocomplete_client"), f"{_ROOT}[server,gateway,train,spark,dev]"]
        subprocess.run(command, check=True)
        installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    packages = [item["metadata"] for item in installed if "dir_info" not in item["download_info"]]
    # only some indexes have a local version such as `2.13.0+cpu`
    pins = {package["name"].lower(): package["version"].partition("+")[0] for package in packages}
    _LOCK.write_text(_HEADER + "".join(f"{name}=={pins[name]}\n" for name in sorted(pins)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
