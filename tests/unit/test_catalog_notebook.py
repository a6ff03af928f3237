"""What a person at a prompt or in a notebook gets: values that say something, columns, pages, files."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from tests.pictures import picture, write_pictures

import seealike
from seealike import Hit, Hits, NewPicture, ResultsLook, SearchOptions
from seealike.catalog import exporting
from seealike.errors import CatalogBusyError, UnknownItemError, UsageError
from seealike.testing import FakeEncoder


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[seealike.Catalog]:
    paths = write_pictures(tmp_path / "photos", range(12))
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as made:
        made.add_many(
            NewPicture(path.name, path, f"g{number % 2}", {"name": f"picture <{number}>", "rank": number})
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
    assert repr(catalog.similar("003.jpg", options=SearchOptions(min_score=1.0))) == "nothing similar"
    columns = hits.columns()
    assert list(columns) == ["rank", "id", "score", "path", "group", "name", "metadata.rank"]
    assert columns["rank"] == [1, 2, 3]
    assert columns["metadata.rank"] == [int(item_id[:3]) for item_id in hits.ids]
    assert pa.table(columns).num_rows == 3
    assert copy.deepcopy(hits) == pickle.loads(pickle.dumps(hits)) == hits


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


def test_an_export_is_of_one_generation_or_none(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, times = exporting._write, 0

    def disturbed(exported: seealike.Catalog, place: str) -> int:
        nonlocal times
        times += 1
        count = write(exported, place)
        if times < 3:
            catalog.add("new", picture(times))
        return count

    monkeypatch.setattr(exporting, "_write", disturbed)
    assert catalog.export(tmp_path / "vectors.parquet") == 13
    assert times == 3
    times = -1000
    with pytest.raises(CatalogBusyError):
        catalog.export(tmp_path / "other.parquet")
    assert not (tmp_path / "other.parquet").exists()
