"""The Cryptographic Message Syntax (RFC 5652): values, encoding, and an envelope as a stream."""
