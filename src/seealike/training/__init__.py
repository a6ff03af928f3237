"""Teaching an encoder with the catalogue's own pictures. Works over the public catalogue."""
