"""Lists for all items: making them, keeping those that did not change, and what they are like together."""
