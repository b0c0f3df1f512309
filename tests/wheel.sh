#!/bin/sh
# Install the wheel into a virtual environment that has the requirements, and run tests away from the sources: in a
# folder with what the source distribution holds besides the packages. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
tree=$(pwd)
venv=${VENV:-.venv}-lowest
python=$(cd "$venv/bin" && pwd)/python

away=$(mktemp -d)
trap 'rm -rf "$away"' EXIT
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$away" .
"$python" -c 'import build_backend, sys; build_backend.build_sdist(sys.argv[1])' "$away" >/dev/null
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall "$away"/*.whl

mkdir "$away/tests"
tar -xzf "$away"/*.tar.gz -C "$away/tests" --strip-components 1
cd "$away/tests"
rm -r smime_session cli ./*.egg-info
installed=$("$python" -c 'import smime_session, smime_session_cli as cli; print(*smime_session.__path__, *cli.__path__)')
case $installed in
*"$tree/$venv/"*"$tree/$venv/"*) ;;
*) echo "wheel.sh: these are not the installed packages: $installed" >&2 && exit 1 ;;
esac
ln -s "${installed#* }" cli # as some tests call it
export SMIME_SESSION_CORPUS="${SMIME_SESSION_CORPUS:-$tree/../shared/corpus}"
"$python" -m pytest "$@"
