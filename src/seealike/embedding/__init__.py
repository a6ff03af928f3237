"""Pictures to vectors in Parquet shards, on this machine or on several; ``index`` takes them from there."""

from seealike.embedding.run import embed, encoder_there, skipped_in
from seealike.embedding.values import EmbedOptions, EmbedReport

__all__ = ["EmbedOptions", "EmbedReport", "embed", "encoder_there", "skipped_in"]
