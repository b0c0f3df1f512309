#!/bin/sh
# Set up a virtual environment, encrypt a sample mail for a new identity and open it again.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
venv=${VENV:-$here/.venv}

"$python" - <<'EOF'
import sys
if sys.version_info < (3, 11):
    sys.exit("Error: Python 3.11 or later is needed; name it with PYTHON=...")
EOF
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || {
    rm -rf "$venv"
    echo "Hint: on Debian, apt-get install python3-venv brings what is missing." >&2
    exit 1
}
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$here"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH=$venv/bin:$PATH
cd "$work"
smime-session identity new bob@example.com -o bob
smime-session encrypt -r bob.pem -o report.enc.eml "$here/samples/mails/report.eml"
smime-session inspect report.enc.eml
smime-session decrypt -i bob.key -o report.eml report.enc.eml
cmp report.eml "$here/samples/mails/report.eml"
echo "The mail was encrypted for bob@example.com and opened again: the same, byte for byte."
echo "The command is $venv/bin/smime-session."
