"""Files cut, bit-flipped, deleted or swapped: every answer is true, or an error that names the file."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.robustness.herd import Herd, Tags, committed
from tests.robustness.victim import ANN_THRESHOLD, fake_default_encoder
from tests.seeds import SEED

import seealike
from seealike import Catalog, IndexOptions, SearchOptions
from seealike.catalog import ann, opening, verify
from seealike.catalog.upkeep import salvage
from seealike.cli.main import run
from seealike.errors import CatalogError, SeealikeError, StorageError, UsageError
from seealike.store import DATABASE_NAME, MANIFEST_NAME, FileSystem, WriterLock
from seealike.testing import FakeEncoder
from seealike.vectors import VectorType

PAGE = 8192
OPTIONS = IndexOptions(workers=2, prune_missing=True)
FLIPS = 75  # of each kind of catalogue


@dataclass(frozen=True, slots=True)
class Sample:
    """A sound catalogue, the folder it shows, another of the same encoder, and what it answers."""

    folder: Path
    catalog: Path
    other: Path
    tags: Tags
    truth: dict[str, object]
    ann_file: str

    @property
    def files(self) -> tuple[str, str, str]:
        """Everything that is persisted."""
        return MANIFEST_NAME, DATABASE_NAME, self.ann_file


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that happens to one file of a catalogue's directory."""

    file: str
    what: str
    apply: Callable[[Path], None]

    def __str__(self) -> str:
        return f"{self.file} {self.what}"


@pytest.fixture(scope="module", autouse=True)
def small_scale() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ann, "THRESHOLD", ANN_THRESHOLD)
        fake_default_encoder(patch.setattr)
        yield


@pytest.fixture(scope="module", params=VectorType)
def sample(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, small_scale: None
) -> Sample:
    kept: VectorType = request.param
    base = tmp_path_factory.mktemp("damage")
    herds = {name: Herd(base / f"{name}.photos", random.Random(name), 60) for name in ("one", "other")}
    for name, herd in herds.items():
        for number in range(3):
            (herd.folder / f"broken {number}.png").write_bytes(b"no picture at all" * number)
        with seealike.create(base / f"{name}.catalog", encoder=FakeEncoder(), vectors=kept) as catalog:
            catalog.index(herd.folder, options=OPTIONS)
            assert catalog.info().ann.state == "ready"
    with opened(base / "one.catalog") as catalog:
        ids = [item.id for item in catalog.items()]
        truth = {name: ask(catalog, ids) for name, ask in QUESTIONS.items()}
    (ann_file,) = (base / "one.catalog").glob("ann-*")
    found = committed(str(base / "one.catalog"))
    assert found == herds["one"].tags(kept)
    return Sample(
        herds["one"].folder, base / "one.catalog", base / "other.catalog", found, truth, ann_file.name
    )


def opened(path: Path) -> Catalog:
    return seealike.open(path, encoder=FakeEncoder())


def ask_vectors(catalog: Catalog, ids: Sequence[str]) -> object:
    found, vectors = catalog.vectors()
    return found, vectors.tobytes()


def ask_search(catalog: Catalog, ids: Sequence[str]) -> object:
    queries = np.random.default_rng(5).standard_normal((3, catalog.encoder.dimension)).astype(np.float32)
    return [catalog.search_vectors(queries, 7, options=SearchOptions(exact=exact)) for exact in (False, True)]


def ask_info(catalog: Catalog, ids: Sequence[str]) -> object:
    info = catalog.info()
    return info.vectors, info.items, info.skipped, dict(info.skipped_by_reason), info.sources, info.encoder


QUESTIONS: dict[str, Callable[[Catalog, Sequence[str]], object]] = {
    "len": lambda catalog, ids: len(catalog),
    "items": lambda catalog, ids: list(catalog.items()),
    "one by one": lambda catalog, ids: [catalog.item(item_id) for item_id in ids],
    "vectors": ask_vectors,
    "similar": lambda catalog, ids: catalog.similar_batch(ids, 5),
    "search": ask_search,
    "lists": lambda catalog, ids: list(catalog.recommend_all(4)),
    "skipped": lambda catalog, ids: catalog.skipped(),
    "info": ask_info,
}


# -- what can happen to a file -------------------------------------------------------------------------


def flip(file: str, place: int, bit: int) -> Damage:
    def apply(folder: Path) -> None:
        content = bytearray((folder / file).read_bytes())
        content[place] ^= 1 << bit
        (folder / file).write_bytes(content)

    return Damage(file, f"with bit {bit} of byte {place} flipped", apply)


def cut(file: str, length: int) -> Damage:
    return Damage(file, f"cut to {length} bytes", lambda folder: os.truncate(folder / file, length))


def deleted(file: str) -> Damage:
    return Damage(file, "deleted", lambda folder: (folder / file).unlink())


def replaced(file: str, by: Path) -> Damage:
    def apply(folder: Path) -> None:
        shutil.copyfile(by, folder / file)

    return Damage(file, f"swapped for {by.name}", apply)


def overwritten(file: str, start: int, length: int, byte: int) -> Damage:
    def apply(folder: Path) -> None:
        with (folder / file).open("r+b") as stream:
            stream.seek(start)
            stream.write(bytes([byte]) * length)

    return Damage(file, f"with {length} bytes {byte} from {start}", apply)


def flips(sample: Sample, count: int, rng: random.Random) -> list[Damage]:
    """Bits all over the files; half of those in the database where it keeps its structure."""
    found = []
    for number in range(count):
        file = rng.choices(sample.files, (1, 6, 1))[0]
        size = (sample.catalog / file).stat().st_size
        place = rng.randrange(size)
        if file == DATABASE_NAME and number % 2:
            page = rng.randrange(size // PAGE)
            place = rng.randrange(100) if not page else page * PAGE + rng.randrange(60)
        found.append(flip(file, place, rng.randrange(8)))
    return found


def coarse(sample: Sample) -> list[Damage]:
    """Every file cut at several places, deleted, emptied, zeroed in part, and swapped."""
    found = []
    for file in sample.files:
        size = (sample.catalog / file).stat().st_size
        found += [deleted(file)]
        found += [cut(file, length) for length in (0, 1, 50, 100, 1000, size // 2, size - 1) if length < size]
        found += [overwritten(file, size // 3, min(512, size // 3), byte) for byte in (0, 255)]
    size = (sample.catalog / DATABASE_NAME).stat().st_size
    found += [cut(DATABASE_NAME, length) for length in range(PAGE, size, PAGE)]
    found += [overwritten(DATABASE_NAME, start, PAGE, 0) for start in range(0, size, PAGE)]
    found += [replaced(file, sample.other / file) for file in (MANIFEST_NAME, DATABASE_NAME)]
    (ann_file,) = sample.other.glob("ann-*")
    found += [replaced(sample.ann_file, ann_file), replaced(MANIFEST_NAME, sample.catalog / DATABASE_NAME)]
    return [*found, replaced(DATABASE_NAME, sample.catalog / MANIFEST_NAME)]


# -- what must hold then -------------------------------------------------------------------------------


def check_answers(sample: Sample, copy: Path) -> int:
    """Ask everything; how many questions were refused."""
    refused = 0
    try:
        catalog = opened(copy)
    except CatalogError as exc:
        check_message(exc, copy)
        return len(QUESTIONS)
    with catalog:
        for name, ask in QUESTIONS.items():
            try:
                answer = ask(catalog, list(sample.tags))
            except UsageError as exc:
                raise AssertionError(f"{name}: {exc!r} blames the caller") from exc
            except SeealikeError as exc:
                check_message(exc, copy)
                refused += 1
            else:
                assert relative(answer, copy) == relative(sample.truth[name], sample.catalog), name
    return refused


def relative(answer: object, directory: Path) -> str:
    """The answer as text, wherever the catalogue lies."""
    return repr(answer).replace(str(directory), "")


def check_message(exc: SeealikeError, copy: Path) -> None:
    message = str(exc)
    assert "\n" not in message
    assert str(copy) in message, message
    assert message.isprintable(), message


def check_commands(copy: Path, capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether `seealike verify` says that all is well; neither it nor `info` gives a traceback."""
    for command in (["info"], ["verify", "--sample", "5"]):
        code = run([*command, "--catalog", str(copy)])
        out, err = capsys.readouterr()
        assert code in (0, 1)
        assert "Traceback" not in err
        assert "internal error" not in err
        assert (code == 0) or str(copy) in out + err
    return code == 0


def check_index(sample: Sample, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`index` over a damaged catalogue is refused, or doubles and loses nothing."""
    arguments = ["--catalog", str(copy), "--workers", "1", "--prune-missing", "--quiet"]
    code = run(["index", str(sample.folder), *arguments])
    err = capsys.readouterr().err
    assert code in (0, 1)
    assert "internal error" not in err
    try:
        found = committed(str(copy))
    except CatalogError as exc:
        check_message(exc, copy)
    else:
        assert code or found == sample.tags


def check_repair(sample: Sample, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`verify --repair` and `index` bring everything back."""
    assert run(["verify", "--repair", "--catalog", str(copy)]) == 0, capsys.readouterr()
    with opened(copy) as catalog:  # another catalogue's database brings its own sources along
        for source in catalog.sources():
            if source.place != str(sample.folder):
                catalog.forget(source.place)
    arguments = ["--catalog", str(copy), "--workers", "2", "--prune-missing", "--quiet"]
    assert run(["index", str(sample.folder), *arguments]) == 0, capsys.readouterr()
    capsys.readouterr()
    assert committed(str(copy)) == sample.tags
    assert check_commands(copy, capsys)
    assert check_answers(sample, copy) == 0


def check(
    sample: Sample, damage: Damage, folder: Path, capsys: pytest.CaptureFixture[str], *, repair: bool
) -> None:
    copy = folder / "copy"
    shutil.copytree(sample.catalog, copy)
    try:
        damage.apply(copy)
        refused = check_answers(sample, copy)
        sound = check_commands(copy, capsys)
        assert not (sound and refused), "verify finds nothing, but questions are refused"
        check_index(sample, copy, capsys)
        if repair:
            check_repair(sample, copy, capsys)
    except BaseException as exc:
        exc.add_note(str(damage))
        raise
    finally:
        shutil.rmtree(copy)


def test_the_sound_catalogue_answers_like_exhaustive_search(sample: Sample) -> None:
    with opened(sample.catalog) as catalog:
        ids, vectors = catalog.vectors()
        wide = vectors.astype(np.float64)
        for row, hits in enumerate(catalog.similar_batch(ids, 5)):
            scores = wide @ wide[row]
            scores[row] = -2
            expected = sorted(zip(-np.round(scores, 6), ids, strict=True))[:5]
            assert [hit.id for hit in hits] == [name for _, name in expected]


def test_no_flipped_bit_gives_a_wrong_answer(
    sample: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    for number, damage in enumerate(flips(sample, FLIPS, random.Random(SEED))):
        check(sample, damage, tmp_path, capsys, repair=number % 40 == 0)


def test_no_cut_deleted_or_swapped_file_gives_a_wrong_answer(
    sample: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, damage in enumerate(coarse(sample)):
        check(sample, damage, tmp_path, capsys, repair=number % 9 == 0)


@pytest.mark.heavy
def test_every_damage_can_be_repaired(
    sample: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, damage in enumerate([*coarse(sample), *flips(sample, 3000, random.Random(SEED))]):
        check(sample, damage, tmp_path, capsys, repair=number < 200 or number % 10 == 0)


def test_a_damaged_approximate_index_heals_by_itself(
    sample: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = (sample.catalog / sample.ann_file).stat().st_size
    damages = [deleted(sample.ann_file), cut(sample.ann_file, size // 2), flip(sample.ann_file, size // 2, 3)]
    for number, damage in enumerate(damages):
        copy = tmp_path / f"copy {number}"
        shutil.copytree(sample.catalog, copy)
        damage.apply(copy)
        assert check_answers(sample, copy) == 0
        assert not check_commands(copy, capsys)
        with opened(copy) as catalog:
            catalog.index(sample.folder, options=OPTIONS)
            assert catalog.info().ann.state == "ready"
        assert check_commands(copy, capsys)
        assert len(list(copy.glob("ann-*"))) == 1


def test_a_flipped_bit_of_a_vector_is_found_and_made_good_by_the_next_index(
    sample: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample.catalog, copy)
    with contextlib.closing(sqlite3.connect(copy / DATABASE_NAME)) as connection, connection:
        key, item_id, data = connection.execute(
            "SELECT key, id, data FROM items JOIN vectors USING (key) ORDER BY key LIMIT 1 OFFSET 7"
        ).fetchone()
        with opened(sample.catalog) as catalog:
            assert len(data) == catalog.info().vector_bytes
        changed = bytes([data[0] ^ 1, *data[1:]])
        connection.execute("UPDATE vectors SET data=? WHERE key=?", (changed, key))
    with opened(copy) as catalog:
        (found,) = catalog.verify().findings
        assert found.what == f"checksum of the vector with key {key}"
        assert item_id in catalog
    assert run(["verify", "--repair", "--catalog", str(copy)]) == 0
    assert committed(str(copy)).keys() == sample.tags.keys() - {item_id}
    check_index(sample, copy, capsys)
    assert committed(str(copy)) == sample.tags


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / DATABASE_NAME
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE precious (data)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(CatalogError):
        seealike.create(folder, encoder=FakeEncoder())
    with pytest.raises(CatalogError):
        seealike.open(folder)
    assert path.read_bytes() == before


def test_a_repair_that_the_disk_refuses_leaves_nothing_behind_and_works_later(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample.catalog, copy)
    (copy / MANIFEST_NAME).write_bytes(b"{}")
    before = {file.name: file.read_bytes() for file in copy.iterdir()}

    def refused(directory: str, successor: str, files: FileSystem) -> None:
        raise StorageError(directory, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(salvage, "succeed", refused)
        with pytest.raises(StorageError):
            verify(copy, repair=True)
    left = {file.name: file.read_bytes() for file in copy.iterdir() if not file.name.endswith(".damaged")}
    assert left == before
    assert verify(copy, repair=True).ok
    assert committed(str(copy)) == sample.tags


def test_however_often_a_catalogue_is_repaired_one_broken_database_is_kept(
    sample: Sample, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample.catalog, copy)
    for _ in range(3):
        (copy / MANIFEST_NAME).write_bytes(b"{}")
        assert verify(copy, repair=True).ok
        assert committed(str(copy)) == sample.tags
        assert [file.name for file in copy.glob("*.damaged")] == [f"{DATABASE_NAME}.damaged"]
        assert len(list(copy.glob("*.sqlite"))) == 1


def test_a_repair_leaves_alone_what_another_process_has_repaired_meanwhile(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample.catalog, copy)
    (copy / MANIFEST_NAME).write_bytes(b"{}")
    repaired: list[bytes] = []

    class LateLock(WriterLock):
        def acquire(self, wait_s: float) -> None:
            if not repaired:
                repaired.append(b"")
                assert verify(copy, repair=True).ok
                repaired.append((copy / MANIFEST_NAME).read_bytes())
            super().acquire(wait_s)

    monkeypatch.setattr(opening, "WriterLock", LateLock)
    assert verify(copy, repair=True).ok
    assert (copy / MANIFEST_NAME).read_bytes() == repaired[1]


def test_a_damaged_index_of_sources_is_not_counted_by(sample: Sample, tmp_path: Path) -> None:
    """Counts are in a guarded row; who takes items by the index is told, and verify finds it."""
    copy = tmp_path / "copy"
    shutil.copytree(sample.catalog, copy)
    content = bytearray((copy / DATABASE_NAME).read_bytes())
    connection = sqlite3.connect(copy / DATABASE_NAME)
    (page,) = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE type='index' AND sql LIKE '%(source%'"
    ).fetchone()
    connection.close()
    place = content.rindex(
        bytes([3, 9, 1]), (page - 1) * PAGE, page * PAGE
    )  # an entry: source 1, key below 128
    content[place + 1] ^= 1  # source 0
    (copy / DATABASE_NAME).write_bytes(content)
    with opened(copy) as catalog:
        assert ([source.items for source in catalog.info().sources], catalog.info().by_hand) == ([60], 0)
    assert not verify(copy).ok
    assert verify(copy, repair=True).ok
    with opened(copy) as catalog:
        assert [source.items for source in catalog.sources()] == [60]
