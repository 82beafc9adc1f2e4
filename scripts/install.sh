#!/bin/sh
# Runs pip and, where it fails, says in plain words why and what to do: `install.sh PYTHON PIP-ARGUMENT...`.
set -eu

python=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT

if "$python" -m pip --disable-pip-version-check --log "$log" install "$@"; then
    exit 0
fi

if grep -qiE 'No space left on device|Errno 28' "$log"; then
    reason="the disk is full. Free some gigabytes (torch alone takes one, several with GPU support) and start again."
elif grep -qiE 'NewConnectionError|NameResolutionError|connection broken|ProxyError|timed out|Max retries' "$log"; then
    reason="the package index cannot be reached. Connect to the network, or set pip's index or proxy, and start again."
elif grep -qiE "Could not find a version|No matching distribution" "$log"; then
    reason="a package is not to be had for this Python and platform. Use CPython 3.11 to 3.13 on 64-bit Linux."
elif grep -qiE "error: command .*(cc|c\+\+|g\+\+).*(failed|non-zero)|Python\.h: No such" "$log"; then
    reason="compiling failed. 'apt install g++ python3-dev' installs what it needs."
else
    reason="pip failed; its last lines above say why."
fi
printf '\nInstalling stopped: %s\n' "$reason" >&2
exit 1
