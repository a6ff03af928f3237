"""PostgreSQL with pgvector: connections, tables, conditions as SQL, and what reads, proposes and writes."""
