"""Services over a copy in an engine: what one writes the other sees, whole or not at all."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest
from PIL import Image
from tests.engines.conftest import COUNT, told
from tests.engines.places import Place
from tests.pictures import picture
from tests.service.processes import ask, serving, wait_until_ready

import seealike
from seealike.catalog import EngineCatalog
from seealike.cli.main import run
from seealike.duplicates import DuplicateOptions, Level, duplicates_script, find_duplicates, move_duplicates

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytestmark = [pytest.mark.engine, pytest.mark.enable_socket]


def jpeg(made: Image.Image) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    made.save(file, "JPEG")
    return file.getvalue()


def test_what_one_service_writes_the_other_sees_at_once(two: tuple[int, int]) -> None:
    one, other = two
    new = jpeg(picture(50))
    assert told(one, "/items/new?group=p0&metadata=%7B%22price%22%3A%201%7D", "PUT", new)[0] == 201
    status, item = told(other, "/items/new")
    assert (status, item["group"], item["metadata"]) == (200, "p0", {"price": 1})
    assert ask(other, "/images/new")[1][:2] == b"\xff\xd8"
    status, found = told(other, "/search?k=1", "POST", new)
    assert [hit["id"] for hit in found["hits"]] == ["new"]  # type: ignore[attr-defined]
    assert told(other, "/items/new?group=p0&metadata=%7B%22price%22%3A%201%7D", "PUT", new)[1]["change"] == (
        "unchanged"
    )
    assert told(other, "/items/new?group=p1", "PUT", new)[1]["change"] == "replaced"
    assert told(one, "/items/new")[1]["group"] == "p1"
    assert told(one, "/items/new", "DELETE")[1]["change"] == "removed"
    assert told(other, "/items/new")[0] == 404
    assert told(other, "/items/new", "DELETE")[1]["change"] == "unchanged"
    assert told(one, "/stats")[1]["items"] == COUNT
    assert told(one, "/items/nothing", "PUT", b"no picture")[0] == 422


@pytest.mark.usefixtures("quickly_dead")
def test_a_service_that_is_killed_while_it_writes_leaves_nothing_half(
    copied_shop: str, server: Place
) -> None:
    pictures = [jpeg(picture(60 + number)) for number in range(4)]
    acknowledged: list[str] = []

    def put(port: int, name: str) -> None:
        for number in range(100):
            try:
                status, _ = ask(port, f"/items/{name}{number}", "PUT", pictures[number % 4])
            except OSError:
                return
            if status == 201:
                acknowledged.append(f"{name}{number}")

    with serving(copied_shop) as (running, port):  # type: ignore[arg-type]
        wait_until_ready(port)
        threads = [threading.Thread(target=put, args=(port, name)) for name in "abc"]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 10:
            threads[0].join(0.01)
        running.kill()
        for thread in threads:
            thread.join()
    with seealike.open(copied_shop) as copy:
        ids = [item.id for item in copy.items()]
        assert len(ids) == len(copy)
        assert set(acknowledged) <= set(ids)
        for item_id in acknowledged:
            assert copy.kept_picture(item_id) in pictures  # type: ignore[attr-defined]
        answers = copy.similar(acknowledged[0], k=100, options=seealike.SearchOptions(pictures=True))
        assert len(answers) == len(ids) - 1
        assert isinstance(copy, EngineCatalog)
        copy.put("last", pictures[0], group=None, metadata={})  # who writes next sweeps
    assert server.pictures(copied_shop) == len(ids) + 1 - COUNT


def test_pictures_that_came_without_files_are_duplicates_like_any_others(
    copied_shop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, poor = io.BytesIO(), io.BytesIO()
    picture(60).save(new, "PNG")
    picture(60).save(poor, "JPEG", quality=30)
    with seealike.open(copied_shop) as copy:
        assert isinstance(copy, EngineCatalog)
        for item_id, data in (("x/1", new), ("x/2", new), ("x/3", poor)):
            copy.put(item_id, data.getvalue(), group=None, metadata={})
        (exact,) = find_duplicates(copy, DuplicateOptions(Level.EXACT)).groups
        (near,) = find_duplicates(copy).groups
        kept = copy.item("x/1").path
        assert kept is not None
        assert copy.thumbnail(kept)[:2] == b"\xff\xd8"
        moved = move_duplicates(copy, [near], str(tmp_path / "moved"))
        script = duplicates_script(copy, [near], "move.sh")
    size = len(new.getvalue())
    assert [(one.item.id, one.kept, one.size_bytes, one.format, one.why) for one in exact.members] == [
        ("x/1", True, size, "PNG", "all equal: the first id"),
        ("x/2", False, size, "PNG", "all equal: a later id"),
    ]
    larger = len(poor.getvalue())
    assert [(one.item.id, one.format, one.why) for one in near.members] == [
        ("x/3", "JPEG", f"{larger:,} bytes, the other {size:,} bytes"),
        ("x/1", "PNG", f"{size:,} bytes, the kept one {larger:,} bytes"),
        ("x/2", "PNG", f"{size:,} bytes, the kept one {larger:,} bytes"),
    ]
    assert (moved.moved, moved.left, moved.gone) == ((), (), 0)
    assert b"\nmove " not in script
    page = tmp_path / "same.html"
    assert run(["duplicates", "-C", copied_shop, "--page", str(page)]) == 0
    assert "its file is gone" not in capsys.readouterr().out
    shown = page.read_text(encoding="utf-8")
    assert shown.count("data:image/jpeg") == 2  # of three pictures two have the same thumbnail
    assert "engine:" not in shown
