"""Mail around an envelope: heads, line endings and transfer encodings, always as slices of raw bytes."""
