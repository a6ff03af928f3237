"""Vectors in a snapshot's file: given as they were written, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tests.kept import as_kept

from seealike.indexes.rows import VectorRows, written
from seealike.types import Float16Array, Int64Array
from seealike.vectors import VectorType

N, D = 900, 24
KEYS = np.cumsum(np.random.default_rng(1).integers(1, 5, N)).astype(np.int64)
VECTORS = np.random.default_rng(2).standard_normal((N, D)).astype(np.float16)


def made(path: Path, kept: VectorType = VectorType.FLOAT16) -> VectorRows:
    checksums = np.zeros(N, dtype=np.uint32)
    blocks = ((KEYS[i : i + 250], VECTORS[i : i + 250]) for i in range(0, N, 250))
    with path.open("wb") as file:
        passed: list[tuple[Int64Array, Float16Array]] = list(written(blocks, file, checksums, kept))
    assert np.array_equal(np.concatenate([vectors for _, vectors in passed]), VECTORS)
    return VectorRows(str(path), KEYS, checksums, D, kept)


@pytest.mark.parametrize("kept", VectorType)
@pytest.mark.parametrize("flag", ["as it is", "nothing is in memory"])
def test_rows_come_back_whatever_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str, kept: VectorType
) -> None:
    rows = made(tmp_path / "rows", kept)
    assert os.path.getsize(tmp_path / "rows") == N * D * {"float16": 2, "int8": 1}[kept]
    preadv, calls = os.preadv, []

    def refusing(file: int, buffers: list[memoryview], offset: int, flags: int = 0) -> int:
        calls.append(flags)
        if flags and flag == "nothing is in memory":
            raise BlockingIOError
        return preadv(file, buffers, offset, 0)

    monkeypatch.setattr(os, "preadv", refusing)
    asked = np.random.default_rng(3).permutation(N)[:40]
    found, vectors = rows.vectors_of(KEYS[asked].tolist())
    assert np.array_equal(found, np.sort(KEYS[asked]))
    assert np.array_equal(vectors, as_kept(VECTORS[np.sort(asked)], kept))
    together = 1 + int((np.diff(np.sort(asked)) > 1).sum())  # rows that lie side by side are read at once
    assert len(calls) == together + (40 if flag == "nothing is in memory" else 0) < 80
    assert rows.damaged() is None


@pytest.mark.parametrize("kept", VectorType)
def test_a_file_that_is_cut_while_it_is_read_gives_the_rest(tmp_path: Path, kept: VectorType) -> None:
    rows = made(tmp_path / "rows", kept)
    os.truncate(tmp_path / "rows", 100 * kept.bytes_of(D) + 7)
    found, vectors = rows.vectors_of(KEYS.tolist())
    assert np.array_equal(found, KEYS[:100])
    assert np.array_equal(vectors, as_kept(VECTORS[:100], kept))
    assert rows.damaged() == KEYS[100]


def test_a_flipped_bit_of_a_row_costs_that_row(tmp_path: Path) -> None:
    rows = made(tmp_path / "rows", VectorType.INT8)
    content = bytearray((tmp_path / "rows").read_bytes())
    content[700 * D + 3] ^= 8
    (tmp_path / "rows").write_bytes(content)
    found, vectors = rows.vectors_of(KEYS.tolist())
    assert np.array_equal(found, np.delete(KEYS, 700))
    assert np.array_equal(vectors, as_kept(np.delete(VECTORS, 700, axis=0), "int8"))
    assert rows.damaged() == KEYS[700]


def test_a_file_that_is_removed_while_it_is_read_is_still_there(tmp_path: Path) -> None:
    rows = made(tmp_path / "rows")
    (tmp_path / "rows").unlink()
    assert len(rows.vectors_of(KEYS.tolist())[0]) == N


def test_a_key_that_is_not_there_is_not_given(tmp_path: Path) -> None:
    rows = made(tmp_path / "rows")
    gaps = np.setdiff1d(np.arange(1, KEYS[-1] + 50), KEYS)
    found, vectors = rows.vectors_of(gaps.tolist())
    assert (len(found), vectors.shape) == (0, (0, D))


def test_a_look_at_some_rows_reads_no_more_than_that_and_takes_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = made(tmp_path / "rows")
    content = bytearray((tmp_path / "rows").read_bytes())
    content[500 * 2 * D] ^= 1
    (tmp_path / "rows").write_bytes(content)
    pread, sizes = os.pread, list[int]()

    def counted(file: int, size: int, place: int) -> bytes:
        sizes.append(size)
        return pread(file, size, place)

    monkeypatch.setattr(os, "pread", counted)
    noticed = [rows.damaged(rows=100, turn=turn) for turn in range(20, 29)]
    assert sorted(noticed, key=str) == [int(KEYS[500]), *[None] * 8]
    assert sum(sizes) <= 9 * 100 * 2 * D
    assert rows.damaged() == rows.damaged(rows=N) == KEYS[500]


def open_files() -> list[str]:
    return [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at Linux's list of open files")
def test_a_file_is_closed_when_the_last_who_reads_it_lets_go(tmp_path: Path) -> None:
    rows = made(tmp_path / "rows")
    under_way = rows.vectors_of
    del rows
    assert str(tmp_path / "rows") in open_files()
    assert len(under_way(KEYS.tolist())[0]) == N
    del under_way
    assert str(tmp_path / "rows") not in open_files()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes that fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_no_rows_and_never_reads_a_file_that_got_their_descriptor(tmp_path: Path) -> None:
    rows = made(tmp_path / "rows")
    file = rows._file
    child = os.fork()
    if not child:
        right = False
        try:
            other = os.open(tmp_path / "other", os.O_CREAT | os.O_RDWR)
            right = other == file and not len(rows.vectors_of(KEYS.tolist())[0]) and rows.damaged() is None
            del rows
            os.fstat(other)
        finally:
            os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(rows.vectors_of(KEYS.tolist())[0]) == N
