"""The operations, one story each, and what they share."""
