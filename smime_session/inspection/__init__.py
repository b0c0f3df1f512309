"""What is seen of an envelope, what comes closest to an identity, and which mail programs open it."""
