"""Checks the API with buf: its style, and that nothing released has changed in a way that breaks callers.

What was released is `proto/released.binpb`, a set of descriptors, so that the check needs no history and no network.
`--release` makes what is there now the released one: `make release-api`. That also is what `examples/node` and
`grpcurl -protoset` read.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.generate_stubs import PROTO, compile_protos

RELEASED = PROTO / "released.binpb"
_RULES = PROTO.parent / "buf.yaml"
_BUF = Path(sys.executable).parent / "buf"
_OURS = ("--path", "autocomplete")  # not the files of Google's that ours import


def check(root: Path = PROTO, *, release: bool = False) -> int:
    """Checks the `.proto` files below `root`, then releases them if asked to; returns an exit status."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.binpb"
        # protoc finds Google's files where pip put them; buf would fetch them from its registry
        described = ("--include_imports", "--include_source_info", f"--descriptor_set_out={image}")
        status = compile_protos(*described, root=root)
        steps: list[tuple[str | Path, ...]] = [("lint", image)]
        if release:
            steps.append(("build", image, "--exclude-source-info", "--output", RELEASED))
        else:
            steps.append(("breaking", image, "--against", RELEASED))
        for step in steps:
            command = [_BUF, *step, "--config", _RULES, *_OURS]
            status = status or subprocess.run(command, cwd=folder, check=False).returncode
        return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", action="store_true", help="make the present API the released one")
    sys.exit(check(release=parser.parse_args().release))
