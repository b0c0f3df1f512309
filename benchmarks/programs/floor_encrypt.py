"""What no command in Python that encrypts with ``click`` and ``cryptography`` can do without: loading them."""

import click  # noqa: F401  # loaded to be measured
from cryptography.hazmat.primitives import hashes  # noqa: F401  # the same
from cryptography.hazmat.primitives.asymmetric import padding  # noqa: F401  # the same
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: F401  # the same
from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: F401  # the same
