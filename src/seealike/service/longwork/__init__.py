"""Work on a whole catalogue, in a process of its own."""
