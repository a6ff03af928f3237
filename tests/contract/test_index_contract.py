"""One suite over every way to find neighbours, comparing values with float64 by exhaustive search."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tests.seeds import SEED

from seealike.indexes import (
    ExactIndex,
    FaissProposer,
    SnapshotDamagedError,
    SnapshotRecord,
    build_snapshot,
    exact_scores,
    load_snapshot,
    rows,
)
from seealike.indexes.effort import Effort
from seealike.protocols import Proposer
from seealike.testing import check_candidates, check_proposer
from seealike.types import Float16Array, Float32Array, Int64Array
from seealike.vectors import unit_rows

Data = tuple[Int64Array, Float16Array]
MakeProposer = Callable[[Int64Array, Float16Array], Proposer]


def rescored(
    proposer: Proposer, data: Data, queries: Float32Array, k: int, allowed: Int64Array | None = None
) -> tuple[Int64Array, Float32Array]:
    """The closest, as the catalogue makes them of what is proposed: keys and scores, (q, k) each."""
    keys = np.full((len(queries), k), -1, dtype=np.int64)
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    for row, proposed in enumerate(proposer.candidates(queries, k, allowed)):
        own = exact_scores(queries[row : row + 1], data[1][np.searchsorted(data[0], proposed.keys)])[0]
        order = np.lexsort((proposed.keys, -own))[:k]
        keys[row, : len(order)], scores[row, : len(order)] = proposed.keys[order], own[order]
    return keys, scores


def blocks_of(keys: Int64Array, vectors: Float16Array, size: int = 700) -> Callable[[], Iterator[Data]]:
    return lambda: ((keys[i : i + size], vectors[i : i + size]) for i in range(0, len(keys), size))


def build(path: Path, keys: Int64Array, vectors: Float16Array) -> SnapshotRecord:
    n, d = vectors.shape
    return build_snapshot(blocks_of(keys, vectors), count=n, dimension=d, path=str(path))


@pytest.fixture(params=["exact", "faiss"])
def make_proposer(request: pytest.FixtureRequest, tmp_path: Path) -> MakeProposer:
    def snapshot(keys: Int64Array, vectors: Float16Array) -> Proposer:
        record = SnapshotRecord.from_json(build(tmp_path / "ann", keys, vectors).to_json())
        return load_snapshot(str(tmp_path / "ann"), record)[0]

    return ExactIndex if request.param == "exact" else snapshot


def clustered(n: int, d: int, seed: int) -> Float32Array:
    """Vectors as pictures have them: clusters, of few effective dimensions, a little noise.

    All seeds share the clusters: what differs are the pictures.
    """
    basis = np.random.default_rng(0).standard_normal((12, d))
    centres = np.random.default_rng(0).standard_normal((150, 12))
    rng = np.random.default_rng(seed)
    points = centres[rng.integers(0, len(centres), n)] + 0.3 * rng.standard_normal((n, 12))
    vectors = points @ basis + 0.2 * rng.standard_normal((n, d))
    unit: Float32Array = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def oracle(queries: Float32Array, vectors: Float16Array) -> npt.NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(queries.astype(np.float64) @ wide.T)


N, D, SAME = 6000, 48, 900


@pytest.fixture(scope="module")
def data() -> Data:
    """6,000 vectors of which 900, spread about, are equal; keys with gaps."""
    vectors = clustered(N, D, 1)
    vectors[100 : 100 + 5 * SAME : 5] = vectors[100]
    keys = np.cumsum(np.random.default_rng(2).integers(1, 9, N)).astype(np.int64)
    return keys, vectors.astype(np.float16)


@pytest.fixture(scope="module")
def snapshot(data: Data, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SnapshotRecord]:
    path = tmp_path_factory.mktemp("snapshot") / "ann"
    return path, build(path, *data)


@pytest.fixture(scope="module")
def loaded(snapshot: tuple[Path, SnapshotRecord]) -> FaissProposer:
    return load_snapshot(str(snapshot[0]), snapshot[1])[0]


@pytest.fixture(params=["exact", "faiss"])
def proposer(request: pytest.FixtureRequest, data: Data, loaded: FaissProposer) -> Proposer:
    return ExactIndex(*data) if request.param == "exact" else loaded


def test_small_proposers_keep_the_contract(make_proposer: MakeProposer) -> None:
    check_proposer(make_proposer)


@pytest.mark.parametrize("k", [1, 10, 200])
def test_large_proposers_keep_the_contract(proposer: Proposer, data: Data, k: int) -> None:
    queries = clustered(100, D, 3)
    recall = 1.0 if isinstance(proposer, ExactIndex) else 0.995
    check_candidates(proposer, *data, queries, k, recall=recall)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.02, 0.005, 0.0005])
def test_only_what_is_allowed_is_proposed(proposer: Proposer, data: Data, share: float) -> None:
    allowed = data[0][np.random.default_rng(5).random(N) < share]
    recall = 1.0 if isinstance(proposer, ExactIndex) else 0.99
    for queries in (clustered(60, D, 3), data[1][:60].astype(np.float32)):
        check_candidates(proposer, *data, unit_rows(queries), 10, allowed, recall=recall)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_the_closest_are_found_where_everything_near_the_query_is_not_allowed(
    proposer: Proposer, data: Data, share: float
) -> None:
    """Allowed are whole clusters, so that most queries have none of their own neighbours among them."""
    clusters = np.argmax(oracle(clustered(40, D, 99), data[1]), axis=0)
    sizes = np.cumsum(np.bincount(clusters, minlength=40))
    allowed = data[0][clusters <= np.searchsorted(sizes, share * N)]
    elsewhere = data[1][clusters > np.searchsorted(sizes, share * N)][:60].astype(np.float32)
    recall = 1.0 if isinstance(proposer, ExactIndex) else 0.99
    check_candidates(proposer, *data, unit_rows(elsewhere), 10, allowed, recall=recall)


@pytest.mark.parametrize("share", [0.9, 0.3, 0.02, 0.005])
def test_as_many_as_are_wanted_are_proposed_however_few_are_allowed(
    proposer: Proposer, data: Data, share: float
) -> None:
    allowed = data[0][np.random.default_rng(6).random(N) < share]
    for k in (1, 10, len(allowed), N):
        for proposed in proposer.candidates(clustered(5, D, 3), k, allowed):
            assert len(proposed.keys) >= min(k, len(allowed))
            assert np.isin(proposed.keys, allowed).all()


def test_other_keys_under_the_same_question_are_another_answer(proposer: Proposer, data: Data) -> None:
    queries = clustered(3, D, 3)
    for seed in range(20):  # more than are remembered
        allowed = data[0][np.random.default_rng(seed).random(N) < 0.3]
        for _ in range(2):
            for proposed in proposer.candidates(queries, 10, allowed):
                assert np.isin(proposed.keys, allowed).all()


def test_neighbours_and_scores_are_those_of_exhaustive_search(proposer: Proposer, data: Data) -> None:
    keys, vectors = data
    queries = clustered(200, D, 3)
    truth = oracle(queries, vectors)
    for k in (1, 10, 200):
        found, scores = rescored(proposer, data, queries, k)
        wanted = -np.sort(-truth, axis=1)[:, :k]
        assert np.abs(np.take_along_axis(truth, np.searchsorted(keys, found), 1) - scores).max() < 1e-6
        assert np.mean(scores >= wanted - 2e-6) >= 0.995


def test_all_equal_vectors_are_found_and_tie(proposer: Proposer, data: Data) -> None:
    keys, vectors = data
    same = keys[(vectors == vectors[100]).all(axis=1)]
    assert len(same) == SAME
    query = vectors[100:101].astype(np.float32)
    found, scores = rescored(proposer, data, query / np.linalg.norm(query), SAME)
    assert np.array_equal(found[0], same)
    assert np.unique(scores).tolist() == [1.0]


def test_more_neighbours_than_vectors_gives_all(proposer: Proposer, data: Data) -> None:
    for proposed in proposer.candidates(clustered(2, D, 4), N + 5):
        assert np.array_equal(np.sort(proposed.keys), data[0])


def test_many_threads_get_the_same_answers(proposer: Proposer) -> None:
    queries = clustered(40, D, 6)
    expected = {k: proposer.candidates(queries, k) for k in (3, 10, 60)}

    def ask(call: int) -> bool:
        k = (3, 10, 60)[call % 3]
        found = zip(proposer.candidates(queries, k), expected[k], strict=True)
        return all(np.array_equal(one.keys, other.keys) for one, other in found)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(48)))


def test_exact_candidates_hold_every_tie_at_the_boundary(data: Data) -> None:
    keys, vectors = data
    queries = unit_rows(np.concatenate([vectors[100:101].astype(np.float32), clustered(1, D, 7)]))
    same, other = ExactIndex(keys, vectors).candidates(queries, 10)
    assert np.array_equal(np.sort(same.keys), keys[(vectors == vectors[100]).all(axis=1)])
    assert np.unique(same.groups).tolist() == [0]
    assert 10 <= len(other.keys) < 20


def test_ten_thousand_identical_pictures_do_not_hide_the_others(tmp_path: Path) -> None:
    vectors = clustered(13_000, D, 8)
    vectors[1000:11_000] = vectors[1000]
    stored, keys = vectors.astype(np.float16), np.arange(1, 13_001)
    record = build(tmp_path / "ann", keys, stored)
    assert (record.count, record.distinct) == (13_000, 3001)
    snapshot, _ = load_snapshot(str(tmp_path / "ann"), record)
    found, scores = rescored(snapshot, (keys, stored), vectors[11_000:11_200], 10)
    wanted = -np.sort(-oracle(vectors[11_000:11_200], stored), axis=1)[:, :10]
    assert np.mean(scores >= wanted - 2e-6) >= 0.995
    assert (found > 0).all()


def test_vectors_without_structure_still_reach_the_recall(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    vectors = rng.standard_normal((1500, 256))
    stored = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    record = build(tmp_path / "ann", np.arange(1, 1501), stored)
    assert record.reduced == 256
    assert record.recall_at_10 >= 0.99


def test_the_record_says_what_was_built(
    data: Data, snapshot: tuple[Path, SnapshotRecord], loaded: FaissProposer
) -> None:
    keys, _ = data
    path, record = snapshot
    assert (record.count, record.distinct, record.dimension) == (N, N - SAME + 1, D)
    assert (record.first_key, record.last_key) == (keys[0], keys[-1])
    assert record.size_bytes == path.stat().st_size
    assert record.recall_at_10 >= 0.995
    assert record.library.startswith("faiss ")
    assert len(loaded) == N


def test_the_recorded_recall_is_true_for_new_queries(data: Data, loaded: FaissProposer) -> None:
    keys, vectors = data
    queries = clustered(300, D, 10)
    best = np.argsort(-oracle(queries, vectors), axis=1)[:, :10]
    proposed = loaded.candidates(queries, 10)
    shares = [np.isin(keys[row], mine.keys).mean() for row, mine in zip(best, proposed, strict=True)]
    assert np.mean(shares) >= loaded.record.recall_at_10 - 0.01


def test_enough_is_proposed_where_the_closest_lists_hold_too_few(
    snapshot: tuple[Path, SnapshotRecord],
) -> None:
    path, record = snapshot
    lazy = replace(record, efforts=(Effort(10, 10, 1, 0.0, 10, 1),))
    for k in (1000, N - SAME + 1):
        (proposed,) = load_snapshot(str(path), lazy)[0].candidates(clustered(1, D, 13), k)
        assert len(proposed.keys) >= k


def test_mixtures_of_pictures_are_answered_almost_as_well(data: Data, loaded: FaissProposer) -> None:
    keys, vectors = data
    mixed = clustered(300, D, 11) + clustered(300, D, 12)
    queries = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    best = np.argsort(-oracle(queries, vectors), axis=1)[:, :10]
    proposed = loaded.candidates(queries, 10)
    shares = [np.isin(keys[row], mine.keys).mean() for row, mine in zip(best, proposed, strict=True)]
    assert np.mean(shares) >= 0.98


def test_blocks_that_break_their_promise_are_refused(data: Data, tmp_path: Path) -> None:
    keys, vectors = data
    path = str(tmp_path / "ann")
    for count in (N - 1, N + 1):
        with pytest.raises(ValueError, match="promised"):
            build_snapshot(blocks_of(keys, vectors), count=count, dimension=D, path=path)
    with pytest.raises(ValueError, match="promised"):
        build_snapshot(blocks_of(keys, vectors), count=N, dimension=D + 1, path=path)
    with pytest.raises(ValueError, match="ascend"):
        build_snapshot(blocks_of(keys[::-1], vectors), count=N, dimension=D, path=path)
    readings = iter([keys, keys + 1])

    def changing() -> Iterator[Data]:
        yield from blocks_of(next(readings), vectors)()

    with pytest.raises(ValueError, match="second reading"):
        build_snapshot(changing, count=N, dimension=D, path=path)
    assert not os.path.exists(path)


# -- damage ------------------------------------------------------------------------------------------------


def test_vectors_are_given_as_they_were_stored(data: Data, snapshot: tuple[Path, SnapshotRecord]) -> None:
    keys, vectors = data
    _, beside = load_snapshot(str(snapshot[0]), snapshot[1])
    assert beside is not None
    places = np.random.default_rng(17).permutation(N)[:70]
    for reader in (beside, ExactIndex(*data)):
        found, whole = reader.vectors_of([*keys[places].tolist(), 10**9])
        assert np.array_equal(found, np.sort(keys[places]))
        assert np.array_equal(whole, vectors[np.sort(places)])
        assert reader.vectors_of([])[1].shape == (0, D)


def test_no_vectors_are_written_where_they_cannot_be_read(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ann"
    with_rows = build(path, *data)
    assert with_rows.rows == N
    with monkeypatch.context() as patch:
        patch.setattr(rows, "CAN_BE_READ", False)
        assert load_snapshot(str(path), with_rows)[1] is None
        record = SnapshotRecord.from_json(build(path, *data).to_json())
    assert (record.rows, record.size_bytes) == (0, path.stat().st_size)
    assert with_rows.size_bytes - record.size_bytes >= N * D * 2
    proposer, beside = load_snapshot(str(path), record)  # also by a system that could read them
    assert beside is None
    check_candidates(proposer, *data, clustered(20, D, 3), 10, recall=0.99)


def refused(path: Path, record: SnapshotRecord) -> None:
    with pytest.raises(SnapshotDamagedError):
        load_snapshot(str(path), record)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.5, 0.9, 0.9999])
def test_a_cut_file_is_refused(snapshot: tuple[Path, SnapshotRecord], tmp_path: Path, share: float) -> None:
    path, record = snapshot
    data = path.read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(data[: int(len(data) * share)])
    refused(cut, record)
    cut.write_bytes(data[: int(len(data) * share)].ljust(len(data), b"\0"))
    refused(cut, record)


def test_a_file_with_something_appended_is_refused(
    snapshot: tuple[Path, SnapshotRecord], tmp_path: Path
) -> None:
    path, record = snapshot
    longer = tmp_path / "longer"
    longer.write_bytes(path.read_bytes() + b"\0")
    refused(longer, record)


def test_every_flipped_bit_is_noticed(
    data: Data, snapshot: tuple[Path, SnapshotRecord], tmp_path: Path
) -> None:
    """Behind the vectors, the file is refused; among them, that one vector is not given any more."""
    keys, vectors = data
    path, record = snapshot
    good = path.read_bytes()
    flipped = tmp_path / "flipped"
    rng = np.random.default_rng(SEED)
    for start, end in ((0, record.rows_bytes), (record.rows_bytes, len(good))):
        for place in rng.integers(8 * start, 8 * end, 100).tolist():
            content = bytearray(good)
            content[place // 8] ^= 1 << (place % 8)
            flipped.write_bytes(content)
            if start:
                refused(flipped, record)
                continue
            _, damaged = load_snapshot(str(flipped), record)
            assert damaged is not None
            found, whole = damaged.vectors_of(keys.tolist())
            row = place // 8 // (2 * D)
            assert damaged.damaged() == keys[row]
            assert np.array_equal(found, np.delete(keys, row))
            assert np.array_equal(whole, np.delete(vectors, row, axis=0))


def test_another_snapshot_in_its_place_is_refused(
    data: Data, snapshot: tuple[Path, SnapshotRecord], tmp_path: Path
) -> None:
    keys, vectors = data
    other = tmp_path / "other"
    record = build(other, keys[:1500], vectors[:1500])
    load_snapshot(str(other), record)
    refused(other, snapshot[1])
    refused(snapshot[0], record)


def test_a_missing_file_and_a_folder_are_refused(
    snapshot: tuple[Path, SnapshotRecord], tmp_path: Path
) -> None:
    refused(tmp_path / "missing", snapshot[1])
    refused(tmp_path, snapshot[1])


def test_a_record_of_other_contents_is_refused(snapshot: tuple[Path, SnapshotRecord]) -> None:
    path, record = snapshot
    refused(path, replace(record, dimension=D + 1))
    refused(path, replace(record, count=N - 1))
    refused(path, replace(record, distinct=7))
    refused(path, replace(record, reduced=4))
