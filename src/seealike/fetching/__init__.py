"""Pictures from addresses on the web, without reaching what only this machine or its network can reach."""
