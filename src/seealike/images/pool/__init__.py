"""Decoding in processes of its own: the pool, its workers, what travels between them."""
