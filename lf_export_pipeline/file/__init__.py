"""The way from rows to the object in the bucket: keys, chunks, parts, file."""
