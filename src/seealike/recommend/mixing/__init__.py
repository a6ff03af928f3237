"""What counts beside similarity: components that are added up, colour, and a number for each item."""
