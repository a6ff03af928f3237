"""Items that are put and removed over HTTP."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image
from tests.made_models import save_model
from tests.pictures import picture
from tests.service.asgi import Client, Reply
from tests.service.conftest import wait_until_ready

import seealike
from seealike import Hits, SearchOptions
from seealike.errors import ServiceError
from seealike.service import ServiceOptions, create_app
from seealike.service.batching.embedder import Ticket, current_ticket
from seealike.service.changes import Changed, Changes
from seealike.service.kept.pictures import KeptPictures
from seealike.service.state import MOST_CHANGES
from seealike.store.lock import WriterLock


def jpeg(number: int) -> bytes:
    """A picture with a place in its metadata."""
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = "taken at home"
    picture(number, (300, 200)).save(file, "JPEG", exif=exif)
    return file.getvalue()


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A catalogue without items."""
    model = save_model(tmp_path / "model.onnx")
    seealike.create(tmp_path / "catalog", encoder=f"onnx:{model}").close()
    return tmp_path / "catalog"


@pytest.fixture
def own(empty: Path) -> Iterator[Client]:
    """Somebody who fills it."""
    with Client(create_app(empty, ServiceOptions())) as asked:
        wait_until_ready(asked)
        yield asked


def put(client: Client, item_id: str, data: bytes, about: str = "") -> Reply:
    return client(
        "PUT", f"/items/{quote(item_id, safe='')}{about}", data, headers={"content-type": "image/jpeg"}
    )


def test_an_item_that_is_put_is_there_for_everybody_and_once(own: Client, empty: Path) -> None:
    about = "?group=g&metadata=" + quote('{"price": 3, "colour": "red"}')
    first, second = put(own, "a/b.jpg", jpeg(1), about), put(own, "a/b.jpg", jpeg(1), about)
    assert (first.status, first.json["change"], second.status, second.json["change"]) == (
        *(201, "added"),
        *(200, "unchanged"),
    )
    assert first.json["generation"] == second.json["generation"]
    with seealike.open(empty) as catalog:
        item = catalog.item("a/b.jpg")
        assert (item.group, item.metadata) == ("g", {"price": 3, "colour": "red"})
        assert catalog.generation == first.json["generation"]
        assert catalog.search(jpeg(1), 1)[0].id == "a/b.jpg"
        assert put(own, "a/b.jpg", jpeg(2), about).json["change"] == "replaced"
        assert catalog.search(jpeg(2), 1)[0].score == pytest.approx(1, abs=1e-3)
    assert len([*(empty / "pictures").rglob("*-*")]) == 1


def test_its_picture_is_shown_small_and_without_its_metadata(own: Client) -> None:
    put(own, "a/b.jpg", jpeg(1))
    assert b"taken at home" in jpeg(1)
    for size, width in (("", 300), ("?size=60", 60)):
        reply = own("GET", f"/images/a%2Fb.jpg{size}")
        assert (reply.status, reply.headers["content-type"]) == (200, "image/jpeg")
        assert Image.open(io.BytesIO(reply.body)).size[0] == width
        assert b"taken at home" not in reply.body
    again = own("GET", "/images/a%2Fb.jpg?size=60", headers={"if-none-match": reply.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert own("GET", "/images/gone").json["code"] == "unknown_item"


def test_removing_is_idempotent_and_takes_the_picture_along_but_nobody_elses(
    own: Client, empty: Path
) -> None:
    elsewhere = empty.parent / "mine.jpg"
    elsewhere.write_bytes(jpeg(5))
    with seealike.open(empty) as catalog:
        catalog.add("mine", elsewhere)
    put(own, "a", jpeg(1))
    assert [own("DELETE", "/items/a").json["change"] for _ in range(2)] == ["removed", "unchanged"]
    assert own("DELETE", "/items/mine").json["change"] == "removed"
    assert elsewhere.exists()
    assert not [*(empty / "pictures").rglob("*-*")]


def test_a_bad_picture_leaves_the_item_as_it_was(own: Client, empty: Path) -> None:
    put(own, "a", jpeg(1))
    reply = put(own, "a", b"no picture at all")
    assert (reply.status, reply.json["code"]) == (422, "unusable_picture")
    assert own("GET", "/items/a").json["width_px"] == 300
    assert len([*(empty / "pictures").rglob("*-*")]) == 1
    assert put(own, "a", jpeg(1), "?metadata=%5B%5D").json["code"] == "invalid_query"
    assert put(own, "a", jpeg(1), "?group=").status < 500


def test_all_items_are_listed_some_at_a_time_whatever_changes_meanwhile(own: Client) -> None:
    names = sorted(["a", "b/c", "ä", "%2F", "?x#y", "d" * 200])
    for number, name in enumerate(names):
        assert put(own, name, jpeg(number)).status == 201
        assert own("GET", f"/items/{quote(name, safe='')}").json["id"] == name
    seen: list[str] = []
    start: str | None = ""
    while start is not None:
        page = own("GET", f"/items?limit=2&start={quote(start)}").json
        seen += [item["id"] for item in page["items"]]
        if len(seen) == 2:
            own("DELETE", f"/items/{quote(seen[0], safe='')}")
        start = page["next"]
    assert seen == names
    assert all(own("GET", f"/images/{quote(name, safe='')}?size=9").status == 200 for name in names[1:])


def test_what_another_process_writes_is_answered_without_a_restart(own: Client, empty: Path) -> None:
    put(own, "a", jpeg(1))
    with seealike.open(empty) as catalog:
        catalog.add("b", picture(2))
        generation = catalog.generation
    found = own("GET", "/items/a/similar").json
    assert (found["generation"], [hit["id"] for hit in found["hits"]]) == (generation, ["b"])
    assert found["hits"][0]["image"] is None
    assert own("GET", "/images/b").json["code"] == "no_picture"


def kept(empty: Path) -> list[Path]:
    return [*(empty / "pictures").rglob("*-*")]


def test_a_put_that_nobody_waits_for_any_more_changes_nothing_however_late_its_turn_comes(
    empty: Path,
) -> None:
    changes = Changes(KeptPictures(str(empty)))
    holding, may_end, old = threading.Event(), threading.Event(), Ticket()

    class Slow(KeptPictures):
        def keep(self, item_id: str, data: bytes) -> str:
            holding.set()
            may_end.wait()
            return super().keep(item_id, data)

    slow = Changes(Slow(str(empty)))
    with seealike.open(empty) as catalog, ThreadPoolExecutor(8) as threads:

        def put_as(number: int, ticket: Ticket | None) -> str:
            current_ticket.set(ticket)
            return slow.put(catalog, "a", jpeg(1), str(number), {}).change

        first = threads.submit(put_as, 0, None)
        holding.wait(30)
        gone = [threads.submit(put_as, 1, old) for _ in range(3)]
        while slow._came < 4:
            pass
        later = [threads.submit(put_as, 2, None)]
        while slow._came < 5:
            pass
        old.given_up.set()
        may_end.set()
        assert (first.result(30), later[0].result(30)) == ("added", "replaced")
        for one in gone:
            with pytest.raises(ServiceError, match="given up"):
                one.result(30)
        assert catalog.item("a").group == "2"
        assert changes.remove(catalog, "a").change == "removed"
    assert not kept(empty)


def test_changes_come_in_the_order_in_which_they_were_asked_for(empty: Path) -> None:
    changes, order = Changes(KeptPictures(str(empty))), list[int]()

    def take(number: int) -> None:
        with changes._turn():
            order.append(number)

    with ThreadPoolExecutor(16) as threads, changes._turn():
        for number in range(16):
            threads.submit(take, number)
            while changes._came < number + 2:
                pass
    assert order == [*range(16)]


def test_while_another_process_writes_changes_are_told_so_and_questions_are_answered(empty: Path) -> None:
    with Client(create_app(empty, ServiceOptions(pictures=2))) as asked:
        wait_until_ready(asked)
        assert put(asked, "a", jpeg(1)).status == 201
        lock = WriterLock(str(empty))
        lock.acquire(10)
        try:
            with ThreadPoolExecutor(30) as threads:
                changing = [threads.submit(put, asked, f"b{number}", jpeg(2)) for number in range(30)]
                assert asked("GET", "/items/a").status == 200
                codes = [one.result().json["code"] for one in changing]
        finally:
            lock.release()
        assert {"catalog_busy"} <= set(codes) <= {"catalog_busy", "overloaded"}
        assert len(kept(empty)) == 1
        assert put(asked, "b", jpeg(2)).status == 201


def test_changes_that_wait_keep_no_question_out_and_too_many_are_told_so(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, usual, calls = threading.Event(), Changes.remove, list[str]()

    def remove(self: Changes, catalog: seealike.Catalog, item_id: str) -> Changed:
        calls.append(item_id)
        may_end.wait()
        return usual(self, catalog, item_id)

    monkeypatch.setattr(Changes, "remove", remove)
    with Client(create_app(empty, ServiceOptions(pictures=1))) as asked:
        wait_until_ready(asked)
        with ThreadPoolExecutor(MOST_CHANGES) as threads:
            changing = [threads.submit(asked, "DELETE", f"/items/{n}") for n in range(MOST_CHANGES)]
            while len(calls) < MOST_CHANGES:
                pass
            refused, question = asked("DELETE", "/items/more"), asked("GET", "/items/none")
            may_end.set()
        assert (refused.status, refused.json["code"], question.status) == (503, "overloaded", 404)
        assert {one.result().status for one in changing} == {200}
        assert asked("DELETE", "/items/more").status == 200


def test_a_bad_picture_is_told_without_the_paths_of_the_server(own: Client, empty: Path) -> None:
    reply = put(own, "a", b"abc")
    assert reply.json["detail"].startswith("the picture: not_an_image")
    assert str(empty) not in reply.body.decode()


def test_a_picture_that_is_missing_comes_back_with_the_same_put(own: Client, empty: Path) -> None:
    put(own, "a", jpeg(1))
    for damage in (Path.unlink, lambda path: path.write_bytes(b"short")):
        (path,) = kept(empty)
        damage(path)
        assert put(own, "a", jpeg(1)).json["change"] == "replaced"
        assert own("GET", "/images/a?size=20").status == 200
    assert put(own, "a", jpeg(1)).json["change"] == "unchanged"


def test_two_services_that_change_the_same_item_never_remove_a_picture_that_is_shown(empty: Path) -> None:
    class Late(KeptPictures):
        def drop(self, path: str | None) -> None:
            if other:
                assert other.pop().put(second, "a", jpeg(1), None, {}).change == "replaced"
            super().drop(path)

    other = list[Changes]()
    one, two = Changes(Late(str(empty))), Changes(KeptPictures(str(empty)))
    with seealike.open(empty) as first, seealike.open(empty) as second:
        one.put(first, "a", jpeg(1), None, {})
        other.append(two)
        one.put(first, "a", jpeg(2), None, {})
        path = first.item("a").path
        assert path is not None
        assert Path(path).read_bytes() == jpeg(1)


def test_what_a_killed_service_left_behind_goes_with_the_next_start_wherever_the_catalogue_is(
    empty: Path,
) -> None:
    pictures = KeptPictures(str(empty))
    with seealike.open(empty) as catalog:
        Changes(pictures).put(catalog, "a", jpeg(1), None, {})
    left, young = Path(pictures.keep("b", jpeg(2))), Path(pictures.keep("b", jpeg(2)))
    for path in kept(empty):
        if path != young:
            os.utime(path, (1, 1))
    elsewhere = empty.rename(empty.parent / "elsewhere")
    with Client(create_app(elsewhere, ServiceOptions())) as asked:
        wait_until_ready(asked)
        assert asked("GET", "/images/a?size=20").status == 200
    assert {left.name, young.name} & {path.name for path in kept(elsewhere)} == {young.name}
    assert len(kept(elsewhere)) == 2


@pytest.mark.parametrize(
    ("method", "address"),
    [("GET", "/items/%FF"), ("GET", "/images/%FF"), ("GET", "/items/%FF/similar"), ("DELETE", "/items/%FF")],
)
def test_what_is_no_text_is_the_id_of_no_item(own: Client, method: str, address: str) -> None:
    reply = own(method, address)
    assert (reply.status, reply.json["code"], reply.json["id"]) == (404, "unknown_item", "\\xff")


@pytest.mark.parametrize("value", ["[1]", '{"b": 1}'])
def test_metadata_that_could_not_be_asked_for_is_refused(own: Client, value: str) -> None:
    reply = put(own, "a", jpeg(1), "?metadata=" + quote(f'{{"sizes": {value}}}'))
    assert (reply.status, reply.json["code"]) == (422, "invalid_query")
    assert "sizes" in reply.json["detail"]


def test_an_answer_is_kept_until_something_changes(own: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()
    usual = seealike.Catalog.similar_batch

    def similar_batch(
        catalog: seealike.Catalog, ids: list[str], k: int, *, options: SearchOptions
    ) -> list[Hits]:
        asked.extend(ids)
        return usual(catalog, ids, k, options=options)

    monkeypatch.setattr(seealike.Catalog, "similar_batch", similar_batch)
    for number in range(3):
        put(own, f"{number}", jpeg(number))

    def similar(wishes: str = "") -> list[str]:
        return [hit["id"] for hit in own("GET", f"/items/0/similar{wishes}").json["hits"]]

    first = similar()
    assert sorted(first) == ["1", "2"]
    assert (similar(), asked) == (first, ["0"])
    assert (similar("?k=1"), asked) == (first[:1], ["0", "0"])
    own("DELETE", "/items/1")
    assert (similar(), asked) == (["2"], ["0"] * 3)
    put(own, "3", jpeg(3))
    assert (sorted(similar()), asked) == (["2", "3"], ["0"] * 4)


def test_a_service_whose_catalogue_got_another_encoder_is_not_ready_any_more(
    own: Client, empty: Path, tmp_path: Path
) -> None:
    assert put(own, "a", jpeg(1)).status == 201
    assert own("GET", "/readyz").status == 200
    other = save_model(tmp_path / "other.onnx", seed=5)
    seealike.reindex(empty, encoder=f"onnx:{other}")
    for address in ("/items/a/similar", "/readyz"):
        reply = own("GET", address)
        assert (reply.status, reply.json["code"]) == (503, "catalog_replaced")
    assert own("GET", "/healthz").status == 200
