"""The only module that speaks to FAISS: training, searching and (de)serialising compressed vectors.

Inverted lists of 4-bit product codes (compared by register shuffles) propose, 8-bit codes of the same vectors
refine. Against a graph over the full vectors this is a tenth of the size and of the building time, and no
query can get lost in it: with every list probed, everything is compared.

Source: Jegou et al., "Product quantization for nearest neighbor search" (2011); Andre et al., "Cache locality
is not enough" (2015) for the 4-bit scan.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from seealike.indexes.snapshot import ByteArray
    from seealike.types import Float16Array, Float32Array, Int64Array

THREADS = min(16, os.cpu_count() or 1)
# With more threads than processors, OpenMP lets waiting ones sleep soon. Otherwise they spin, and on a busy
# machine each barrier costs a time slice: building was measured to take twenty times as long.
_PATIENT_THREADS = (os.cpu_count() or 1) + 1
_TRAINED_PER_LIST = 64
_ROWS_AT_ONCE = 16_384
_PARAMETERS_KEPT = 64


class Selected:
    """Some of an engine's vectors, as FAISS wants to be told. Never changes, so threads may share it.

    Shapes: in_lists is (lists,), how many of them each inverted list holds.
    """

    def __init__(self, labels: Int64Array, vectors: int, in_lists: Int64Array) -> None:
        """Use ``FaissEngine.selected`` instead."""
        import faiss

        untyped: Any = faiss
        self.count, self.in_lists = len(labels), in_lists
        member = np.zeros(vectors, dtype=bool)
        member[labels] = True
        self._bits = np.packbits(member, bitorder="little")
        self.selector: object = untyped.IDSelectorBitmap(self._bits)


class FaissEngine:
    """Compressed vectors of ``r`` dimensions, r a multiple of 4, under the labels 0 to ``len - 1``."""

    def __init__(self, index: object) -> None:
        """Use ``trained`` or ``from_bytes`` instead."""
        import faiss

        untyped: Any = faiss
        whole: Any = index
        self._index: Any = whole
        self._inverted: Any = untyped.downcast_index(whole.base_index)
        self._finer: Any = untyped.downcast_index(whole.refine_index)
        self._parameters: dict[tuple[int, int], object] = {}

    @classmethod
    def trained(cls, vectors: Float16Array, lists: int, seed: int) -> FaissEngine:
        """Compress ``vectors`` into ``lists`` inverted lists. Shapes: (n, r), n at least ``lists``."""
        import faiss

        n, r = vectors.shape
        index: Any = faiss.index_factory(r, f"IVF{lists},PQ{r // 2}x4fs,Refine(SQ8)")
        inverted: Any = faiss.downcast_index(index.base_index)
        for clustering in (inverted.cp, inverted.pq.cp):
            clustering.min_points_per_centroid = 1  # no warnings on stderr
        places = np.random.default_rng(seed).choice(
            n, min(n, max(_TRAINED_PER_LIST * lists, 16_384)), replace=False
        )
        with threads(_PATIENT_THREADS):
            index.train(vectors[np.sort(places)].astype(np.float32))
            for start in range(0, n, _ROWS_AT_ONCE):
                index.add(vectors[start : start + _ROWS_AT_ONCE].astype(np.float32))
        return cls(index)

    @classmethod
    def from_bytes(cls, data: ByteArray) -> FaissEngine:
        """What ``to_bytes`` gave. FAISS believes every byte: check them before.

        Raises:
            ValueError: this version of FAISS cannot read them.
        """
        import faiss

        try:
            return cls(faiss.deserialize_index(data))
        except RuntimeError as exc:
            raise ValueError(f"FAISS {faiss.__version__} cannot read it: {exc}") from exc

    def to_bytes(self) -> ByteArray:
        """Everything that ``from_bytes`` needs."""
        import faiss

        data: ByteArray = faiss.serialize_index(self._index)
        return data

    @property
    def shape(self) -> tuple[int, int]:
        """(n, r)."""
        return self._index.ntotal, self._index.d

    def search(
        self,
        queries: Float32Array,
        fetched: int,
        probed: int,
        refined: int,
        selected: Selected | None = None,
    ) -> tuple[Int64Array, Float32Array]:
        """The closest labels in the ``probed`` closest lists, -1 where there are too few, closest first.

        For each one fetched, ``refined`` codes are compared more finely. With ``selected``, no others.

        Shapes: queries is (q, r); the labels and their squared distances are (q, fetched).
        """
        if selected is not None:
            parameters = _parameters(probed, refined, selected.selector)
        else:
            parameters = self._parameters.get((probed, refined)) or self._made(probed, refined)
        distances, labels = self._index.search(queries, fetched, params=parameters)
        return labels, distances

    def selected(self, labels: Int64Array) -> Selected:
        """Those of the vectors that have these labels, which ascend."""
        in_lists = np.bincount(self.list_of[labels], minlength=self._inverted.nlist)
        return Selected(labels, self._index.ntotal, in_lists)

    def compare_selected(
        self, query: Float32Array, fetched: int, selected: Selected
    ) -> tuple[Int64Array, Float32Array]:
        """The closest of all selected labels by the finer codes alone, without the inverted lists."""
        import faiss

        untyped: Any = faiss
        parameters = untyped.SearchParameters(sel=selected.selector)
        distances, labels = self._finer.search(query, fetched, params=parameters)
        return labels, distances

    def lists_with(self, query: Float32Array, count: int, selected: Selected) -> int:
        """How many of the closest lists hold ``count`` selected vectors; all, where there are fewer."""
        _, lists = self._inverted.quantizer.search(query, self._inverted.nlist)
        held = np.cumsum(selected.in_lists[lists[0]])
        return min(int(np.searchsorted(held, count)) + 1, len(held))

    @cached_property
    def _list_sizes(self) -> Int64Array:
        held = self._inverted.invlists
        return np.array([held.list_size(number) for number in range(self._inverted.nlist)], dtype=np.int64)

    @cached_property
    def list_of(self) -> Int64Array:
        """For every label, the inverted list that holds it."""
        import faiss

        untyped: Any = faiss
        held, found = self._inverted.invlists, np.zeros(self._index.ntotal, dtype=np.int64)
        for number, size in enumerate(self._list_sizes.tolist()):
            if size:
                found[untyped.rev_swig_ptr(held.get_ids(number), size)] = number
        return found

    def _made(self, probed: int, refined: int) -> object:
        """The parameters of one kind of call: made once, never changed, so threads may share them."""
        parameters = _parameters(probed, refined)
        if len(self._parameters) < _PARAMETERS_KEPT:
            self._parameters[probed, refined] = parameters
        return parameters


def _parameters(probed: int, refined: int, selector: object = None) -> object:
    import faiss

    untyped: Any = faiss
    inverted = untyped.SearchParametersIVF(nprobe=probed, sel=selector)
    parameters: object = untyped.IndexRefineSearchParameters(k_factor=refined, base_index_params=inverted)
    return parameters


def library() -> str:
    """Name and version of what makes the snapshots."""
    import faiss

    return f"faiss {faiss.__version__}"


def search_in_threads(
    engine: FaissEngine, queries: Float32Array, fetched: int, probed: int, refined: int
) -> tuple[Int64Array, Float32Array]:
    """``engine.search`` for many queries at once. FAISS's own threads wait by spinning; these do not."""

    def part(queries: Float32Array) -> tuple[Int64Array, Float32Array]:
        with threads(1):
            return engine.search(queries, fetched, probed, refined)

    with ThreadPoolExecutor(THREADS) as pool:
        labels, distances = zip(*pool.map(part, np.array_split(queries, 2 * THREADS)), strict=True)
    return np.concatenate(labels), np.concatenate(distances)


def closest_to_each(
    points: Float32Array, k: int, *, lists: int, probed: int, seed: int
) -> tuple[Float32Array, Int64Array]:
    """The ``k`` closest points to each, itself among them: squared distances and places, closest first.

    By comparing all with all; with ``lists``, only with those in the ``probed`` closest of so many inverted
    lists, and places are -1 where these hold too few. Shapes: points is (n, d); both results are (n, k).
    """
    import faiss

    points = np.ascontiguousarray(points, dtype=np.float32)
    index: Any = faiss.IndexFlatL2(points.shape[1])
    if lists:
        index = faiss.IndexIVFFlat(index, points.shape[1], lists)
        index.cp.seed = seed % 2**31
        index.nprobe = probed
        index.train(points)
    index.add(points)
    squares, found = index.search(points, k)
    return squares, found


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let FAISS use so many threads for the calls that this thread makes meanwhile."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
