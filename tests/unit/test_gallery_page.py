"""A gallery page is one safe file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest
from PIL import Image

from seealike.gallery import (
    Command,
    Fact,
    GalleryPage,
    GalleryPicture,
    GallerySection,
    Link,
    relative_link,
    render_gallery,
)
from seealike.types import Metric, Skipped, SkipReason

_VOID = {"meta", "link", "img", "rect", "path", "circle", "br"}
_HOSTILE = (
    "<script>alert(1)</script>.jpg",
    "\"><img src=x onerror='alert(1)'>.jpg",
    "line\nbreak.jpg",
    "caf\udce9.jpg",
    "\u202egpj.exe",
    "x" * 251 + ".jpg",
)


class _Reader(HTMLParser):
    """Reads a page the way a browser would: elements, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == [], "an element was left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    @property
    def pictures(self) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.elements if attributes.get("class") == "view"]


def _rules(page: str) -> dict[str, tuple[str, bytes]]:
    """The pictures of a page by their class: the rule before the bytes, and the bytes."""
    found = re.findall(r"\.(p\d+)\{([^}]*)url\(data:image/\w+;base64,([^)]*)\)\}", page)
    return {name: (rule, base64.b64decode(data)) for name, rule, data in found}


def _thumbnail(form: str = "JPEG", size: tuple[int, int] = (40, 48)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 80, 60)).save(stream, form)
    return stream.getvalue()


def _hits(number: int, thumbnail: bytes | None = None) -> tuple[GalleryPicture, ...]:
    return tuple(
        GalleryPicture(f"item-{i}.jpg", score=1.0 - i / 20000, thumbnail=thumbnail) for i in range(number)
    )


def _page(*hits: GalleryPicture, query: str = "query.jpg") -> GalleryPage:
    section = GallerySection((GalleryPicture(query, thumbnail=_thumbnail()),), hits)
    return GalleryPage("Looks alike", sections=(section,))


def test_a_picture_is_embedded_byte_for_byte_with_its_shape_and_an_alt_text() -> None:
    thumbnail = _thumbnail("WEBP", (31, 17))
    rendered = render_gallery(_page(GalleryPicture("a.jpg", "A mug", score=0.5, thumbnail=thumbnail)))
    read = _Reader(rendered)

    assert [(one["role"], one["aria-label"]) for one in read.pictures] == [
        ("img", "Query: query.jpg"),
        ("img", "Result 1: A mug"),
    ]
    shown = [one["class"] for one in read.all("div") if (one.get("class") or "").startswith("picture")]
    rule, content = _rules(rendered)[(shown[1] or "").split()[1]]
    assert content == thumbnail
    assert "aspect-ratio:31/17" in rule


def test_however_often_a_picture_is_shown_the_page_holds_it_once() -> None:
    red, blue = _thumbnail(), _thumbnail(size=(30, 30))
    sections = tuple(
        GallerySection((GalleryPicture(f"q{i}", thumbnail=red),), _hits(4, blue)) for i in range(30)
    )
    rendered = render_gallery(GalleryPage("t", sections=sections))

    assert sorted(content for _, content in _rules(rendered).values()) == sorted([red, blue])
    assert len(_Reader(rendered).pictures) == 30 * 5


@pytest.mark.parametrize("path", ["engine://pictures/a", "s3://shop/a.jpg", "tar:///a.tar#0+9/a.jpg"])
def test_a_picture_that_is_in_no_file_has_no_link(path: str) -> None:
    assert relative_link(path, "/shop/pages/found.html") == ""


@pytest.mark.parametrize("name", [*_HOSTILE, "a:b/c d#e?f%41.jpg", "javascript:alert(1)", "host//share.jpg"])
def test_a_link_leads_to_its_file_and_nowhere_else(name: str) -> None:
    path = os.path.join(os.sep, "shop", "pictures", name)
    page = Path(os.sep, "shop", "pages", "found.html")
    link = relative_link(path, str(page))

    resolved = urlsplit(urljoin(page.as_uri(), link))
    assert (resolved.scheme, resolved.netloc, resolved.query, resolved.fragment) == ("file", "", "", "")
    assert os.path.normpath(os.fsdecode(unquote_to_bytes(resolved.path))) == os.path.normpath(path)
    picture = GalleryPicture(name, score=0.5, thumbnail=_thumbnail(), link=link)
    assert [one.get("href") for one in _Reader(render_gallery(_page(picture))).pictures] == [None, link]


@pytest.mark.parametrize("name", _HOSTILE)
def test_a_hostile_name_stays_text_wherever_it_stands(name: str) -> None:
    picture = GalleryPicture(name, name, name, name, 0.5, _thumbnail(), columns=name)
    page = GalleryPage(
        name,
        name,
        (GallerySection((picture,), (picture,), name, name, name), GallerySection((picture, picture), ())),
        facts=(Fact(name, name),),
        links=(Link("map.html", name),),
        commands=(Command(name, name),),
        skipped=(Skipped(name, name, SkipReason.CORRUPT, name),),
        skipped_by_reason={name: 1},
        encoder=name,
        note=name,
    )

    rendered = render_gallery(page)

    rendered.encode("utf-8")
    read = _Reader(rendered)
    assert read.all("script") == []
    assert len(read.pictures) == 4
    assert not any(key.startswith("on") for _, attributes in read.elements for key in attributes)


def test_the_page_asks_no_network_for_anything() -> None:
    read = _Reader(render_gallery(_page(*_hits(3, _thumbnail()))))

    for _, attributes in read.elements:
        for key in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(key) or "#"
            assert value.startswith(("data:image/", "#")), value
    (style,) = re.findall(r"<style>(.*?)</style>", render_gallery(_page(*_hits(3, _thumbnail()))), re.DOTALL)
    assert style.count("url(") == style.count("url(data:image/") == 1
    assert "@import" not in style


def test_the_policy_allows_this_very_stylesheet_and_data_pictures_only() -> None:
    rendered = render_gallery(_page(*_hits(2, _thumbnail())))
    read = _Reader(rendered)

    (policy,) = [m["content"] for m in read.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    (style,) = re.findall(r"<style>(.*?)</style>", rendered, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert not any("style" in attributes for _, attributes in read.elements)


def test_scores_are_shown_as_numbers_and_as_bars() -> None:
    hits = [GalleryPicture(f"{score}", score=score) for score in (1.0, 0.8734, -0.0001, -0.4, float("nan"))]
    rendered = render_gallery(_page(*hits))

    shown = re.findall(r'<b class="score(?: s(\d+))?">([^<]*)</b>', rendered)
    assert [text for _, text in shown] == ["1.000", "0.873", "0.000", "-0.400", "no score"]
    assert [filled for filled, _ in shown] == ["100", "87", "0", "0", ""]
    assert ".s87{--filled:87%}" in rendered


def test_euclidean_scores_fill_the_bar_when_they_are_zero() -> None:
    hits = (GalleryPicture("same", score=0.0), GalleryPicture("far", score=-2.0))
    page = GalleryPage("t", sections=(GallerySection((), hits),), metric=Metric.EUCLIDEAN)

    rendered = render_gallery(page)

    assert re.findall(r'class="score s(\d+)"', rendered) == ["100", "0"]
    assert "0 is identical" in rendered


def test_a_missing_picture_is_said_to_be_gone() -> None:
    read = _Reader(render_gallery(_page(GalleryPicture("gone.jpg", score=0.9), *_hits(1, b"no picture"))))
    assert read.text.count("the file is gone") == 2


def test_an_empty_answer_is_an_answer() -> None:
    section = GallerySection((GalleryPicture("q.jpg"),), (), empty="Nothing similar above 0.8.")
    assert "Nothing similar above 0.8." in render_gallery(GalleryPage("t", sections=(section,)))


def test_ten_thousand_results_open_with_their_rest_by_name() -> None:
    thumbnail = _thumbnail()
    rendered = render_gallery(_page(*_hits(10_000, thumbnail)))
    read = _Reader(rendered)

    assert len(read.pictures) == 1 + 1800
    assert "The 1,800 closest are shown with pictures; 8,200 more by name" in read.text
    assert "item-1800.jpg" in read.text
    assert "6,200 further results not listed on this page." in read.text
    assert len(rendered) < 5_000_000


def test_many_sections_get_a_table_of_contents_that_leads_to_each() -> None:
    sections = tuple(GallerySection((GalleryPicture(f"q{i}.jpg"),), _hits(2)) for i in range(200))
    read = _Reader(render_gallery(GalleryPage("t", sections=sections)))

    links = [a["href"] for a in read.all("a") if (a["href"] or "").startswith("#s")]
    assert links == [f"#s{i}" for i in range(1, 201)]
    assert {f"#{s['id']}" for s in read.all("section")} == set(links)


def test_one_section_needs_no_table_of_contents() -> None:
    assert _Reader(render_gallery(_page(*_hits(3)))).all("nav") == []


def test_a_long_name_is_shortened_and_whole_for_pointer_keyboard_and_paper() -> None:
    name = "summer/" + "very-long-" * 20 + "name-0042.jpg"
    read = _Reader(render_gallery(_page(GalleryPicture(name, score=0.9))))

    (long,) = [b for b in read.all("bdi") if b.get("class") == "name long"]
    assert (long["title"], long["tabindex"]) == (name, "0")
    assert name in read.texts
    assert any("…" in text and text.endswith("me-0042.jpg") for text in read.texts)


def test_the_frames_take_the_shape_of_most_pictures() -> None:
    shapes = [
        re.findall(r"#results\{--shape:([\d.]+)\}", render_gallery(_page(*_hits(5, _thumbnail(size=size)))))
        for size in ((40, 60), (50, 50), (60, 40), (4, 60))
    ]
    assert shapes == [["0.667"], ["1.000"], ["1.500"], ["0.600"]]


def test_a_picture_of_another_shape_fills_its_frame_in_one_direction_and_is_not_cut() -> None:
    square, wide, tall = (_thumbnail(size=size) for size in ((50, 50), (60, 50), (50, 60)))
    hits = (*_hits(5, square), *_hits(1, wide), *_hits(1, tall))
    rules = {content: rule for rule, content in _rules(render_gallery(_page(*hits))).values()}
    assert "width:100%" in rules[wide]
    assert "height:100%" not in rules[wide]
    assert "height:100%" in rules[tall]
    assert "width:100%" not in rules[tall]


def test_the_small_print_says_what_was_searched_and_what_was_left_out() -> None:
    page = GalleryPage(
        "t", items=12000, skipped_by_reason={"not_an_image": 2, "truncated": 1}, encoder="lite0", took_s=0.021
    )
    assert (
        "12,000 pictures searched · 3 skipped (2 not an image, 1 truncated) · encoder lite0 · took 21 ms"
        in render_gallery(page)
    )


def test_a_command_is_shown_word_by_word_and_copied_as_it_was() -> None:
    read = _Reader(
        render_gallery(GalleryPage("t", commands=(Command("seealike rm --catalog 'a b'", "Remove"),)))
    )

    assert "seealike rm --catalog 'a b'" in "".join(read.texts)


def test_skipped_files_are_listed_with_their_names_and_reasons() -> None:
    files = (
        Skipped("sku-1", "/shop/tote.jpg", SkipReason.EMPTY_FILE, "the file has no content"),
        Skipped("shop/mug.jpg", "/x/shop/mug.jpg", SkipReason.TRUNCATED, "cut"),
    )
    text = _Reader(render_gallery(GalleryPage("t", skipped=files))).text

    for part in (
        "Skipped: 2 files",
        "tote.jpg (sku-1)",
        "empty file",
        "the file has no content",
        "shop/mug.jpg",
    ):
        assert part in text


def test_what_a_hit_stands_for_is_never_cut() -> None:
    called = GalleryPicture(
        "q", "name", "sneaker-102-front", stands_for="1 of 12 pictures · 1 of 2 nearly equal"
    )
    page = render_gallery(GalleryPage("t", sections=(GallerySection((GalleryPicture("a"),), (called,)),)))
    assert "1 of 12 pictures · 1 of 2 nearly equal" in page
