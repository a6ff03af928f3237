"""A map's page is one safe file that says exactly what the map says."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.maps import HOSTILE, Page, drawn_map, drawn_tiles

from seealike.maps import Tiles, map_csv, render_map_page
from seealike.maps.colours import COLOURS, palette
from seealike.maps.kinds import NONE, kinds_of
from seealike.maps.page import CHUNK
from seealike.maps.tiles import spread_order


@pytest.mark.parametrize("n", [0, 1, 3, 50])
def test_the_page_holds_the_map_exactly(n: int) -> None:
    made = drawn_map(n)
    page = Page(render_map_page(made))
    assert page.json("ids") == list(made.ids)
    assert np.array_equal(page.array("xy", "<f4").reshape(-1, 2), made.positions)
    by_label, by_cluster = page.json("meta")["ways"]
    read = [by_label["names"][kind] if kind != 2**32 - 1 else None for kind in page.array("kind-0", "<u4")]
    assert read == list(made.labels)
    assert by_label["counts"] == [made.labels.count(name) for name in by_label["names"]]
    assert page.array("kind-1", "<u4").tolist() == made.clusters.tolist()
    assert len(by_cluster["names"]) == len(set(made.clusters.tolist()))
    assert np.array_equal(page.array("near", "<u4").reshape(made.near.shape), made.near)


def test_every_picture_is_on_the_page_byte_for_byte_in_its_items_place() -> None:
    made, tiles = drawn_map(CHUNK + 40), drawn_tiles(range(5, CHUNK + 30, 3))
    page = Page(render_map_page(made, tiles))
    sizes = page.array("tile-sizes", "<u4")
    read = {}
    for start in range(0, len(made), CHUNK):
        content, at = page.bytes[f"tiles-{start // CHUNK}"], 0
        for row in range(start, min(start + CHUNK, len(made))):
            if sizes[row]:
                read[row] = content[at : at + sizes[row]]
            at += int(sizes[row])
        assert at == len(content)
    assert read == tiles.pictures
    assert "of 1,064 points have a picture" in page.json("meta")["note"]


def test_no_name_can_break_out_of_the_page() -> None:
    html = render_map_page(drawn_map(20, hostile=True), title="</title><script>alert(2)</script>")
    assert html.isascii()
    assert Page(html).json("ids")[: len(HOSTILE)] == list(HOSTILE)
    assert not re.search(r"<script>alert|<img src=x|</title><script", html)
    assert html.count("<script") == html.count("</script>")
    assert html.count("<title>") == 1


def test_the_page_loads_nothing_and_allows_only_its_own_script_and_style() -> None:
    html = render_map_page(drawn_map(20), drawn_tiles(range(20)))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; img-src data: blob:;")
    for element in ("style", "script"):
        text = re.search(rf"<{element}>(.*?)</{element}>", html, re.DOTALL)
        assert text is not None
        digest = base64.b64encode(hashlib.sha256(text[1].encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy[1]
    links = re.findall(r"(?:src|href)\s*=\s*[\"']([^\"']+)|url\(([^)]*)\)|https?://[^\"' )]+", html)
    assert [link for link in links if not link[0].startswith("data:")] == [("", "")]  # the SVG name space
    assert not re.search(r"<[^>]*\son\w+\s*=", re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL))


def test_a_sample_is_said_to_be_one_on_the_page_and_in_the_table() -> None:
    made = drawn_map(9, total=1200)
    assert Page(render_map_page(made)).json("meta")["facts"][0] == "a random 9 of 1,200 pictures"
    rows = list(csv.DictReader(io.StringIO(map_csv(made))))
    assert {row["sample_of"] for row in rows} == {"1200"}
    whole = drawn_map(9)
    assert Page(render_map_page(whole)).json("meta")["facts"][0] == "9 pictures"
    assert "sample_of" not in map_csv(whole).splitlines()[0]


def test_the_table_says_what_the_map_says_and_positions_come_back_exactly() -> None:
    made = drawn_map(40, hostile=True)
    rows = list(csv.reader(io.StringIO(map_csv(made), newline="")))
    assert rows[0] == ["id", "x", "y", "cluster", "label"]
    assert tuple(row[0] for row in rows[1:]) == made.ids
    assert np.array_equal(np.array([row[1:3] for row in rows[1:]], dtype=np.float32), made.positions)
    assert [int(row[3]) for row in rows[1:]] == made.clusters.tolist()
    assert [row[4] or None for row in rows[1:]] == list(made.labels)
    assert map_csv(drawn_map(2, labels=0)).splitlines()[0] == "id,x,y,cluster"
    assert map_csv(drawn_map(0)) == "id,x,y,cluster,label\n"


def test_kinds_are_counted_and_the_most_frequent_come_first() -> None:
    by_label, by_cluster = kinds_of(drawn_map(20))
    assert (by_label.title, by_cluster.title) == ("kind", "cluster")
    assert list(by_label.counts) == sorted(by_label.counts, reverse=True)
    assert sum(by_label.counts) + int((by_label.numbers == NONE).sum()) == 20
    assert [way.title for way in kinds_of(drawn_map(5, labels=0))] == ["cluster"]


def test_clusters_are_called_by_their_labels_or_not_at_all() -> None:
    clusters = [0] * 6 + [1] * 5 + [2] * 4 + [3] * 2
    labels = (*"aaaab", None, *"aaabb", *"bcde", None, None)
    made = replace(drawn_map(17), clusters=np.array(clusters), labels=labels)
    assert kinds_of(made)[1].names == ("a", "a (2)", "b and c", "")
    assert kinds_of(drawn_map(17, labels=0))[0].names == ("",) * 4


@pytest.mark.parametrize("dark", [False, True])
def test_colours_can_be_told_apart(dark: bool) -> None:
    channels = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in palette(dark=dark)])
    assert channels.shape == (COLOURS, 3)
    gaps = np.abs(channels[:, None] - channels[None]).sum(axis=-1) + 999 * np.eye(COLOURS)
    assert gaps.min() > 20
    assert gaps[:12, :12].min() > 40


@pytest.mark.parametrize("n", [0, 1, 3, 60])
def test_the_drawing_is_a_png_for_print(n: int) -> None:
    pytest.importorskip("matplotlib")
    from seealike.maps import draw_map

    made = drawn_map(n, hostile=True) if n > 10 else drawn_map(n)
    with Image.open(io.BytesIO(draw_map(made))) as plain:
        assert plain.format == "PNG"
        assert round(plain.info["dpi"][0]) == 300
        assert min(plain.size) > (1500 if n else 50)
        colours = plain.convert("RGB").getcolors(1 << 24) or []
    found = {colour for _, colour in colours}
    wanted = [tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in palette(dark=False)[: min(n, 3)]]
    assert all(colour in found for colour in wanted)  # in the legend, in full


def test_the_pictures_of_a_drawing_hide_no_other() -> None:
    pytest.importorskip("matplotlib")
    from seealike.maps import DrawingOptions, draw_map

    made, tiles = drawn_map(80), drawn_tiles(range(80))
    made.positions[:] = np.random.default_rng(0).standard_normal((80, 2))  # a crowd in the middle
    with Image.open(io.BytesIO(draw_map(made, tiles, options=DrawingOptions(resolution_dpi=80)))) as drawn:
        pixels = np.asarray(drawn.convert("RGB")).reshape(-1, 3).astype(int)
    shown = {}
    for row, content in tiles.pictures.items():
        with Image.open(io.BytesIO(content)) as one:
            colour = one.convert("RGB").getpixel((9, 9))
        area = int((np.abs(pixels - colour).max(axis=1) < 3).sum())
        if area > 60:
            shown[row] = area
    side = 2 * 1.03 * float(np.abs(made.positions).max()) / 22
    cells = np.floor(made.positions / side).astype(int).tolist()
    wanted: dict[tuple[int, ...], int] = {}
    for row in spread_order(made, 0).tolist():
        wanted.setdefault(tuple(cells[row]), row)
    assert 40 < len(wanted) < 75
    assert set(shown) == set(wanted.values())  # one a cell, the first in the order that spreads over the map
    assert min(shown.values()) > 0.7 * float(np.median(list(shown.values())))  # each of them whole


def test_a_page_without_pictures_says_so() -> None:
    assert "holds no pictures" in Page(render_map_page(drawn_map(3), Tiles())).json("meta")["note"]
