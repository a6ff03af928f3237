"""What looks like what."""
