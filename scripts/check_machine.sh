#!/bin/sh
# Says what this machine lacks before anything is installed: `check_machine.sh PYTHON`.
set -eu

python=$1
missing=

lacks() {
    missing="${missing}  - $1
"
}

if ! command -v "$python" >/dev/null 2>&1; then
    lacks "$python: 'apt install python3 python3-venv python3-dev', or name one: 'make PYTHON=python3.11 ...'"
elif ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
    other=
    for candidate in python3.11 python3.12 python3.13; do
        if [ -z "$other" ] && command -v "$candidate" >/dev/null 2>&1; then other=$candidate; fi
    done
    found=$("$python" -c 'import platform; print(platform.python_version())')
    if [ -n "$other" ]; then
        lacks "Python 3.11 to 3.13 ($python is $found): add 'PYTHON=$other' to the command"
    else
        lacks "Python 3.11 to 3.13 ($python is $found): 'apt install python3.11 python3.11-venv python3.11-dev'"
    fi
else
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        lacks "Python's module venv: 'apt install python3-venv'"
    fi
    header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
    if [ ! -f "$header" ]; then
        lacks "Python's C headers ($header): 'apt install python3-dev'"
    fi
fi
if ! command -v "${CXX:-c++}" >/dev/null 2>&1 && ! command -v g++ >/dev/null 2>&1; then
    lacks "a C++ compiler: 'apt install g++' (or set CXX)"
fi

if [ -n "$missing" ]; then
    printf 'This machine lacks:\n%sInstall that and start again; nothing has been changed.\n' "$missing" >&2
    exit 1
fi
