"""A catalogue as a map: every picture a point, look-alikes side by side. Works over the public catalogue."""
