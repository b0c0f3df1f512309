"""What a user of ``cryptography`` alone would write: decrypt MAIL into OUT with a file of key and certificate."""

from __future__ import annotations

import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs7
from cryptography.x509 import load_pem_x509_certificate

mail, out, identity = map(Path, sys.argv[1:])
pem = identity.read_bytes()
key = load_pem_private_key(pem, None)
certificate = load_pem_x509_certificate(pem)
out.write_bytes(pkcs7.pkcs7_decrypt_smime(mail.read_bytes(), certificate, key, []))  # type: ignore[arg-type]  # RSA
