"""The lists of all items over shards of vectors: part by part, on one machine or many, then merged."""

from seealike.listing.run import ListsOfShards, lists_of_shards

__all__ = ["ListsOfShards", "lists_of_shards"]
