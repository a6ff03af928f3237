"""Tables and several lists on a page."""

from __future__ import annotations

import re

from seealike.gallery import (
    Cell,
    GalleryList,
    GalleryPage,
    GalleryPicture,
    GallerySection,
    GalleryTable,
    Mark,
    render_gallery,
)


def page_of(table: GalleryTable) -> str:
    return render_gallery(GalleryPage("t", tables=(table,)))


def test_a_table_has_its_cells_in_order_and_numbers_to_the_right() -> None:
    html = page_of(GalleryTable("Figures", ("who", "what", "how much"), (("a", "b", "1"),), texts=2))
    assert re.search(
        r'<th scope="col">who</th><th scope="col">what</th><th scope="col" class="number">how', html
    )
    assert re.search(r'<th scope="row">.*a.*</th><td>.*b.*</td><td class="number">1</td>', html)


def test_a_table_can_be_scrolled_by_keyboard_and_is_named() -> None:
    assert '<div class="scroll" tabindex="0" role="region" aria-label="A &amp; B">' in page_of(
        GalleryTable("A & B", ("x",), ())
    )


def test_an_interval_is_drawn_where_it_is_and_never_outside() -> None:
    html = page_of(GalleryTable("t", ("a", "b"), (("x", Cell("0.5", "note", (0.25, 0.5, 0.75))),)))
    assert 'class="on" x="25.00" y="1.5" width="50.00"' in html
    assert 'class="at" x="49.40"' in html
    wild = page_of(GalleryTable("t", ("a", "b"), (("x", Cell("9", "", (-3.0, 0.5, 9.0))),)))
    assert 'class="on" x="0.00" y="1.5" width="100.00"' in wild


def test_a_mark_is_a_sign_and_not_only_a_colour() -> None:
    hits = (GalleryPicture("a", mark=Mark.RIGHT), GalleryPicture("b", mark=Mark.WRONG), GalleryPicture("c"))
    html = render_gallery(GalleryPage("t", sections=(GallerySection((), hits, "s"),)))
    assert html.count('title="right">✓<') == 1
    assert html.count('title="wrong">✕<') == 1


def test_several_lists_stand_under_one_query_each_with_its_own_name() -> None:
    lists = (GalleryList("one", "2 right", (GalleryPicture("a"),)), GalleryList("two", "", ()))
    section = GallerySection((GalleryPicture("q"),), (), lists=lists, empty="Nothing at all.")
    html = render_gallery(GalleryPage("t", sections=(section,)))
    assert html.count('<div class="list">') == 2
    assert html.index(">one<") < html.index("2 right") < html.index(">two<") < html.index("Nothing at all.")
