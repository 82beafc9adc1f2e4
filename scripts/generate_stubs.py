"""Makes the Python stubs of all `.proto` files, in place or in a FOLDER: `make proto`."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

from grpc_tools import protoc

_PROTO = Path(__file__).resolve().parent.parent / "proto"


def main(target: Path) -> int:
    """Writes the stubs under `target`; returns the compiler's exit status."""
    site_packages = sysconfig.get_path("purelib")  # google/api, google/rpc: package googleapis-common-protos
    well_known = Path(protoc.__file__).parent / "_proto"  # google/protobuf
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    sources = sorted(str(path) for path in _PROTO.rglob("*.proto"))
    includes = [f"-I{folder}" for folder in (_PROTO, site_packages, well_known)]
    return int(protoc.main(["protoc", *includes, *outputs, *sources]))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else _PROTO))
