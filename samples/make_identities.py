"""Make throw-away identities for trying things out: ``make_identities.py FOLDER ADDRESS...``.

Each address gets FOLDER/ADDRESS.key (private key and certificate, unlocked) and FOLDER/ADDRESS.pem
(the certificate, for others). Keys for real use are locked with a passphrase: see
``smime-session identity new --help``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from smime_session import SmimeError, new_identity


def main(folder: Path, addresses: list[str]) -> None:
    """Make one identity for each address."""
    folder.mkdir(parents=True, exist_ok=True)
    for address in addresses:
        identity = new_identity(address, key_type="rsa2048", days=30)
        secret = os.open(folder / f"{address}.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(secret, "wb") as file:
            file.write(identity.private_key_pem + identity.certificate_pem)
        (folder / f"{address}.pem").write_bytes(identity.certificate_pem)
        print(folder / f"{address}.pem")


if __name__ == "__main__":
    if len(sys.argv) < 3:  # noqa: PLR2004  # the program, a folder, an address
        sys.exit(__doc__)
    try:
        main(Path(sys.argv[1]), sys.argv[2:])
    except (OSError, SmimeError) as error:  # a file that exists, or what is no address
        sys.exit(f"make_identities.py: {error}")
