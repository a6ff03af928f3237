"""What many ask at once, answered together."""
