#!/usr/bin/env bash
# Prints the newest Python, 3.11 to 3.14, that really runs here and can make virtual environments.
# A name on PATH proves nothing: a pyenv shim exists for versions that it then refuses to run.
set -euo pipefail
usable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1; }

if [ -n "${1:-}" ]; then
  usable "$1" && { command -v "$1"; exit; }
  echo "PYTHON=$1 does not run, or is not Python 3.11 to 3.14 with venv. Name another, or leave PYTHON unset." >&2
  exit 1
fi
for candidate in python3.14 python3.13 python3.12 python3.11 python3 python; do
  if command -v "$candidate" >/dev/null && usable "$candidate"; then
    command -v "$candidate"
    exit
  fi
done
echo "No Python 3.11 to 3.14 with venv runs here. Install one (Debian: apt install python3 python3-venv), or set PYTHON=/path/to/python." >&2
exit 1
