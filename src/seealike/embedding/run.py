"""Embed a source: cut it into parts, make the shards that are missing, name them all in the manifest."""

from __future__ import annotations

import json
import os
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, replace
from functools import cached_property, lru_cache
from itertools import islice, takewhile

from seealike.catalog import DEFAULT_ENCODER, LocalEmbedder, NamedEncoder, absolute_spec
from seealike.cluster import check_cluster, done_on
from seealike.embedding.parts import parts_of
from seealike.embedding.reading import PictureReader
from seealike.embedding.setup import Setup
from seealike.embedding.sources import open_pictures, total_of
from seealike.embedding.values import EmbedOptions, EmbedReport
from seealike.embedding.work import Made, ShardMaker, Task, made_before, settled
from seealike.errors import SourceError, UsageError
from seealike.objects import place_in
from seealike.protocols import Encoder, Source
from seealike.shards import (
    Manifest,
    Place,
    ShardEntry,
    ShardRow,
    Shards,
    check_can_be_written,
    made_of,
    open_place,
    read_manifest,
    read_shard,
    write_manifest,
)
from seealike.sources.ids import printable
from seealike.types import (
    LIMIT_REASONS,
    TRANSIENT_REASONS,
    PathInput,
    Progress,
    ProgressCallback,
    Skipped,
    SkipReason,
    SourceItem,
    Unseen,
    unwatched,
)

UNDER_WAY = 2  # parts that an actor has at a time: one is read while the other is written


def embed(
    source: PathInput | Source,
    output: PathInput,
    *,
    encoder: str | Encoder | None = None,
    options: EmbedOptions = EmbedOptions(),
    progress: ProgressCallback | None = None,
) -> EmbedReport:
    """Turn the pictures of a source into vectors, in Parquet shards that ``Catalog.index`` takes as a source.

    May be interrupted at any moment: shards that were written stay, and the same call goes on. What was
    embedded before and has not changed is not read again.

    Args:
        source: what ``Catalog.index`` takes.
        output: where the shards go: a folder, new or of an earlier run over the same source.
        encoder: as ``seealike.create`` takes it (default: that of the shards that are there, or of
            ``options.since``, or as there).
        options: how.
        progress: is told how many pictures are done.

    Raises:
        SourceError: the source cannot be read.
        UsageError: the output has vectors of another encoder, or of another source, or is no place of shards.
        CatalogBusyError: another process writes there.
        StorageError: the disk refused.
        EncoderError: the encoder cannot be loaded.
    """
    started = time.perf_counter()
    check_can_be_written()
    if options.on is not None:
        check_cluster(options.on)
        if encoder is not None and not isinstance(encoder, str):
            raise UsageError("an encoder that is an object stays here; name one that every node can load")
    place = open_place(os.fspath(output))
    asked = None if encoder is None else NamedEncoder(encoder, options.limits)
    opened = open_pictures(source, root=options.root, columns=options.columns, encoding=options.encoding)
    called = _called(source, opened)
    _manifest_of(place, called)  # what is refused is refused before anything is made
    with nullcontext() if options.dry_run else place.locked():
        before = _manifest_of(place, called)
        named = asked or NamedEncoder(encoder_there(output, options.since) or DEFAULT_ENCODER, options.limits)
        if before is not None:
            _check_encoder(place, before, named)
        run = _Run(opened, called, place, before, named, options)
        if options.dry_run:
            run.foresee()
        else:
            run.make(progress or unwatched)
    return run.report(time.perf_counter() - started)


def encoder_there(output: PathInput, since: PathInput | None = None) -> str | None:
    """How the encoder was asked for of the shards that are there, or else of those of an earlier run.

    Raises:
        DamagedCatalogError, NewerFormatError, StorageError: that cannot be read.
    """
    for name in (output, since):
        manifest = None if name is None else read_manifest(open_place(os.fspath(name)))
        if manifest is not None:
            return manifest.encoder_spec or None
    return None


def skipped_in(output: PathInput) -> Iterator[Skipped]:
    """Every entry of a finished run that has no vector, with its reason.

    Raises:
        SourceError, DamagedCatalogError, StorageError: the shards cannot be read.
    """
    shards = Shards(os.fspath(output))
    for entry in shards.entries:
        if entry.skipped:
            for row in shards.rows(entry):
                if row.reason is not None:
                    place = place_in(shards.manifest.root, row.path)
                    yield Skipped(row.id, place, row.reason, row.detail or "", row.size_bytes, row.mtime_ns)


class _Run:
    """One run."""

    def __init__(
        self,
        source: Source,
        called: str,
        place: Place,
        before: Manifest | None,
        named: NamedEncoder,
        options: EmbedOptions,
    ) -> None:
        self._source, self._place, self._named, self._options = source, place, named, options
        limits = {name: float(value) for name, value in asdict(options.limits).items()}
        self._manifest = Manifest(named.identity, named.spec, source.root, called, limits)
        self._listed = {made_of(entry.name): entry for entry in (before and before.shards) or ()}
        self._is_new = before is None
        since = Shards(options.since) if options.since is not None else None
        if since is not None:
            _check_encoder(since.place, since.manifest, named)
        self._earlier_place = since.place if since else place
        earlier = since.manifest if since else before
        self._there = {made_of(name): name for name in place.names()}
        readable = set(self._earlier_place.names())
        self._earlier = [one for one in (earlier and earlier.shards) or () if one.name in readable]
        self._memory = _Memory(self._earlier_place, self._earlier, source.root)
        self._is_elsewhere = earlier is not None and earlier.root != source.root
        then = (earlier and earlier.limits) or limits
        raised = any(limits[name] > then.get(name, 0.0) for name in limits)
        self._again = TRANSIENT_REASONS | (LIMIT_REASONS if raised else frozenset())
        self._entries: dict[int, ShardEntry] = {}
        self._parts = self._embedded = self._unchanged = self._written = self._done = 0
        self._skipped: Counter[str] = Counter()

    def make(self, progress: ProgressCallback) -> None:
        """Do it."""
        if self._is_new:
            write_manifest(self._place, self._manifest)
        total = total_of(self._source)
        with closing(self._made()) as everything:
            for made in everything:
                self._note(made)
                progress(Progress("embed", self._done, total))
        shards = tuple(entry for _, entry in sorted(self._entries.items()))
        write_manifest(self._place, replace(self._manifest, shards=shards))
        current = {entry.name for entry in shards}
        for name in list(self._place.names()):
            if made_of(name) is not None and name not in current:
                self._place.remove(name)

    def _made(self) -> Generator[Made, None, None]:
        """The shards that were missing, made here or on a cluster."""
        options, root = self._options, self._source.root
        if options.on is not None:
            places = self._place.label, self._earlier_place.label
            spec, identity = self._named.spec, self._named.identity
            setup = Setup(spec, identity, options.limits, *places, root, self._again, options.workers)
            yield from done_on(options.on, setup.prepared, self._tasks(), at_once=UNDER_WAY)
            return
        embedder = LocalEmbedder(self._named, workers=options.workers, limits=options.limits)
        with closing(embedder):
            reader = PictureReader(root, options.limits)
            maker = ShardMaker(embedder, self._place, self._earlier_place, reader, self._again)
            yield from map(maker.make, self._tasks())

    def foresee(self) -> None:
        """Count what ``make`` would do, as far as that can be told without opening a picture."""
        for task in self._tasks():
            if (there := made_before(task, self._place)) is not None:
                self._note(there)
                continue
            rows, _ = settled(task, self._earlier_place, self._again)
            known = [row for row in rows if row is not None]
            self._written += 1
            self._embedded += len(rows) - len(known)
            self._unchanged += sum(1 for row in known if row.reason is None)
            self._skipped.update(row.reason for row in known if row.reason is not None)

    def report(self, took_s: float) -> EmbedReport:
        """What was done."""
        return EmbedReport(
            embedded=self._embedded,
            unchanged=self._unchanged,
            skipped_by_reason={SkipReason(reason): n for reason, n in sorted(self._skipped.items())},
            shards=self._parts,
            written=self._written,
            took_s=took_s,
            dry_run=self._options.dry_run,
        )

    def _note(self, made: Made) -> None:
        self._written += not made.was_there
        self._entries[made.number] = made.entry
        self._embedded += made.embedded
        self._unchanged += made.entry.vectors - made.embedded
        self._skipped.update(made.entry.skipped)
        self._done += made.entry.rows

    def _tasks(self) -> Iterator[Task]:
        """What is to be made, or looked at; shards that a finished run has named are noted.

        Raises:
            SourceError: the source has nothing, or cannot be read.
        """
        begins = {entry.first: place for place, entry in enumerate(self._earlier)}
        at = 0
        parts = parts_of(self._offered(), self._source.root, self._named.identity, self._options.limits)
        for part in parts:
            number, self._parts = self._parts, self._parts + 1
            touched = [begins[row.id] for row in part.rows if row.id in begins]
            name, listed = self._there.get(part.made_of), self._listed.get(part.made_of)
            is_listed = listed is not None and listed.name == name
            if listed is not None and is_listed and listed.is_final:
                self._note(Made(number, listed, was_there=True))
            else:
                known = [*touched, *([] if part.first in begins else [at])]
                # The next one too: what it begins with may be what was removed.
                places = sorted({place + step for place in known for step in (0, 1)})
                names = [self._earlier[place].name for place in places if place < len(self._earlier)]
                yield Task(number, part, tuple(names), self._is_elsewhere, None if is_listed else name)
            at = max(touched, default=at)
        if not self._parts:
            raise SourceError(f"there is nothing to embed in {self._source.label}; put pictures there")

    def _offered(self) -> Iterator[SourceItem | Skipped]:
        """What the source offers; in place of what could not be looked at, what is known of it."""
        for entry in self._source.scan():
            known = [*self._memory.of(entry)] if isinstance(entry, Unseen) and not self._is_elsewhere else []
            if all(item.id != entry.id for item in known):
                yield entry
            yield from known


class _Memory:
    """What an earlier run embedded, by ids; nothing is read before it is asked for.

    Memory: the ids of all its pictures, once something could not be looked at.
    """

    def __init__(self, place: Place, entries: Sequence[ShardEntry], root: str) -> None:
        self._place, self._entries, self._root = place, entries, root
        self._rows = lru_cache(1)(self._read)

    def of(self, unseen: Unseen) -> Iterator[SourceItem]:
        """The pictures that could not be looked at, in their order."""
        wanted = {unseen.id} & self._shard_of.keys()
        if unseen.below:
            below = f"{unseen.id}/"
            following = islice(self._ids, bisect_left(self._ids, below), None)
            wanted |= set(takewhile(lambda item_id: item_id.startswith(below), following))
        for number in sorted({self._shard_of[item_id] for item_id in wanted}):
            for row in self._rows(number):
                if row.id in wanted:
                    path, metadata = place_in(self._root, row.path), json.loads(row.metadata_json)
                    size_bytes, mtime_ns = row.size_bytes or 0, row.mtime_ns or 0
                    yield SourceItem(row.id, path, size_bytes, mtime_ns, row.group, metadata)

    @cached_property
    def _ids(self) -> list[str]:
        return sorted(self._shard_of)

    @cached_property
    def _shard_of(self) -> dict[str, int]:
        return {row.id: number for number in range(len(self._entries)) for row in self._read(number)}

    def _read(self, number: int) -> list[ShardRow]:
        rows = read_shard(self._place, self._entries[number].name)
        return [row for row in rows if row.vector is not None]


def _called(source: PathInput | Source, opened: Source) -> str:
    """What tells a source from every other: names as they are typed do not."""
    if isinstance(source, str | os.PathLike):
        return printable(absolute_spec(source))
    return os.path.join(opened.root, opened.label)


def _manifest_of(place: Place, called: str) -> Manifest | None:
    """What a run over the same source has begun in a place.

    Raises:
        UsageError: it is of another source, or nothing of this kind.
    """
    before = read_manifest(place)
    if before is None:
        if other := next(place.names(), None):
            raise UsageError(f"{place.label} holds other files, such as {other}; name a new or empty folder")
    elif before.shards is None and not any(map(made_of, place.names())):
        return None  # that run made nothing
    elif before.source != called:
        raise UsageError(
            f"{place.label} holds the vectors of {before.source}, not of {called}; name another folder, "
            f"and --since {place.label} where some pictures are the same"
        )
    return before


def _check_encoder(place: Place, manifest: Manifest, named: NamedEncoder) -> None:
    if manifest.encoder != named.identity:
        raise UsageError(
            f"{place.label} holds vectors of {manifest.encoder.name}, not of {named.identity.name} as asked "
            "for; use that encoder, or name another folder"
        )
