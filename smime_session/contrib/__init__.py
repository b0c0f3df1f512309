"""Encryption for what other packages send: built on the public names alone."""
