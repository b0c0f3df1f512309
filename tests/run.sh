#!/bin/sh
# Set up a virtual environment and pass every check: format, lint, types, tests.
# Arguments go to pytest, which runs what they name, and then no more than that is run.
# With CI=true a missing peer program is a failure, otherwise a visible skip.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=${VENV:-.venv}

set_up() { # folder, requirements...
    folder=$1
    shift
    [ -x "$folder/bin/python" ] || "$python" -m venv "$folder" || {
        rm -rf "$folder"
        echo "Hint: on Debian, apt-get install python3-venv brings what is missing." >&2
        exit 1
    }
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes "$@"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
}

set_up "$venv" -r tests/requirements.txt
"$venv/bin/ruff" format --check .
"$venv/bin/ruff" check .
"$venv/bin/mypy"
"$venv/bin/python" -m pytest --numprocesses "${PROCESSES:-auto}" "$@"
[ $# -eq 0 ] || exit 0

# the lowest versions that pyproject.toml admits, and the wheel away from its sources, with tests that need no other program
set_up "$venv-lowest" -r tests/requirements-lowest.txt
VENV=$venv sh tests/wheel.sh --numprocesses "${PROCESSES:-auto}" --quiet tests/unit tests/hostile tests/cli --ignore-glob "*_batch_*"
