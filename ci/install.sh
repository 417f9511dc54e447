#!/usr/bin/env bash
# Installs Debian packages that are missing: ci/install.sh PACKAGE...
set -euo pipefail

missing=()
for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
((${#missing[@]} == 0)) && exit 0

if ! command -v apt-get >/dev/null; then
    echo "install: this machine has no apt-get; please install: ${missing[*]}" >&2
    exit 1
fi
sudo=()
((EUID == 0)) || sudo=(sudo)
echo "install: ${missing[*]}"
"${sudo[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
