"""Octets on the move: sources, outlets, threads."""
