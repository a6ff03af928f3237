"""How encoders are asked for, and what they are called in tables: short, and each differently."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from seealike.catalog import Catalog
from seealike.encoders import parse_spec


def own_spec(catalog: Catalog) -> str:
    """How the catalogue's own encoder is asked for; the name of one that is an object of somebody's."""
    return catalog.encoder_spec or catalog.encoder.name


def spec_at_hand(catalog: Catalog) -> str:
    """The same for where the encoder is now: a copy in the catalogue, or where it came from."""
    return catalog.placed_spec or own_spec(catalog)


def short_names(specs: Sequence[str]) -> tuple[str, ...]:
    """A short name for each: without scheme, folder and options where that still tells them apart."""
    files = [_file(spec) for spec in specs]
    bare = [file.partition("?")[0] for file in files]
    taken_bare, taken_files = Counter(bare), Counter(files)
    return tuple(
        short if taken_bare[short] == 1 else file if taken_files[file] == 1 else spec
        for short, file, spec in zip(bare, files, specs, strict=True)
    )


def _file(spec: str) -> str:
    """A model file's name with its options; a hub's model without its commit; other encoders as they are."""
    asked = parse_spec(spec)
    if asked.path is not None:
        return str(replace(asked, path=None, revision=None))
    if asked.file is None:
        return spec
    _, question, options = spec.rpartition("?")
    tail = f"?{options}" if question and "=" in options else ""
    return f"{os.path.basename(asked.file)}{tail}"
