"""Pages of pictures, as a browser shows them on a desk and on a phone."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tests.browser import DESK, PHONE, Browser

from seealike.gallery import (
    Cell,
    GalleryPage,
    GalleryPicture,
    GallerySection,
    GalleryTable,
    relative_link,
    render_gallery,
)
from seealike.training.chart import curve_chart
from seealike.training.teach.loop import Point

pytestmark = pytest.mark.heavy
LONG = "a-very-long-name-without-a-single-space-" * 8


def painted(colour: tuple[int, int, int], size: tuple[int, int] = (80, 100)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def a_picture(number: int, size: tuple[int, int] = (80, 100)) -> GalleryPicture:
    colour = (number * 40 % 256, number * 90 % 256, 200)
    return GalleryPicture(f"item-{number}", score=0.5, thumbnail=painted(colour, size))


def show(browser: Browser, page: GalleryPage | str, folder: Path, size: tuple[int, int]) -> Path:
    file = folder / "page.html"
    browser.show_written(file, page if isinstance(page, str) else render_gallery(page), size)
    return file


def page_of(*hits: GalleryPicture) -> GalleryPage:
    return GalleryPage("t", sections=(GallerySection((a_picture(0),), hits),))


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_every_picture_is_whole_in_its_own_colour_and_shape(
    size: tuple[int, int], browser: Browser, tmp_path: Path
) -> None:
    shapes = [(80, 100), (80, 100), (100, 50), (40, 100), (79, 100)]
    hits = [a_picture(number, shape) for number, shape in enumerate(shapes, start=1)]
    show(browser, page_of(*hits), tmp_path, size)
    boxes = browser.value(
        "[...document.querySelectorAll('.hits .picture')].map((one) => [one, one.parentElement]"
        ".map((each) => each.getBoundingClientRect()).map(({width, height}) => [width, height]))"
    )
    for (width, height), ((shown_width, shown_height), (frame_width, frame_height)) in zip(
        shapes, boxes, strict=True
    ):
        assert shown_width / shown_height == pytest.approx(width / height, rel=0.02)
        assert shown_width == pytest.approx(frame_width, abs=0.6) or shown_height == pytest.approx(
            frame_height, abs=0.6
        )
        assert shown_width <= frame_width + 0.6
        assert shown_height <= frame_height + 0.6
    browser.screenshot(tmp_path / "shot.png")
    x, y = browser.value(
        "(({x, y, width, height}) => [x + width / 2, y + height / 2])"
        "(document.querySelector('.hits .picture').getBoundingClientRect())"
    )
    with Image.open(tmp_path / "shot.png") as shot:
        assert shot.convert("RGB").getpixel((int(x), int(y))) == (40, 90, 200)
    assert browser.problems == []


def test_no_name_and_no_table_makes_a_page_wider_than_a_phone(browser: Browser, tmp_path: Path) -> None:
    picture = replace(a_picture(1), id=LONG, caption=LONG, detail=LONG, columns=LONG, label=LONG)
    table = GalleryTable(
        "Figures",
        (LONG[:30],) * 9,
        tuple((f"row {i}", *[Cell("0.5", "0.4 to 0.6", (0.4, 0.5, 0.6))] * 8) for i in "ab"),
    )
    page = replace(page_of(picture, *map(a_picture, range(2, 6))), title=LONG, tables=(table,), subtitle=LONG)
    show(browser, page, tmp_path, PHONE)
    assert browser.value("document.documentElement.scrollWidth") <= PHONE[0]
    scrolled = browser.value("(one => [one.scrollWidth, one.clientWidth])(document.querySelector('.scroll'))")
    assert scrolled[0] > scrolled[1] + 200
    browser.value("document.querySelector('.scroll').scrollLeft = 300")
    left = "document.querySelector('{}').getBoundingClientRect().left"
    assert browser.value(left.format(".scroll tbody th")) == browser.value(left.format(".scroll"))


def test_the_text_of_a_chart_can_be_read_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    chart = curve_chart(tuple(Point(i, 1.0, 0.5 + i / 50) for i in range(1, 13)), 12, 0.5)
    html = render_gallery(GalleryPage("t", tables=(GalleryTable("Figures", ("a",), ()),)))
    before = '<section class="figures">'
    show(browser, html.replace(before, f"{before}{chart}", 1), tmp_path, PHONE)
    texts = browser.value(
        "[...document.querySelectorAll('svg.chart text')].map((one) => one.getBoundingClientRect())"
        ".map(({left, right, height}) => [left, right, height])"
    )
    assert len(texts) == 8
    for left, right, height in texts:
        assert height >= 12
        assert left >= 0
        assert right <= PHONE[0]


def test_the_keyboard_opens_the_file_of_a_picture(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    file = tmp_path / "photos" / "50% off #1.png"
    file.write_bytes(painted((200, 30, 30)))
    link = relative_link(str(file), str(tmp_path / "page.html"))
    show(browser, page_of(replace(a_picture(1), link=link)), tmp_path, DESK)
    for _ in range(6):
        browser.key("Tab")
        if browser.value("document.activeElement.className") == "view":
            break
    assert browser.value("document.activeElement.getAttribute('aria-label')") == "Result 1: item-1"
    browser.key("Enter")
    browser.wait_for("location.pathname.endsWith('.png') && document.images[0]?.naturalWidth === 80")
    assert browser.value("decodeURIComponent(location.pathname)").endswith("/photos/50% off #1.png")


def test_a_thousand_queries_of_ten_pictures_are_all_shown(browser: Browser, tmp_path: Path) -> None:
    pictures = [a_picture(number) for number in range(120)]
    sections = tuple(
        GallerySection((pictures[row % 120],), tuple(pictures[(row + place) % 120] for place in range(1, 11)))
        for row in range(1000)
    )
    show(browser, GalleryPage("t", sections=sections), tmp_path, DESK)
    assert browser.value("document.querySelectorAll('.view').length") == 11_000
    browser.value("scrollTo(0, document.body.scrollHeight)")
    browser.wait_for(
        "(({width, height}) => width > 100 && height > 100)"
        "([...document.querySelectorAll('.picture')].at(-1).getBoundingClientRect())"
    )
    assert browser.problems == []


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_what_is_written_on_a_picture_is_never_cut(
    size: tuple[int, int], browser: Browser, tmp_path: Path
) -> None:
    labels = (
        "same product 63%",
        "duplicate 100%",
        "liked ×0.125",
        "a word or two that are longer than usual",
    )
    hits = [replace(a_picture(number), label=label) for number, label in enumerate(labels)]
    section = GallerySection((hits[2], hits[0]), tuple(hits))
    show(browser, GalleryPage("t", sections=(section,)), tmp_path, size)
    cut = browser.value(
        "[...document.querySelectorAll('.label')].filter((one) => one.scrollWidth > one.clientWidth + 1 || "
        "one.getBoundingClientRect().right > one.parentElement.getBoundingClientRect().right)"
        ".map((one) => one.textContent)"
    )
    assert cut == []


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_colours_that_were_asked_for_are_shown_beside_the_picture(
    size: tuple[int, int], browser: Browser, tmp_path: Path
) -> None:
    palette = (("#000080", 0.75), ("#ffffff", 0.25))
    asked = (a_picture(1), GalleryPicture("navy:3,white", label="colours", palette=palette))
    show(browser, GalleryPage("t", sections=(GallerySection(asked, (a_picture(2),)),)), tmp_path, size)
    shown = browser.value(
        "[...document.querySelectorAll('.swatches rect')].map((one) => [one, getComputedStyle(one).fill])"
        ".map(([one, fill]) => [fill, one.getBoundingClientRect().width])"
    )
    assert [fill for fill, _ in shown] == ["rgb(0, 0, 128)", "rgb(255, 255, 255)"]
    assert shown[0][1] == pytest.approx(3 * shown[1][1], rel=0.02)
    assert browser.problems == []
