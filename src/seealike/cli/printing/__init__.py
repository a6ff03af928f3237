"""What is printed: results, reports and progress, for people and for programs."""
