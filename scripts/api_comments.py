"""What the `.proto` files say of each declaration, for the pages that are written from them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from scripts.generate_stubs import compile_protos

PACKAGE = "autocomplete.v1"


def read_comments() -> Mapping[str, str]:
    """The comments by full name, such as `autocomplete.v1.Model.State`, each paragraph on one line.

    The stubs' descriptors hold no comments, so the files are compiled once more.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "described.binpb"
        if compile_protos("--include_source_info", f"--descriptor_set_out={path}"):
            raise SystemExit("The .proto files do not compile: see above.")
        described = FileDescriptorSet.FromString(path.read_bytes())
    return {
        _declared(file, list(location.path)): paragraphs(location.leading_comments)
        for file in described.file
        for location in file.source_code_info.location
        if location.leading_comments
    }


def _declared(file: Any, path: list[int]) -> str:
    """The full name of what a path of `SourceCodeInfo` leads to: numbers of fields and places in them, in turn."""
    node, names = file, [file.package]
    for number, place in zip(path[::2], path[1::2], strict=True):
        node = getattr(node, node.DESCRIPTOR.fields_by_number[number].name)[place]
        names.append(node.name)
    return ".".join(names)


def paragraphs(comment: str) -> str:
    """The lines of each paragraph joined to one."""
    return "\n\n".join(" ".join(part.split()) for part in comment.strip().split("\n\n"))
