"""Decrypt every mail of a folder into another: ``decrypt_folder.py IDENTITY SOURCE TARGET``.

What cannot be decrypted is named with its reason and left out; the others are done all the same.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from smime_session import SmimeError, decrypt, load_identities


def for_its_owner(path: str, flags: int) -> int:
    """Make a file that only its owner may read."""
    return os.open(path, flags, mode=0o600)


def main() -> int:
    """Decrypt one mail after the other; return how many failed."""
    parser = argparse.ArgumentParser(description="Decrypt every mail of a folder into another.")
    parser.add_argument("identity", type=Path, help="a private key file")
    parser.add_argument("source", type=Path, help="the folder with encrypted mails (*.eml)")
    parser.add_argument("target", type=Path, help="the folder for the decrypted ones; it may exist")
    arguments = parser.parse_args()

    identities = load_identities(arguments.identity.read_bytes())
    arguments.target.mkdir(mode=0o700, exist_ok=True)
    failed = 0
    for path in sorted(arguments.source.glob("*.eml")):
        try:
            decrypted = decrypt(path.read_bytes(), identities)
        except SmimeError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            failed += 1
            continue
        with open(arguments.target / path.name, "wb", opener=for_its_owner) as file:
            file.write(decrypted.message)
        print(f"{path.name}: {'authenticated' if decrypted.authenticated else 'not authenticated'}")
    return failed


if __name__ == "__main__":
    try:
        sys.exit(1 if main() else 0)
    except (OSError, SmimeError) as error:  # the key file or a folder
        sys.exit(f"decrypt_folder.py: {error}")
