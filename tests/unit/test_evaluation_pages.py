"""The pages of eval and compare: every figure is on them, nothing hostile gets in, right is not wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from tests.pictures import picture

from seealike.errors import PictureError
from seealike.evaluation import (
    ClassResult,
    CompareReport,
    Confusion,
    Contested,
    CopyReport,
    CopyResult,
    Cost,
    EncoderResult,
    Estimate,
    EvalReport,
    Example,
    LabelReport,
    LostCopy,
    Neighbour,
    compare_page,
    eval_page,
    metric_names,
)
from seealike.gallery import render_gallery
from seealike.types import EncoderIdentity, Preprocessing, SkipReason

HOSTILE = "<script>alert(1)</script>" + "x" * 300 + "\u202egpj"
IDENTITY = EncoderIdentity("lite", "0" * 64, Preprocessing(256, 224, (0, 0, 0), (1, 1, 1)), "l", "p", 1280)
SURE = Estimate(0.5, 0.4, 0.6)


class Reader(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data + " "

    def count(self, cls: str) -> int:
        return sum(cls in (attributes.get("class") or "").split() for _, attributes in self.tags)


def thumbnail(path: str, side_px: int) -> bytes:
    if path == "gone.jpg":
        raise PictureError(path, SkipReason.UNREADABLE, "gone")
    import io

    out = io.BytesIO()
    picture(len(path), (min(40, side_px), 30)).save(out, "PNG")
    return out.getvalue()


def neighbour(number: int, *, right: bool) -> Neighbour:
    return Neighbour(f"n{number}", f"n{number}.jpg", "shirt" if right else HOSTILE, 0.5, right)


def label_report(**changes: object) -> LabelReport:
    nearest = (neighbour(1, right=False), neighbour(2, right=True))
    made = LabelReport(
        label="kind",
        mode="leave-one-out",
        queries=40,
        searched=41,
        could_ask=90,
        seen=4,
        lonely=1,
        unlabelled=2,
        ignored=3,
        same_group_left_out=True,
        clustered_by="group",
        clusters=12,
        metrics=dict.fromkeys(metric_names(10), SURE),
        classes=(
            ClassResult("shirt", 20, 20, 0.1, 0.2, 0.3, HOSTILE),
            ClassResult(HOSTILE, 1, 1, 0, 0, 0, ""),
        ),
        confusions=(Confusion("shirt", HOSTILE, 7, 0.35, (Example("q", "gone.jpg", "shirt", nearest),)),),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def copies() -> CopyReport:
    lost = LostCopy(
        "crop60", Example("o", "o.jpg", "", (neighbour(3, right=True),)), 17, 0.25, thumbnail("c", 40)
    )
    result = CopyResult("crop60", "the middle of it", 30, SURE, Estimate(1.0), 2.5, 17)
    return CopyReport(30, 41, SURE, (result,), (lost,))


def eval_report(labels: LabelReport | None, found: CopyReport | None) -> EvalReport:
    return EvalReport("/c", 41, 5, IDENTITY, 10, labels, found, 0.9987, 200, 1.5)


def test_the_eval_page_has_every_figure_and_marks_right_and_wrong() -> None:
    page = Reader(render_gallery(eval_page(eval_report(label_report(), copies()), thumbnail)))
    for said in (
        "0.400 to 0.600",
        "0.9987",
        "40 queries of 2 classes",
        "A sample: 41 of 90",
        "35%",
        "place 17",
    ):
        assert said in page.text, said
    assert (page.count("wrong"), page.count("right")) == (1, 2)
    assert "the file is gone" in page.text
    assert all(name in page.text for name in metric_names(10))


def test_no_name_gets_into_a_page_as_anything_but_text() -> None:
    html = render_gallery(eval_page(eval_report(label_report(label=HOSTILE), copies()), thumbnail))
    page = Reader(html)
    assert all(tag != "script" for tag, _ in page.tags)
    assert "\u202e" not in html
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)


@pytest.mark.parametrize("changes", [{"confusions": (), "classes": label_report().classes[:1]}])
def test_a_page_of_one_class_says_that_nothing_can_be_wrong(changes: dict[str, object]) -> None:
    page = Reader(render_gallery(eval_page(eval_report(label_report(**changes), None), thumbnail)))
    assert "There is only one class" in page.text
    assert "confusions" not in page.text


def encoder(name: str, change: Estimate | None) -> EncoderResult:
    metrics = dict.fromkeys(metric_names(10), SURE)
    apart = {} if change is None else dict.fromkeys(metrics, change)
    return EncoderResult(name, name, 1280, metrics, apart, {}, 0.25, Cost(None, 3.25, None, 7_636_480))


def comparison(label: str) -> CompareReport:
    answers = (neighbour(1, right=False), neighbour(2, right=True))
    contested = Contested("q" * 300, "gone.jpg", label and "shirt", 0.125, (answers, (), answers[1:]))
    encoders = (
        encoder("first", None),
        encoder(HOSTILE, Estimate(-0.02, -0.03, -0.01)),
        encoder("third", Estimate(0.01, -0.01, 0.03)),
    )
    return CompareReport("/c", 41, 0, 0, 10, label, 40, ("a note",), encoders, (contested,), 2.0)


def test_the_compare_page_has_each_encoder_under_each_query() -> None:
    page = Reader(render_gallery(compare_page(comparison("kind"), thumbnail)))
    for said in (
        "-0.020 worse",
        "+0.010 not sure",
        "12% of the nearest",
        "1 of 2 right",
        "A note.",
        "7.6",
        "3.2",
    ):
        assert said in page.text, said
    assert page.count("list") == 3
    assert (page.count("wrong"), page.count("right")) == (1, 2)
    assert all(tag != "script" for tag, _ in page.tags)


def test_without_a_label_no_answer_is_called_right_or_wrong() -> None:
    page = Reader(render_gallery(compare_page(comparison(""), thumbnail)))
    assert (page.count("wrong"), page.count("right")) == (0, 0)
    assert "the original of a disturbed copy" in page.text


def test_a_difference_is_better_worse_or_not_sure() -> None:
    assert Estimate(0.1, 0.05, 0.2).verdict == "better"
    assert Estimate(-0.1, -0.2, -0.05).verdict == "worse"
    assert Estimate(0.1, -0.05, 0.2).verdict == "not sure"
    assert Estimate(0.1).verdict == "too few to tell"
