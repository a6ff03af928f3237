"""Milvus as an engine."""
