"""Adding, updating and removing; the approximate index that follows."""
