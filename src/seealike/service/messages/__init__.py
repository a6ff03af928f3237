"""What is asked and what is replied: models, bodies, JSON, problem details."""
