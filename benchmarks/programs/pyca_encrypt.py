"""What a user of ``cryptography`` alone would write: encrypt MAIL for certificates into OUT."""

from __future__ import annotations

import sys
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509 import load_pem_x509_certificate

mail, out, *certificates = map(Path, sys.argv[1:])
builder = pkcs7.PKCS7EnvelopeBuilder().set_data(mail.read_bytes()).set_content_encryption_algorithm(AES128)
for certificate in certificates:
    builder = builder.add_recipient(load_pem_x509_certificate(certificate.read_bytes()))
out.write_bytes(builder.encrypt(Encoding.SMIME, [pkcs7.PKCS7Options.Binary]))
