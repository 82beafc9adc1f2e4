"""Builds the compiled kernels; everything else stands in `pyproject.toml`."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

# Built at installation, not at first use: a replica then starts without compiling, on any processor of its kind.
extensions = [
    Extension(f"lm.kernels.{source.stem}", [str(source)], language="c++", extra_compile_args=["-O3", "-std=c++17"])
    for source in sorted(Path("lm/kernels").glob("*.pyx"))
]
setup(
    options={"build_ext": {"parallel": os.cpu_count()}},
    ext_modules=cythonize(
        extensions,
        build_dir="build",
        compiler_directives={
            "language_level": "3",
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
        },
    ),
)
