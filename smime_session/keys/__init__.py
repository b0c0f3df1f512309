"""Private keys: files, PKCS#8, PKCS#12."""
