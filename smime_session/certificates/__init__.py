"""Certificates: load, name, check."""
