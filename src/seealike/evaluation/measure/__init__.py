"""One encoder on one catalogue: who asks whom, what is found, what that says."""
