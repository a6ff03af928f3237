"""What is kept in memory, and pictures that are the service's own."""
