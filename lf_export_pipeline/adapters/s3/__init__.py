"""The bucket: its address, uploads in parts, checksums, errors."""
