#!/bin/sh
# Installs this source and the packages of some of its extras, at the locked versions: `install.sh VENV EXTRAS`.
# What pip says goes to VENV/install.log. Where pip fails, this says in plain words why and what to do.
set -eu

venv=$1
extras=$2
log=$venv/install.log

# shows what pip is at in one line that changes, if somebody watches
show() {
    while IFS= read -r line; do
        case $line in
        *Collecting* | *Downloading* | *Building* | *Installing*) [ ! -t 1 ] || printf '\r\033[K  %.70s' "${line#  }" ;;
        esac
    done
    [ ! -t 1 ] || printf '\r\033[K'
}

printf 'Installing packages [%s] and compiling the kernels: about 3 minutes on two cores, downloads aside (log: %s)\n' "$extras" "$log"
rm -f "$log.failed"
{
    # Cython and setuptools, so that a kernel that changes is compiled again without the others
    "$venv/bin/python" -m pip --disable-pip-version-check install --progress-bar off --constraint requirements.lock \
        --editable ./autocomplete_client --editable ".[$extras]" Cython setuptools 2>&1 || touch "$log.failed"
} | tee "$log" | show
if [ ! -e "$log.failed" ]; then
    exit 0
fi
rm -f "$log.failed"

if grep -qiE 'No space left on device|Errno 28' "$log"; then
    reason="the disk is full. Free some gigabytes (torch alone takes one, several with GPU support) and start again."
elif grep -qiE 'NewConnectionError|NameResolutionError|connection broken|ProxyError|timed out|Max retries' "$log"; then
    reason="the package index cannot be reached. Connect to the network, or set pip's index or proxy, and start again."
elif grep -qiE "Could not find a version|No matching distribution" "$log"; then
    reason="a package is not to be had for this Python and platform. Use CPython 3.11 to 3.13 on 64-bit Linux."
elif grep -qiE "error: command .*(cc|c\+\+|g\+\+).*(failed|non-zero)|Python\.h: No such" "$log"; then
    reason="compiling failed. 'apt install g++ python3-dev' installs what it needs."
else
    reason="pip failed; the lines above say why."
fi
tail -n 20 "$log" >&2
printf '\nInstalling stopped: %s\nAll that pip said: %s\n' "$reason" "$log" >&2
exit 1
