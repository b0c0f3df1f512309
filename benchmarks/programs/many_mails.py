"""What a user of the library would write: encrypt COUNT mails, each read from MAIL and written into FOLDER.

many_mails.py COUNT MAIL CERTIFICATE FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from smime_session import MODERN, encrypt, load_recipients

count = int(sys.argv[1])
mail, certificate, folder = map(Path, sys.argv[2:])
recipients = load_recipients(certificate.read_bytes(), profile=MODERN)
for number in range(count):
    sent = encrypt(mail.read_bytes(), recipients, profile=MODERN)
    (folder / f"{number}.eml").write_bytes(sent)
