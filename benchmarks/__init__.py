"""The measurements: `make bench`."""
