"""Which part of a picture is asked with, and why hits are alike: against plain loops and drawn scenes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.made_models import SIDE_PX, save_model
from tests.pictures import picture, write_pictures

import seealike
from seealike.catalog.encoder.places import SeenPlaces
from seealike.catalog.looking import explanation, shares
from seealike.errors import EncoderError, PictureError, UsageError
from seealike.recommend import Example
from seealike.testing import FakeEncoder
from seealike.types import Crop, Cropped, Explanation, Float32Array, Heat, Metric

WHY = seealike.SearchOptions(explain=True)


def random_maps(seed: int, h: int, w: int, d: int = 5) -> Float32Array:
    return np.random.default_rng(seed).normal(0.3, 1, (h, w, d)).astype(np.float32)


def total(heat: Heat | None) -> float:
    assert heat is not None
    return sum(map(sum, heat.shares))


def test_the_share_of_every_pair_of_places_is_that_of_a_plain_loop() -> None:
    one, other = random_maps(1, 2, 3), random_maps(2, 4, 2)
    found = shares(one, other)
    lengths = [np.linalg.norm(maps.reshape(-1, 5).astype(float).mean(axis=0)) for maps in (one, other)]
    for i in range(6):
        for j in range(8):
            q, x = one[i // 3, i % 3].astype(float), other[j // 2, j % 2].astype(float)
            expected = sum(float(a) * float(b) for a, b in zip(q, x, strict=True)) / (
                48 * lengths[0] * lengths[1]
            )
            assert abs(found[i, j] - expected) < 1e-6
    means = [maps.reshape(-1, 5).astype(float).mean(axis=0) for maps in (one, other)]
    assert abs(found.sum() - means[0] @ means[1] / (lengths[0] * lengths[1])) < 1e-9


def test_the_parts_add_up_to_the_score_and_lie_where_the_thing_is() -> None:
    """One place of either picture holds what they have in common; all others are at right angles."""
    query, found = np.zeros((7, 7, 120), np.float32), np.zeros((7, 7, 120), np.float32)
    for place in range(49):
        query[place // 7, place % 7, 1 + place] = 1.0
        found[place // 7, place % 7, 60 + place] = 1.0
    query[1, 2], found[5, 4] = 0.0, 0.0
    query[1, 2, 0] = found[5, 4, 0] = 9.0
    pairs = shares(query, found)
    score = float(pairs.sum())
    why = explanation(SeenPlaces(query, (0.0, 0.0, 1.0, 1.0)), SeenPlaces(found, (0.0, 0.1, 1.0, 0.8)), score)
    assert why.hit is not None
    assert why.query is not None
    # Half of it goes to the places beside, half of that above and below: a quarter stays.
    assert abs(why.hit.shares[5][4] - score / 4) < 1e-6
    assert abs(why.hit.shares[4][4] - score / 8) < 1e-6
    assert abs(why.hit.shares[6][5] - score / 16) < 1e-6
    assert abs(why.query.shares[1][2] - score / 4) < 1e-6
    assert abs(total(why.hit) + why.rest - score) < 1e-6
    (pair,) = why.pairs
    assert abs(pair.share - score) < 1e-6
    left, top, width, height = pair.hit
    assert left <= 4 / 7
    assert left + width >= 5 / 7 - 1e-9
    assert top <= 0.1 + 0.8 * 5 / 7
    assert top + height >= 0.1 + 0.8 * 6 / 7 - 1e-9
    half = explanation(
        SeenPlaces(query, why.query.area), SeenPlaces(found, why.hit.area), 0.5 * score + 0.3, 0.5, 0.3
    )
    assert abs(total(half.hit) - 0.5 * score) < 1e-6
    assert abs(half.rest - 0.3) < 1e-6
    other = explanation(SeenPlaces(query, why.query.area), SeenPlaces(found, why.hit.area), score + 0.3)
    assert other == Explanation(problem="its file is another one than when it was indexed")


@pytest.fixture
def catalog(tmp_path: Path) -> seealike.Catalog:
    write_pictures(tmp_path / "p", range(12), extension="png")
    made = seealike.create(tmp_path / "c", encoder=FakeEncoder())
    made.index(tmp_path / "p")
    return made


def test_every_hit_says_why_and_its_parts_add_up_to_its_score(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    path = str(tmp_path / "p" / "003.png")
    part = Cropped(picture(5), Crop(10, 5, 60, 60))
    answers = [catalog.similar("003.png", 5, options=WHY), catalog.search(path, 5, options=WHY)]
    answers += [catalog.search(part, 5, options=WHY), catalog.search(picture(8), 5, options=WHY)]
    for hits in answers:
        assert len(hits) == 5
        for hit in hits:
            why = hit.explanation
            assert why is not None
            assert not why.problem
            assert abs(total(why.hit) + why.rest - hit.score) < 1e-3
            assert abs(total(why.query) + why.rest - hit.score) < 1e-3
            assert abs(why.rest) < 1e-3
    assert [hit.id for hit in answers[0]] == catalog.similar("003.png", 5).ids
    assert catalog.similar("003.png", 5)[0].explanation is None
    catalog.close()


@pytest.mark.parametrize("color", [None, 0.4])
def test_every_examples_share_adds_up_to_the_score_too(
    tmp_path: Path, catalog: seealike.Catalog, color: float | None
) -> None:
    """The share of an example is its cosine with the hit, times its weight in the query's direction."""
    for number in (1, 2, 3):
        catalog.add(f"{number:03}.png", tmp_path / "p" / f"{number:03}.png", group="sku")
    product = ["001.png", "002.png", "003.png"]
    vector = catalog.encode([picture(40)])[0]
    likes: list[tuple[Example, list[Float32Array]]] = [
        (Example("004.png", weight=2.0), [catalog.vectors(["004.png"])[1][0]]),
        (Example(product="sku"), list(catalog.vectors(product)[1])),
        (Example(image=picture(50), weight=0.5), [catalog.encode([picture(50)])[0]]),
        (
            Example(image=Cropped(picture(51), Crop(10, 5, 60, 60))),
            [catalog.encode([Cropped(picture(51), Crop(10, 5, 60, 60))])[0]],
        ),
        (Example(vector=vector), [vector]),
    ]
    dislikes = [(Example("005.png"), [catalog.vectors(["005.png"])[1][0]])]
    options = replace(WHY, color=color)
    for count in (1, 2, 5):
        hits = catalog.recommend(
            [one for one, _ in likes[-count:]] if color is None else [one for one, _ in likes[:count]],
            [one for one, _ in dislikes],
            k=4,
            options=options,
        )
        liked = likes[-count:] if color is None else likes[:count]
        terms = [
            sign * one.weight / len(side) * unit(np.mean([unit(row) for row in rows], axis=0))
            for sign, side in ((1.0, liked), (-0.5, dislikes))
            for one, rows in side
        ]
        norm = np.linalg.norm(np.sum(terms, axis=0))
        assert hits
        for hit in hits:
            why = hit.explanation
            assert why is not None
            assert not why.problem
            found = unit(catalog.vectors([hit.id])[1][0])
            expected = [(1 - (color or 0)) * float(term @ found) / norm for term in terms]
            assert why.examples == pytest.approx(expected, abs=1e-3)
            assert sum(why.examples) + why.rest == pytest.approx(hit.score, abs=1e-3)
            assert total(why.hit) + why.rest == pytest.approx(hit.score, abs=1e-3)
            assert why.rest == pytest.approx(hit.colour or 0.0, abs=1e-3)
            assert (why.query, why.pairs) == (None, ())
    catalog.close()


def unit(row: Float32Array) -> Float32Array:
    return np.asarray(row / np.linalg.norm(row))


@pytest.mark.parametrize("color", [0.3, 1.0])
def test_colours_have_their_share_of_the_score(catalog: seealike.Catalog, color: float) -> None:
    hits = catalog.similar("003.png", 5, options=replace(WHY, color=color))
    assert hits.ids == catalog.similar("003.png", 5, options=seealike.SearchOptions(color=color)).ids
    for hit in hits:
        why = hit.explanation
        assert why is not None
        assert hit.colour is not None
        assert not why.problem
        assert abs(why.rest - hit.colour) < 1e-3
        assert abs(total(why.hit) + why.rest - hit.score) < 1e-3
    catalog.close()


def test_a_hit_whose_file_is_gone_or_another_says_so(catalog: seealike.Catalog, tmp_path: Path) -> None:
    first, second = catalog.similar("003.png", 2).ids
    (tmp_path / "p" / first).unlink()
    Image.new("RGB", (96, 72), (3, 250, 9)).save(tmp_path / "p" / second)
    hits = catalog.similar("003.png", 3, options=WHY)
    problems = [hit.explanation.problem for hit in hits if hit.explanation]
    assert problems[0].startswith("unreadable: ")
    assert problems[1] == "its file is another one than when it was indexed"
    assert problems[2] == ""
    catalog.close()


def test_what_cannot_be_explained_is_refused_in_one_line(catalog: seealike.Catalog, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="take turns have no score together: leave out --combine or"):
        catalog.recommend(["001.png", "002.png"], options=replace(WHY, combine=seealike.Combine.EACH))
    with pytest.raises(UsageError, match="name what is liked"):
        catalog.recommend(options=replace(WHY, palette="navy"))
    with pytest.raises(UsageError, match="the cosine"):
        seealike.SearchOptions(explain=True, metric=Metric.EUCLIDEAN)
    for options in (WHY, seealike.SearchOptions(focus=True), seealike.SearchOptions(crop=Crop(0, 0, 9, 9))):
        with pytest.raises(UsageError, match="not with the lists of all items"):
            catalog.recommend_all(options=options)
        with pytest.raises(UsageError, match="not with the lists of all items"):
            catalog.updated_lists(options=options)
    catalog.close()
    spec = f"onnx:{save_model(tmp_path / 'made.onnx')}?size={SIDE_PX}&layer=map&pool=flatten"
    with seealike.create(tmp_path / "flat", encoder=spec) as flat:
        flat.index(tmp_path / "p")
        for options in (WHY, seealike.SearchOptions(focus=True)):
            with pytest.raises(EncoderError, match="no places can be told apart by onnx:") as refused:
                flat.search(picture(3), options=options)
            assert str(refused.value).count("no places") == 1
            assert "\n" not in str(refused.value)


def test_a_crop_as_an_option_is_that_of_the_query_be_it_a_picture_or_an_item(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    options = seealike.SearchOptions(crop=Crop(10, 5, 60, 60))
    path = str(tmp_path / "p" / "003.png")
    expected = catalog.search(Cropped(path, Crop(10, 5, 60, 60)), 12)
    assert catalog.search(path, 12, options=options) == expected
    assert catalog.recommend(like_images=[path], k=12, options=options) == expected
    assert catalog.similar("003.png", 12, options=options) == [hit for hit in expected if hit.id != "003.png"]
    shown = catalog.similar("003.png", 3, options=options).asked.like[0]
    assert shown.id == "003.png"
    assert shown.seen == pytest.approx((10 / 96, 5 / 72, 60 / 96, 60 / 72))
    with pytest.raises(UsageError, match="a crop goes with one picture"):
        catalog.recommend(["001.png", "002.png"], options=options)
    with pytest.raises(UsageError, match="a crop goes with one picture"):
        catalog.search_vectors(np.ones((1, 32), np.float32), options=options)
    with pytest.raises(UsageError, match="leave out focus"):
        seealike.SearchOptions(crop=Crop(10, 5, 60, 60), focus=True)
    with pytest.raises(PictureError, match="not within 96 x 72 px"):
        catalog.similar("003.png", options=seealike.SearchOptions(crop=Crop(10, 5, 60, 68)))
    with pytest.raises(UsageError, match="exactly one of"):
        Example("003.png", product="x")
    catalog.close()


def test_an_example_whose_file_is_another_is_named_and_not_the_hits(
    catalog: seealike.Catalog, tmp_path: Path
) -> None:
    Image.new("RGB", (96, 72), (3, 250, 9)).save(tmp_path / "p" / "003.png")
    said = "the file of '003.png', which is asked with, is another one than when it was indexed"
    hits = catalog.recommend(["003.png"], k=3, options=WHY)
    hits += catalog.recommend(["005.png"], ["003.png", "004.png"], k=3, options=WHY)
    assert len(hits) == 6
    for hit in hits:
        assert hit.explanation is not None
        assert hit.explanation.problem == said
    catalog.close()


def test_focus_needs_a_picture_that_is_liked(catalog: seealike.Catalog) -> None:
    focus = seealike.SearchOptions(focus=True)
    vector = catalog.vectors(["003.png"])[1][0]
    for like, dislike in (([Example(vector=vector)], []), ([], ["003.png"])):
        with pytest.raises(UsageError, match="focus looks at pictures"):
            catalog.recommend(like, dislike, options=focus)
    catalog.close()


def test_a_question_is_asked_with_what_its_picture_shows(tmp_path: Path) -> None:
    """A drawn thing on a plain ground: the answer is that of the part, and says which part it was."""
    write_pictures(tmp_path / "p", range(6), extension="png")
    scene = np.full((480, 640, 3), 90, np.uint8)
    scene[60:180, 420:580] = np.asarray(picture(7, (160, 120)))
    Image.fromarray(scene).save(tmp_path / "scene.png")
    focus = seealike.SearchOptions(focus=True)
    with seealike.create(tmp_path / "c") as catalog:
        catalog.index(tmp_path / "p")
        for image in (scene, str(tmp_path / "scene.png"), (tmp_path / "scene.png").read_bytes()):
            hits = catalog.search(image, 6, options=focus)
            seen = hits.asked.like[0].seen
            assert seen is not None
            left, top, width, height = seen
            assert left < 440 / 640
            assert left + width > 560 / 640
            assert top < 80 / 480
            assert top + height > 150 / 480
            assert width * height < 0.3
            cropped = catalog.search(Cropped(image, Crop(left, top, width, height)), 6)
            for hit in hits:  # as the part is, but for what is left of the ground
                assert abs(hit.score - cropped[cropped.ids.index(hit.id)].score) < 0.15
            assert_explained(catalog.search(image, 6, options=replace(WHY, focus=True)), hits)
        plain = np.full((300, 400, 3), (90, 20, 160), np.uint8)
        assert catalog.search(plain, 6, options=focus).asked.like[0].seen is None
    with seealike.create(tmp_path / "f", encoder="efficientnet-lite0?focus=1") as focused:
        focused.index(tmp_path / "p")
        hits = focused.search(scene, 6, options=focus)
        assert hits == focused.search(scene, 6)
        assert hits.asked.like[0].seen is not None
        assert_explained(focused.search(scene, 6, options=WHY), hits)
        assert_explained(focused.similar("003.png", 5, options=WHY), focused.similar("003.png", 5))
        part = Cropped(scene, Crop(300, 0, 340, 240))
        assert_explained(focused.search(part, 6, options=WHY), focused.search(part, 6))


def assert_explained(hits: seealike.Hits, expected: seealike.Hits) -> None:
    """The same hits, each with reasons that add up to its score."""
    assert [(hit.id, hit.score) for hit in hits] == [(hit.id, hit.score) for hit in expected]
    for hit in hits:
        why = hit.explanation
        assert why is not None
        assert not why.problem
        assert abs(total(why.hit) + why.rest - hit.score) < 1e-3
        assert abs(total(why.query) + why.rest - hit.score) < 1e-3
