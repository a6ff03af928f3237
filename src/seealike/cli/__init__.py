"""The ``seealike`` command: parses, calls the facade, prints. No logic of its own."""
