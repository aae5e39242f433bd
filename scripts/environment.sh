#!/bin/sh
# Prepare a Python environment for the make targets and print its bin folder as the last line of standard output.
#
#   scripts/environment.sh EXTRAS [VENV]
#
# An active virtual environment is used as it is. Otherwise VENV (default .venv) is made with the newest Python from
# 3.11 on that is found. A stamp keyed on pyproject.toml and EXTRAS makes every later call quick.
# Everything but the last line goes to standard error, so that progress is seen while make captures the answer.
set -eu

extras=$1
venv=${2:-.venv}
torch=${TORCH_VERSION:-2.13.0}

say() { printf '%s\n' "$*" >&2; }

recent_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        recent_enough "$PYTHON" && { printf '%s\n' "$PYTHON"; return; }
        say "PYTHON=$PYTHON is not a Python 3.11 or newer."
        exit 2
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do
        if command -v "$candidate" >/dev/null 2>&1 && recent_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    say "Tercet needs Python 3.11 or newer, and none was found as python3, python3.11 … python3.14 or python."
    say "Install one, or name it: make ${MAKECMDGOALS:-test} PYTHON=/path/to/python3"
    exit 2
}

if [ -n "${VIRTUAL_ENV:-}" ] && [ "$#" -lt 2 ]; then
    venv=$VIRTUAL_ENV
elif [ ! -x "$venv/bin/python" ] && [ ! -x "$venv/Scripts/python.exe" ]; then
    python=$(find_python)
    say "Making $venv with $("$python" --version 2>&1) …"
    if ! "$python" -m venv "$venv" >&2; then
        rm -rf "$venv"
        say "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"
        exit 2
    fi
fi
bin=$venv/bin
[ -d "$bin" ] || bin=$venv/Scripts
if ! recent_enough "$bin/python"; then
    say "$venv holds $("$bin/python" --version 2>&1), and Tercet needs 3.11 or newer. Remove or deactivate it, then run make again."
    exit 2
fi

key=$(cksum < pyproject.toml | tr ' ' '-')
stamp=$venv/.tercet-$(printf '%s' "$extras" | tr ',' '-')
if [ "$(cat "$stamp" 2>/dev/null)" = "$key $PWD" ]; then
    printf '%s\n' "$bin"
    exit 0
fi

# pip grew PEP 660 editable installs with extras, and a resolver that does not wander, in 23.
if ! "$bin/python" -c 'import pip, sys; sys.exit(int(pip.__version__.split(".")[0]) < 23)' 2>/dev/null; then
    "$bin/python" -m pip install --upgrade 'pip>=23' >&2
fi

# On Linux the default torch wheel brings several GB of CUDA. A CPU build is preferred wherever pip can find one; where
# none can be had, the default build is installed with everything else below.
if [ "$(uname -s)" = Linux ] && [ "${TERCET_TORCH:-cpu}" = cpu ] && ! "$bin/python" -c 'import torch' 2>/dev/null; then
    say "Looking for a CPU build of PyTorch (TERCET_TORCH=default installs the usual one instead) …"
    "$bin/python" -m pip install --only-binary :all: "torch==$torch+cpu" >&2 2>/dev/null ||
        "$bin/python" -m pip install --only-binary :all: --retries 0 --timeout 15 \
            --index-url https://download.pytorch.org/whl/cpu "torch==$torch" >&2 2>/dev/null ||
        say "No CPU build within reach: installing the default build of PyTorch, which is large."
fi

say "Installing Tercet with [$extras] into $venv …"
# The first installation shows what it downloads; a later one would mostly list what is there already.
quiet=
if "$bin/python" -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("sentence_transformers"))' 2>/dev/null; then quiet=-q; fi
"$bin/python" -m pip install $quiet -e ".[$extras]" >&2
printf '%s\n' "$key $PWD" > "$stamp"
printf '%s\n' "$bin"
