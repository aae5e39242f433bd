#!/bin/sh
# Run the test suite against the built wheel: nothing of the source tree but tests, docs and test settings is in reach.
#
#   scripts/wheel_test.sh PYTHON
set -eu

python=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/tercet-wheel.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

"$python" -m pip wheel --no-deps --wheel-dir "$work/dist" .
cp -R tests docs README.md CHANGELOG.md CONTRIBUTING.md LICENSE "$work"
# pytest and coverage read their settings from here; the package itself stays behind.
cp pyproject.toml "$work/pyproject.toml"

"$python" -m venv "$work/venv"
wheel=$(ls "$work"/dist/tercet-*.whl)
# The torch of this environment again: its exact version, so that the wheel's environment gets the same build.
torch=$("$python" -c 'import importlib.metadata as m; print(m.version("torch"))')
"$work/venv/bin/python" -m pip install "torch==$torch" ||
    "$work/venv/bin/python" -m pip install --index-url https://download.pytorch.org/whl/cpu "torch==$torch"
"$work/venv/bin/python" -m pip install "$wheel[offline,postgres,test]"

cd "$work"
venv/bin/python -c 'import pathlib, sys, tercet
place = pathlib.Path(tercet.__file__)
sys.exit(None if "site-packages" in place.parts else f"tercet came from {place}, not from the wheel")'
venv/bin/python -m pytest -n "${WORKERS:-2}" --dist worksteal -m "not slow" -p no:cacheprovider
