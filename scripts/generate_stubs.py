"""Makes the Python stubs of all `.proto` files, in place or in a FOLDER: `make proto`."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

from grpc_tools import protoc

PROTO = Path(__file__).resolve().parent.parent / "proto"


def compile_protos(*outputs: str, root: Path = PROTO) -> int:
    """Runs the compiler on all `.proto` files below `root` with these options; returns its exit status."""
    site_packages = sysconfig.get_path("purelib")  # google/api, google/rpc: package googleapis-common-protos
    well_known = Path(protoc.__file__).parent / "_proto"  # google/protobuf
    sources = sorted(str(path) for path in root.rglob("*.proto"))
    includes = [f"-I{folder}" for folder in (root, site_packages, well_known)]
    return int(protoc.main(["protoc", *includes, *outputs, *sources]))


def main(target: Path) -> int:
    """Writes the stubs under `target`; returns the compiler's exit status."""
    return compile_protos(*(f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else PROTO))
