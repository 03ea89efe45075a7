#!/usr/bin/env bash
# Creates the virtual environment from the pinned requirements: `operations/venv.sh DIR`.
# PYTHON names the interpreter; without it the newest of python3, python3.14 … python3.11 that fits.
# Leaves DIR/requirements.stamp when everything is in place, so that make does it once.
set -euo pipefail

readonly venv="$1"
readonly fits='import sys; sys.exit(sys.version_info < (3, 11))'

fail() {
  printf 'make: %s\n' "$1" >&2
  exit 3
}

find_python() {
  if [[ -n "${PYTHON:-}" ]]; then
    command -v "$PYTHON" >/dev/null || fail "PYTHON=$PYTHON is not a command; name a Python 3.11 or newer."
    "$PYTHON" -c "$fits" || fail "PYTHON=$PYTHON is $("$PYTHON" --version 2>&1); 3.11 or newer is needed."
    printf '%s' "$PYTHON"
    return
  fi
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c "$fits" 2>/dev/null; then
      printf '%s' "$candidate"
      return
    fi
  done
  local present='there is none on PATH'
  command -v python3 >/dev/null && present="python3 is $(python3 --version 2>&1)"
  fail "Python 3.11 or newer is needed, but $present; install one, or run make with PYTHON=/path/to/python."
}

python="$(find_python)"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
  fail "$python has no venv module with pip; install it (Debian and Ubuntu: apt install python3-venv)."

if [[ ! -x "$venv/bin/python" ]] || ! "$venv/bin/python" -c "$fits" 2>/dev/null; then
  printf 'Creating %s with %s\n' "$venv" "$("$python" --version)"
  "$python" -m venv --clear "$venv"
fi
printf 'Installing the pinned Python packages into %s; the first time takes about 3 minutes\n' "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes \
  -r requirements.txt -r requirements-dev.txt ||
  fail "pip could not install the pinned requirements (its message is above); check the network and run make again."
# `python -m localcloud` and `python -m toolchain` find their packages in local/ (local/README.md).
for packages in "$venv"/lib/python*/site-packages; do
  printf '../../../../local\n' > "$packages/spiderpool-alicloud-local.pth"
done
printf 'Installed after %d s\n' "$SECONDS"
touch "$venv/requirements.stamp"
