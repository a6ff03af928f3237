"""Vectors in Parquet shards: what lies in a folder of them, written and read.

A shard holds what is known of some hundreds of pictures, with the vector of each, and is called by what it
was made of and by its content. ``shards.json`` names those that belong together, and the encoder.
"""

from seealike.shards.manifest import Manifest, ShardEntry, read_manifest, write_manifest
from seealike.shards.places import MANIFEST_NAME, Place, is_shards, open_place
from seealike.shards.reading import Shards, made_of, read_shard, shard_name
from seealike.shards.rows import Origin, ShardRow, check_can_be_written, encoded, row_of

__all__ = [
    "MANIFEST_NAME",
    "Manifest",
    "Origin",
    "Place",
    "ShardEntry",
    "ShardRow",
    "Shards",
    "check_can_be_written",
    "encoded",
    "is_shards",
    "made_of",
    "open_place",
    "read_manifest",
    "read_shard",
    "row_of",
    "shard_name",
    "write_manifest",
]
