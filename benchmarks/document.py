"""Put what was measured into docs/performance.md, and draw docs/growth.svg and docs/batch.svg.

    python benchmarks/run.py --json results.json
    python benchmarks/growth.py --json growth.json
    python benchmarks/batch.py --json batch.json
    python benchmarks/document.py --results results.json --growth growth.json --batch batch.json

In the page, what stands between ``<!-- results -->`` and ``<!-- end of results -->`` is replaced by
the table, and the same with ``growth`` and ``batch``. The pictures need matplotlib:
``pip install -r benchmarks/requirements.txt``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Final

_DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
SHOWN: Final = frozenset(
    {
        "encrypt 10 KB, 1 recipient: RSA-2048, AES-256-GCM, RSAES-OAEP",
        "encrypt 10 KB, 10 recipients: RSA-2048, AES-256-GCM, RSAES-OAEP",
        "encrypt 10 KB, 1 recipient: RSA-2048, AES-128-CBC, RSAES-PKCS1-v1_5",
        "encrypt 10 KB, 10 recipients: P-256, AES-256-GCM",
        "encrypt 10 KB, 1,000 recipients: X25519, AES-256-GCM",
        "encrypt 10 KB, 1,000 recipients: ML-KEM-768, AES-256-GCM",
        "decrypt 10 KB, 1 recipient: RSA-2048, AES-256-GCM, RSAES-OAEP",
        "decrypt 10 KB, 1 recipient: RSA-2048, AES-128-CBC, RSAES-PKCS1-v1_5",
        "decrypt 10 KB, the last of 1,000: RSA-2048, AES-256-GCM, RSAES-OAEP",
        "encrypt 2,000 mails of 20 KB: RSA-2048, AES-256-GCM, RSAES-OAEP",
        "a process: encrypt 10 KB: RSA-2048, AES-256-GCM, RSAES-OAEP",
        "a process: decrypt 10 KB: RSA-2048, AES-256-GCM, RSAES-OAEP",
        "encrypt 1,000 MB to a file: RSA-2048, AES-256-GCM, RSAES-OAEP",
        "decrypt 1,000 MB to a file: RSA-2048, AES-256-GCM, RSAES-OAEP",
        "encrypt 1,000 MB to a file: RSA-2048, AES-256-CBC, RSAES-PKCS1-v1_5",
        "decrypt 1,000 MB to a file: RSA-2048, AES-256-CBC, RSAES-PKCS1-v1_5",
    }
)
"""The rows that stand in the page; ``run.py`` prints all of them."""
_BATCH_PICTURE: Final = (
    "![Mails in a second by the way they are encrypted, and what each step of a mail costs](batch.svg)"
)
_PICTURE: Final = "![Time and memory over recipients, mails and size](growth.svg)"


def main() -> int:
    """Write what the arguments name."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the modules beside this script
    from benchmarks import batch, growth
    from benchmarks.curves import bars
    from benchmarks.curves.picture import NoMatplotlibError, draw
    from benchmarks.report import Report

    arguments = _arguments()
    page = arguments.page.read_text(encoding="utf-8")
    try:
        if arguments.results:
            page = replace_part(
                page, "results", Report.from_json(json.loads(arguments.results.read_text())).markdown(SHOWN)
            )
        if arguments.growth:
            values = json.loads(arguments.growth.read_text())
            page = replace_part(page, "growth", f"{_PICTURE}\n\n{growth.markdown(values)}")
            draw(growth.read(values), arguments.page.with_name("growth.svg"))
        if arguments.batch:
            values = json.loads(arguments.batch.read_text())
            page = replace_part(page, "batch", f"{_BATCH_PICTURE}\n\n{batch.markdown(values)}")
            bars.draw(values, arguments.page.with_name("batch.svg"))
    except (NoMatplotlibError, MissingPartError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    arguments.page.write_text(page, encoding="utf-8")
    return 0


class MissingPartError(Exception):
    """The page has no such part."""


def replace_part(page: str, name: str, text: str) -> str:
    """Return the page with the text between two marks replaced.

    Raises:
        MissingPartError: the marks are not there.
    """
    marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
    pattern = re.compile(f"({re.escape(marks[0])}\n).*?({re.escape(marks[1])})", re.DOTALL)
    changed, count = pattern.subn(lambda match: f"{match[1]}\n{text}\n{match[2]}", page)
    if count != 1:
        raise MissingPartError(f"the page must have one part between {marks[0]} and {marks[1]}")
    return changed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, metavar="FILE", help="what run.py wrote with --json")
    parser.add_argument("--growth", type=Path, metavar="FILE", help="what growth.py wrote with --json")
    parser.add_argument("--batch", type=Path, metavar="FILE", help="what batch.py wrote with --json")
    parser.add_argument("--page", type=Path, default=_DOCS / "performance.md", help="instead of docs/performance.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
