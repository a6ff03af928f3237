"""What a person at a prompt or in a notebook gets: values that say something, columns, pages, files."""

from __future__ import annotations

import base64
import copy
import gc
import io
import itertools
import json
import os
import pickle
import re
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from tests.pictures import picture, write_pictures

import seealike
from seealike import Hit, Hits, NewPicture, ResultsLook, SearchOptions
from seealike.catalog.outputs import exporting
from seealike.errors import DamagedCatalogError, UnknownItemError, UsageError
from seealike.store import SqliteStore
from seealike.testing import FakeEncoder


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[seealike.Catalog]:
    paths = write_pictures(tmp_path / "photos", range(12))
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as made:
        made.add_many(
            NewPicture(path.name, path, f"g{number}", {"name": f"picture <{number}>", "rank": number})
            for number, path in enumerate(paths)
        )
        yield made


def test_a_catalogue_says_where_it_is_and_what_it_holds(tmp_path: Path) -> None:
    catalog = seealike.create(tmp_path / "catalog", encoder=FakeEncoder())
    assert repr(catalog) == f"<Catalog {tmp_path / 'catalog'}: 0 items, fake, generation 0>"
    catalog.add("a", picture(1))
    assert repr(catalog) == f"<Catalog {tmp_path / 'catalog'}: 1 item, fake, generation 1>"
    catalog.close()
    assert repr(catalog) == f"<Catalog {tmp_path / 'catalog'}, closed>"


def test_a_report_shows_counts_and_not_every_file(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", range(2))
    for number in range(30):
        (tmp_path / "photos" / f"bad{number}.jpg").write_bytes(b"none")
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as catalog:
        shown = repr(catalog.index(tmp_path / "photos"))
    assert "added=2" in shown
    assert "'not_an_image': 30" in shown
    assert "bad" not in shown


def test_hits_are_a_list_with_columns_and_a_line_each_at_a_prompt(catalog: seealike.Catalog) -> None:
    hits = catalog.similar("003.jpg", k=3)
    assert isinstance(hits, Hits)
    assert hits == list(hits)
    assert hits.ids == [hit.id for hit in hits]
    assert hits.scores == [hit.score for hit in hits]
    assert repr(hits).splitlines()[1] == f"2  {hits[1].score:6.3f}  {hits[1].id!r}"
    assert repr(catalog.similar("003.jpg", options=SearchOptions(min_score=1.0))) == (
        "nothing similar: no other item has a score of 1 or more; a lower --min-score finds what is nearest"
    )
    columns = hits.columns()
    assert list(columns) == ["rank", "id", "score", "path", "group", "name", "metadata.rank"]
    assert columns["rank"] == [1, 2, 3]
    assert columns["metadata.rank"] == [int(item_id[:3]) for item_id in hits.ids]
    assert pa.table(columns).num_rows == 3


def test_slices_copies_and_pickles_of_hits_know_what_was_asked(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    hits = catalog.search(np.asarray(picture(40)), k=5)
    pickled = pickle.loads(pickle.dumps(hits))
    for others in (hits[:], hits.copy(), copy.copy(hits), copy.deepcopy(hits), pickled):
        assert isinstance(others, Hits)
        assert (others, others.asked) == (hits, hits.asked)
        assert others is not hits
        catalog.results_page(tmp_path / "found.html", others)
    assert hits[1:3] == [hits[1], hits[2]]
    assert catalog.similar("003.jpg").copy()._repr_html_().count("data:image/jpeg") == 10


def test_a_page_of_what_is_no_answer_is_refused(catalog: seealike.Catalog, tmp_path: Path) -> None:
    hits = catalog.similar("003.jpg", k=3)
    for wrong in ([list(hits)], list(hits), [hits, None], "003.jpg", None):
        with pytest.raises(UsageError, match="answer"):
            catalog.results_page(tmp_path / "found.html", wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "found.html").exists()


def test_answers_keep_a_small_copy_of_a_picture(catalog: seealike.Catalog, tmp_path: Path) -> None:
    large = picture(5, (1200, 800))
    photo = (tmp_path / "photos" / "004.jpg").read_bytes()
    by_array, by_image = (catalog.search(one, 1) for one in (np.asarray(large), large))
    for kept in (*by_array.asked.images, *by_image.asked.images):
        assert isinstance(kept, bytes)
        assert len(kept) < 30_000
        small = Image.open(io.BytesIO(kept))
        assert small.size == (240, 160)
        assert np.abs(np.asarray(small, int) - np.asarray(large.resize((240, 160)), int)).mean() < 8
    large.getexif()[0x0112] = 6
    turned = io.BytesIO()
    large.save(turned, "PNG", exif=large.getexif())
    (kept,) = catalog.search(Image.open(turned), 1).asked.images
    assert isinstance(kept, bytes)
    assert Image.open(io.BytesIO(kept)).size == (160, 240)
    path = tmp_path / "photos" / "003.jpg"
    padded = photo + bytes(1_000_001 - len(photo))  # what follows a JPEG is not looked at
    found = [catalog.search(one, 1).asked.images for one in (path, photo, padded)]
    assert found == [(str(path),), (photo,), (None,)]
    many = catalog.search_batch([np.asarray(large)] * 8 + [path], 1)
    assert [one.asked.images for one in many] == [(None,)] * 8 + [(str(path),)]
    catalog.results_page(tmp_path / "found.html", [many[0], by_array])
    assert (tmp_path / "found.html").read_text("utf-8").count("the given picture") >= 2


def test_answers_keep_no_catalogue_alive(tmp_path: Path) -> None:
    catalog = seealike.create(tmp_path / "catalog", encoder=FakeEncoder())
    catalog.add("a", picture(1))
    hits, gone = catalog.search(picture(2)), weakref.ref(catalog)
    catalog.close()
    del catalog
    gc.collect()
    assert gone() is None
    assert hits._repr_html_().count("no picture") == 1


def test_a_notebook_shows_the_pictures_of_hits(catalog: seealike.Catalog) -> None:
    html = catalog.similar("003.jpg", k=4)._repr_html_()
    data = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    assert [base64.b64decode(one)[:2] for one in data] == [b"\xff\xd8"] * 4
    assert "picture &lt;" in html
    assert "<script" not in html
    hits = catalog.similar("003.jpg", k=4)
    catalog.close()
    closed = hits._repr_html_()
    assert closed.count("no picture") == 4
    assert "nothing similar" in Hits()._repr_html_()
    assert "no picture" in Hits([Hit("a", 0.5, "/nowhere/a.jpg")])._repr_html_()


def test_pictures_become_vectors_that_search_alike(catalog: seealike.Catalog, tmp_path: Path) -> None:
    path = tmp_path / "photos" / "004.jpg"
    vectors = catalog.encode([path, path.read_bytes(), Image.open(path).copy()])
    assert vectors.shape == (3, 32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    (alone,) = catalog.search_vectors(vectors[0])
    assert alone == catalog.search_vectors(vectors[:1])[0] == catalog.search(path)
    for wrong in (vectors[None], vectors[0, 0], vectors[0, :-1]):
        with pytest.raises(UsageError, match=r"\(q, 32\)"):
            catalog.search_vectors(wrong)


def test_neighbours_are_two_arrays_of_what_similar_finds(catalog: seealike.Catalog) -> None:
    ids = ["007.jpg", "001.jpg"]
    names, scores = catalog.neighbours(ids, k=4)
    assert names.shape == scores.shape == (2, 4)
    for row, item_id in enumerate(ids):
        hits = catalog.similar(item_id, k=4)
        assert (names[row].tolist(), scores[row].tolist()) == (hits.ids, hits.scores)
    everybody, every_score = catalog.neighbours(k=20)
    assert everybody.shape == every_score.shape == (12, 20)
    assert everybody[7, :11].tolist() == catalog.similar("007.jpg", k=20).ids
    assert set(everybody[:, 11:].ravel()) == {None}
    assert np.isnan(every_score[:, 11:]).all()
    with pytest.raises(UnknownItemError):
        catalog.neighbours(["absent"])


def test_answers_become_a_page_of_pictures(catalog: seealike.Catalog, tmp_path: Path) -> None:
    page = tmp_path / "found.html"
    array = np.asarray(picture(40))
    found = [
        catalog.similar("003.jpg", k=3),
        catalog.search(array, k=2),
        catalog.recommend(["001.jpg"], ["002.jpg"], k=2),
    ]
    catalog.results_page(page, found, look=ResultsLook("My <title>", links=False))
    text = page.read_text("utf-8")
    assert "My &lt;title&gt;" in text
    assert "the given picture" in text
    assert "href=" not in text.partition("<main")[2].partition("</main>")[0]
    catalog.results_page(page, found[0])
    assert page.read_text("utf-8").count("<section") == 1
    with pytest.raises(UsageError, match="no picture on the page has a column"):
        catalog.results_page(page, found, look=ResultsLook(caption="absent"))
    photo = tmp_path / "photos" / "001.jpg"
    before = photo.read_bytes()
    for refused in (photo, tmp_path / "photos" / "page.txt"):
        with pytest.raises(UsageError, match="must end in"):
            catalog.results_page(refused, found, force=True)
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(UsageError, match="force=True"):
        catalog.results_page(tmp_path / "mine.html", found)
    assert (photo.read_bytes(), (tmp_path / "mine.html").read_text()) == (before, "mine")


def test_an_export_holds_every_item_with_its_vector(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 5)
    catalog.add("no file", picture(50))
    assert catalog.export(tmp_path / "vectors.parquet") == 13
    assert catalog.export(tmp_path / "vectors.parquet") == 13  # one of ours is replaced
    table = parquet.read_table(tmp_path / "vectors.parquet")
    ids, vectors = catalog.vectors()
    assert table["id"].to_pylist() == ids
    assert np.array_equal(np.array(table["vector"].to_pylist(), np.float32), vectors)
    items = list(catalog.items())
    assert table["path"].to_pylist() == [item.path for item in items]
    assert table["group"].to_pylist() == [item.group for item in items]
    assert [json.loads(text) for text in table["metadata"].to_pylist()] == [item.metadata for item in items]
    assert json.loads(table.schema.metadata[b"encoder"])["name"] == "fake"
    with pytest.raises(UsageError, match="must end in"):
        catalog.export(tmp_path / "vectors.csv")


def test_an_export_of_a_catalogue_that_is_being_written_reads_it_once(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 3)
    before = dict(zip(*catalog.vectors(), strict=True))
    fetch, read, turn = SqliteStore._fetch, list[str](), itertools.count(20)

    def disturbed(store: SqliteStore, statement: str, parameters: Sequence[object]) -> list[tuple]:  # type: ignore[type-arg]
        rows = fetch(store, statement, parameters)
        if "ORDER BY id LIMIT" in statement:
            read.extend(row[1] for row in rows)
            if len(read) == 3:
                catalog.remove(["007.jpg"])
            catalog.add("011.jpg", picture(next(turn)))  # every time another picture
        return rows

    monkeypatch.setattr(SqliteStore, "_fetch", disturbed)
    assert catalog.export(tmp_path / "vectors.parquet") == 11
    monkeypatch.undo()
    table = parquet.read_table(tmp_path / "vectors.parquet")
    ids = sorted(before.keys() - {"007.jpg"})
    assert table["id"].to_pylist() == read == ids
    vectors = np.array(table["vector"].to_pylist(), np.float32)
    assert np.array_equal(vectors[:-1], [before[item_id] for item_id in ids[:-1]])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert not np.array_equal(vectors[-1], before["011.jpg"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_an_export_may_go_to_a_pipe(catalog: seealike.Catalog, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    assert catalog.export(pipe) == 12
    reader.join()
    assert parquet.read_table(io.BytesIO(received[0]))["id"].to_pylist() == catalog.vectors()[0]


def test_an_export_of_an_item_without_a_vector_says_that_it_is_damaged(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    with sqlite3.connect(catalog._session.store.database_path) as database:
        database.execute("DELETE FROM vectors WHERE key = (SELECT key FROM items WHERE id = '004.jpg')")
    database.close()
    with pytest.raises(DamagedCatalogError, match="without a vector"):
        catalog.export(tmp_path / "vectors.parquet")
    assert not (tmp_path / "vectors.parquet").exists()
