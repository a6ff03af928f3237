"""Several encoders on the same queries: quality, cost, and where they disagree."""
