#!/bin/sh
# Installs this source and the packages of some of its extras, at the locked versions: `install.sh VENV EXTRAS`.
# What pip says goes to VENV/install.log. Where pip fails, this says in plain words why and what to do.
# THEN, of the environment, says what the caller does next, and how long that takes.
set -eu

venv=$1
extras=$2
log=$venv/install.log
details=$(mktemp) # has the causes that pip does not print
trap 'rm -f "$details"' EXIT

# shows what pip is at in one line that changes, if somebody watches
show() {
    while IFS= read -r line; do
        case $line in
        *Collecting* | *Downloading* | *Building* | *Installing* | *Retrying*) [ ! -t 1 ] || printf '\r\033[K  %.70s' "${line#  }" ;;
        esac
    done
    [ ! -t 1 ] || printf '\r\033[K'
}

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --log "$details" install --progress-bar off \
        --constraint requirements.lock "$@" 2>&1
}

printf 'Installing [%s] and compiling the kernels: about 2 minutes on two cores, downloads aside (log: %s)\n' "$extras" "$log"
[ -z "${THEN:-}" ] || printf '%s\n' "$THEN"
rm -f "$log.failed"
{
    # what builds comes first and stays, so that a kernel that changes is compiled again without the others
    pip setuptools Cython && pip --no-build-isolation --editable ./autocomplete_client --editable ".[$extras]" ||
        touch "$log.failed"
} | tee "$log" | show
if [ ! -e "$log.failed" ]; then
    exit 0
fi
rm -f "$log.failed"

if grep -qiE 'No space left on device|Errno 28' "$details"; then
    reason="the disk is full. Free some gigabytes (torch alone takes one, several with GPU support) and start again."
elif grep -qiE 'NewConnectionError|NameResolutionError|connection broken|ProxyError|timed out|Max retries' "$details"; then
    reason="the package index cannot be reached. Connect to the network, or set pip's index or proxy, and start again."
elif grep -qiE "Could not find a version|No matching distribution" "$details"; then
    reason="a package is not to be had for this Python and platform. Use CPython 3.11 to 3.13 on 64-bit Linux."
elif grep -qiE "error: command .*(cc|c\+\+|g\+\+).*(failed|non-zero)|Python\.h: No such" "$details"; then
    reason="compiling failed. 'apt install g++ python3-dev' installs what it needs."
else
    reason="pip failed; the lines above say why."
fi
tail -n 20 "$log" >&2
printf '\nInstalling stopped: %s\nAll that pip said: %s\n' "$reason" "$log" >&2
exit 1
