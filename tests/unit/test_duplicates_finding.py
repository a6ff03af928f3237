"""Finding duplicates: against a plain derivation from every pair, never chained, and what was decided."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from tests.pictures import photograph

import seealike
from seealike import SearchOptions
from seealike.duplicates import (
    Decision,
    Decisions,
    DuplicateGroup,
    DuplicateOptions,
    DuplicateReport,
    KeepRule,
    Level,
    find_duplicates,
    read_decisions,
)
from seealike.duplicates.proposing import alike_hashes
from seealike.duplicates.registration import agreement, agreements, frequencies
from seealike.duplicates.stars import Links, linked, stars
from seealike.duplicates.values import Link
from seealike.errors import UnknownNameError, UsageError
from seealike.images import DecodeLimits, decode
from seealike.signatures import HASH_BYTES
from seealike.store.writer import Change
from seealike.testing import FakeEncoder
from seealike.types import Float32Array, PixelArray

SIZE = (300, 400)


def save(image: Image.Image, path: Path, quality: int = 92) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=quality)


def cut(image: Image.Image, share: float, left: float, top: float) -> Image.Image:
    width, height = (round(side * share) for side in image.size)
    x, y = round((image.width - width) * left), round((image.height - height) * top)
    return image.crop((x, y, x + width, y + height))


def marked(image: Image.Image) -> Image.Image:
    copy = image.copy()
    for row in range(4):
        ImageDraw.Draw(copy).text((20 + 30 * row, 90 * row + 20), "SAMPLE shop", fill=(255, 255, 255))
    return copy


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "small": lambda image: image.resize((image.width // 3, image.height // 3)),
    "cut-20": lambda image: cut(image, 0.8, 0.2, 0.7),
    "cut-10": lambda image: cut(image, 0.9, 1.0, 0.0),
    "flipped": ImageOps.mirror,
    "framed": lambda image: ImageOps.expand(image, image.width // 12, "white"),
    "marked": marked,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "cut and flipped": lambda image: ImageOps.mirror(cut(image, 0.9, 0.3, 0.3)),
}


def catalogue_of(folder: Path, source: Path | None = None) -> seealike.Catalog:
    made = seealike.create(folder / "test.catalog", encoder=FakeEncoder())
    made.index(source or folder / "photos")
    return made


def ids_of(group: DuplicateGroup) -> set[str]:
    return {member.item.id for member in group.members}


def partition(report: DuplicateReport) -> set[frozenset[str]]:
    return {frozenset(ids_of(group)) for group in report.groups}


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six photographs; of the first two there are copies of every kind, and one exact."""
    folder = tmp_path_factory.mktemp("copies")
    for number in range(6):
        save(photograph(number, SIZE), folder / "photos" / f"{number}.jpg")
    for number in range(2):
        for name, change in CHANGES.items():
            save(change(photograph(number, SIZE)), folder / "photos" / name / f"{number}.jpg", 85)
    shutil.copy(folder / "photos" / "2.jpg", folder / "photos" / "2 again.jpg")
    catalogue_of(folder).close()
    return folder


def opened(folder: Path) -> seealike.Catalog:
    return seealike.open(folder / "test.catalog", encoder=FakeEncoder())


# -- near --------------------------------------------------------------------------------------------


def hash_of(image: Image.Image) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    out = io.BytesIO()
    image.save(out, "PNG")
    found = decode(out.getvalue(), FakeEncoder().preprocessing, DecodeLimits())
    return np.frombuffer(found.signature.hash, np.int8)


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_agrees_with_its_original_and_no_other_picture_does(change: str) -> None:
    originals = [photograph(number, SIZE) for number in range(6)]
    hashes = np.stack([hash_of(image) for image in (*originals, *map(CHANGES[change], originals))])
    one, other = (grid.ravel() for grid in np.meshgrid(np.arange(6), np.arange(6, 12)))
    found = agreements(hashes, one, other).reshape(6, 6)
    own = found.diagonal()
    assert own.min() > 0.85
    assert np.where(np.eye(6, dtype=bool), -1, found).max() < 0.6
    assert np.allclose(agreements(hashes, other, one), found.ravel(), atol=0.02)  # whichever is asked first


def test_pairs_none_of_which_agree_are_told_so() -> None:
    pictures = frequencies(np.stack([hash_of(photograph(number, SIZE)) for number in range(8)]))
    assert agreement(pictures[:4], pictures[4:], np.zeros(4, dtype=np.int64)).max() < 0


def test_a_plain_picture_agrees_with_nothing() -> None:
    hashes = np.stack([hash_of(Image.new("RGB", (50, 60), colour)) for colour in ("white", "grey")])
    assert agreements(hashes, np.array([0]), np.array([1])).tolist() == [-1]


def test_every_kind_of_copy_is_found_and_nothing_else(copies: Path) -> None:
    with opened(copies) as catalog:
        options = DuplicateOptions(min_likeness=0.75, keep=(KeepRule.FIRST,))  # its encoder sees no likeness
        report = find_duplicates(catalog, options)
    wanted = {
        frozenset({f"{number}.jpg", *(f"{name}/{number}.jpg" for name in CHANGES)}) for number in range(2)
    }
    assert partition(report) == {*wanted, frozenset({"2.jpg", "2 again.jpg"})}
    assert (report.items, report.unsigned, report.settled) == (6 + 2 * len(CHANGES) + 1, 0, 0)
    for group in report.groups:
        links = {member.item.id: member.link for member in group.members}
        weakest = min(links[name].likeness for name in links)
        assert (group.weakest.link.likeness, links[group.centre].likeness) == (weakest, 1)


class Scatters(FakeEncoder):
    """Sees something else in every picture, however alike."""

    def _project(self, pixels: PixelArray) -> Float32Array:
        seeds = [int.from_bytes(hashlib.sha256(one.tobytes()).digest()[:8]) for one in pixels]
        rows = np.stack([np.random.default_rng(seed).normal(size=32) for seed in seeds])
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def test_small_copies_are_found_by_their_hashes_where_the_encoder_sees_something_else(tmp_path: Path) -> None:
    for number in range(20):
        image = photograph(number, SIZE)
        save(image, tmp_path / "photos" / f"{number}.jpg")
        image.thumbnail((64, 64))
        save(image, tmp_path / "photos" / "thumbs" / f"{number}.jpg")
    with seealike.create(tmp_path / "test.catalog", encoder=Scatters()) as catalog:
        catalog.index(tmp_path / "photos")
        found = partition(find_duplicates(catalog))
    assert found == {frozenset({f"{number}.jpg", f"thumbs/{number}.jpg"}) for number in range(20)}


def test_pairs_are_proposed_whose_hashes_differ_in_few_signs_and_hardly_any_others() -> None:
    rng = np.random.default_rng(3)
    hashes = rng.integers(-127, 128, size=(2000, HASH_BYTES)).astype(np.int8)
    hashes[1000:] = np.where(rng.random((1000, HASH_BYTES)) < 0.05, -hashes[:1000], hashes[:1000])
    hashes[[7, 1300, 1999]] = 0  # plain pictures
    one, other, cosines = alike_hashes(hashes)
    signs = np.where(hashes.reshape(-1, 24, 24)[:, :12, :12].reshape(-1, 144)[:, 1:] < 0, -1.0, 1.0)
    assert cosines == pytest.approx((signs[one] * signs[other]).mean(axis=1))
    pairs = list(zip(one.tolist(), other.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    wanted = {(row, row + 1000) for row in range(1000)} - {(7, 1007), (300, 1300), (999, 1999)}
    assert set(pairs) <= wanted  # two at random differ in half of the signs
    assert len(pairs) > 0.99 * len(wanted)
    for few in (0, 1, 2):
        assert alike_hashes(hashes[:few])[0].shape == (0,)


def test_equal_hashes_are_proposed_with_others_in_every_order() -> None:
    """Sixty pictures of one hash: twelve orders of three neighbours each are most of the 59 others."""
    hashes = np.tile(np.random.default_rng(4).integers(-127, 128, size=HASH_BYTES).astype(np.int8), (60, 1))
    one, other, cosines = alike_hashes(hashes)
    assert (cosines == 1).all()
    partners = np.bincount(np.concatenate([one, other]))
    assert partners.min() > 25  # with the same order each time it is six
    assert np.array_equal(alike_hashes(hashes)[0], one)


def test_the_surest_groups_come_first(copies: Path) -> None:
    with opened(copies) as catalog:
        report = find_duplicates(catalog, DuplicateOptions(min_likeness=0.75))
    weakest = [min(member.link.likeness for member in group.members) for group in report.groups]
    assert weakest == sorted(weakest, reverse=True)
    assert ids_of(report.groups[0]) == {"2.jpg", "2 again.jpg"}  # the smallest, and the only exact one


def test_exact_copies_are_those_of_the_same_bytes(copies: Path) -> None:
    with opened(copies) as catalog:
        report = find_duplicates(catalog, DuplicateOptions(Level.EXACT))
    assert partition(report) == {frozenset({"2.jpg", "2 again.jpg"})}
    assert {member.link for group in report.groups for member in group.members} == {Link(Level.EXACT, 1.0)}


def test_the_order_in_which_pictures_came_changes_no_group(copies: Path, tmp_path: Path) -> None:
    with opened(copies) as catalog:
        known = find_duplicates(catalog, DuplicateOptions(min_likeness=0.75))
    with seealike.create(tmp_path / "other.catalog", encoder=FakeEncoder()) as catalog:
        for path in sorted((copies / "photos").rglob("*.jpg"), reverse=True):
            catalog.add(path.relative_to(copies / "photos").as_posix(), path)
        found = find_duplicates(catalog, DuplicateOptions(min_likeness=0.75))
    assert [(group.centre, ids_of(group)) for group in found.groups] == [
        (group.centre, ids_of(group)) for group in known.groups
    ]


def test_more_copies_than_neighbours_are_one_group(tmp_path: Path) -> None:
    """Each item has a list of a few neighbours; a centre whose list is full of copies is asked for more."""
    image = photograph(1, SIZE)
    for number in range(40):
        save(image, tmp_path / "photos" / f"{number:02}.jpg", 50 + number)
    save(photograph(2, SIZE), tmp_path / "photos" / "other.jpg")
    with catalogue_of(tmp_path) as catalog:
        report = find_duplicates(catalog)
    assert partition(report) == {frozenset(f"{number:02}.jpg" for number in range(40))}


def test_items_without_a_signature_are_counted_and_only_their_bytes_compared(
    copies: Path, tmp_path: Path
) -> None:
    shutil.copytree(copies, tmp_path / "old")
    with opened(tmp_path / "old") as catalog:
        with catalog._session.writing(1) as (_, writer):

            def forget(change: Change) -> None:
                for key in range(1, 100):
                    change.unsign(key)

            writer.rewrite(forget)
        report = find_duplicates(catalog)
    assert partition(report) == {frozenset({"2.jpg", "2 again.jpg"})}
    assert report.unsigned == report.items


# -- products ----------------------------------------------------------------------------------------


def test_pictures_of_one_product_are_a_group_at_that_level_alone(tmp_path: Path) -> None:
    rows = ["id,path,group"]
    for number in range(6):
        save(photograph(number, SIZE), tmp_path / "photos" / f"{number}.jpg")
        rows.append(f"{number},photos/{number}.jpg,{'shoe' if number < 3 else ''}")
    (tmp_path / "items.csv").write_text("\n".join(rows))
    with catalogue_of(tmp_path, tmp_path / "items.csv") as catalog:
        assert find_duplicates(catalog).groups == ()
        report = find_duplicates(catalog, DuplicateOptions(Level.PRODUCT, min_score=1))
        everything = find_duplicates(catalog, DuplicateOptions(Level.PRODUCT, min_score=-1))
    assert partition(report) == {frozenset("012")}
    assert {member.link.level for member in report.groups[0].members} == {Level.EXACT, Level.PRODUCT}
    assert all(len(group.members) > 1 for group in everything.groups)
    assert set().union(*map(ids_of, everything.groups)) == set("012345")


def test_a_picture_without_a_group_joins_no_two_products(tmp_path: Path) -> None:
    rows = ["id,path,group"]
    for number in range(4):
        save(photograph(number, SIZE), tmp_path / "photos" / f"{number}.jpg")
        rows.append(f"{number},photos/{number}.jpg,{'' if number == 0 else f'product {number}'}")
    (tmp_path / "items.csv").write_text("\n".join(rows))
    with catalogue_of(tmp_path, tmp_path / "items.csv") as catalog:
        closest = catalog.similar("0", 1, options=SearchOptions(pictures=True)).ids[0]
        report = find_duplicates(catalog, DuplicateOptions(Level.PRODUCT, min_score=-1))
    assert partition(report) == {frozenset({"0", closest})}


def shop(folder: Path, rows: dict[str, tuple[Image.Image, str]]) -> seealike.Catalog:
    """Of pictures by name, with their group."""
    lines = ["id,path,group"]
    for name, (image, group) in rows.items():
        save(image, folder / "photos" / f"{name}.png")
        lines.append(f"{name},photos/{name}.png,{group}")
    (folder / "items.csv").write_text("\n".join(lines))
    return catalogue_of(folder, folder / "items.csv")


@pytest.mark.parametrize("level", [Level.NEAR, Level.PRODUCT])
def test_pictures_of_two_products_are_duplicates_by_their_bytes_alone(tmp_path: Path, level: Level) -> None:
    small = photograph(3, SIZE).resize((150, 200))
    rows = {"a": (photograph(3, SIZE), "shirt"), "b": (small, "blouse"), "c": (small, "skirt")}
    with shop(tmp_path, rows) as catalog:
        report = find_duplicates(catalog, DuplicateOptions(level, min_likeness=0.7, min_score=-1))
    assert partition(report) == {frozenset("bc")}
    assert report.emptied == ("skirt",)


def test_views_of_one_product_are_kept_and_its_same_picture_is_not(tmp_path: Path) -> None:
    image = photograph(3, SIZE)
    other = marked(ImageEnhance.Brightness(cut(image, 0.8, 0.2, 0.7)).enhance(1.2))
    rows = {"a": (other, ""), "b": (other, "shirt"), "c": (image, "shirt"), "d": (image, "shirt")}
    with shop(tmp_path, rows) as catalog:
        report = find_duplicates(catalog, DuplicateOptions(min_likeness=0.7))
    assert partition(report) == {frozenset("acd")}  # not the shirt's other view, whose bytes are those of a
    assert report.emptied == ()


def test_where_rules_are_equal_the_picture_that_nobody_named_goes(tmp_path: Path) -> None:
    image = photograph(3, SIZE)
    with shop(tmp_path, {"a": (image, ""), "b": (image, "shirt")}) as catalog:
        (group,) = find_duplicates(catalog).groups
        (first,) = find_duplicates(catalog, DuplicateOptions(keep=(KeepRule.FIRST,))).groups
    assert [member.item.id for member in group.members] == ["b", "a"]
    assert group.kept[0].why == "with a group, the other without group and metadata"
    assert first.kept[0].item.id == "a"


def test_what_is_dropped_is_alike_the_kept_one_itself_and_says_how(tmp_path: Path) -> None:
    """The middle of three cuts is alike both others, which share too little."""
    wide = photograph(7, (1020, 300))
    for number, left in enumerate((0, 60, 120)):
        size = (720, 300) if number else (1440, 600)
        save(wide.crop((left, 0, left + 720, 300)).resize(size), tmp_path / "photos" / f"{number}.png")
    with catalogue_of(tmp_path) as catalog:
        (group,) = find_duplicates(catalog, DuplicateOptions(min_likeness=0.6)).groups
    assert [(member.item.id, member.kept) for member in group.members] == [("0.png", True), ("1.png", False)]
    assert group.centre == "0.png"
    assert group.dropped[0].link.level is Level.NEAR
    assert group.dropped[0].link.likeness < 1


# -- stars -------------------------------------------------------------------------------------------


def plain_stars(n: int, pairs: dict[tuple[int, int], float]) -> list[tuple[int, set[int]]]:
    """As the paper says: again and again, the free one with the most links, and all it has a link to."""
    free, found = set(range(n)), []
    near = {row: {a + b - row for a, b in pairs if row in (a, b)} for row in range(n)}
    total = {row: sum(sorted(score for pair, score in pairs.items() if row in pair)) for row in range(n)}
    while open_ones := [row for row in free if near[row]]:
        centre = min(open_ones, key=lambda row: (-len(near[row]), -total[row], row))
        members = near[centre] & free
        free -= {centre, *members}
        near[centre] = set()
        if members:
            found.append((centre, members))
    return found


@pytest.mark.parametrize("seed", range(30))
def test_groups_are_those_of_a_plain_derivation_and_every_member_has_a_link_to_the_centre(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 30))
    pairs = {
        (a, b): float(rng.uniform(0.8, 1))
        for a in range(n)
        for b in range(a + 1, n)
        if rng.random() < rng.choice([0.05, 0.2])
    }
    links: Links = {}
    for place in rng.permutation(len(pairs)):
        (one, other), score = list(pairs.items())[place]
        linked(links, one, other, Link(Level.NEAR, score))
    found = stars(links)
    assert [(centre, set(members)) for centre, members in found] == plain_stars(n, pairs)
    for centre, members in found:
        assert all((min(centre, row), max(centre, row)) in pairs for row in members)


def test_a_chain_is_not_one_group(tmp_path: Path) -> None:
    """Each of five cuts overlaps the next, the first and the last share nothing."""
    wide = photograph(7, (900, 300))
    for number in range(5):
        save(wide.crop((number * 45, 0, number * 45 + 720, 300)), tmp_path / "photos" / f"{number}.jpg")
    with catalogue_of(tmp_path) as catalog:
        report = find_duplicates(catalog, DuplicateOptions(min_likeness=0.7))
    for group in report.groups:
        for member in group.members:
            assert abs(int(member.item.id[0]) - int(group.centre[0])) <= 2


def test_of_two_links_the_stronger_one_counts() -> None:
    links: Links = {}
    for link in (
        Link(Level.PRODUCT, 0.99),
        Link(Level.NEAR, 0.9),
        Link(Level.NEAR, 0.95),
        Link(Level.PRODUCT, 1),
    ):
        linked(links, 1, 2, link)
    assert links[1][2] == links[2][1] == Link(Level.NEAR, 0.95)


# -- which one is kept -------------------------------------------------------------------------------


@pytest.fixture
def choices(tmp_path: Path) -> Path:
    image = photograph(3, SIZE)
    save(image, tmp_path / "photos" / "b" / "large.jpg", 60)
    save(image.resize((150, 200)), tmp_path / "photos" / "a" / "small.png")
    save(image.resize((150, 200)), tmp_path / "photos" / "c" / "poor.jpg", 40)
    return tmp_path


@pytest.mark.parametrize(
    ("rules", "folders", "kept", "why"),
    [
        ((KeepRule.RESOLUTION,), (), "b/large.jpg", "300 × 400 pixels, the other 150 × 200 pixels"),
        ((KeepRule.SIZE,), (), "a/small.png", "bytes, the other"),
        ((KeepRule.FORMAT,), (), "a/small.png", "PNG, the other JPEG"),
        ((KeepRule.FOLDER,), ("c", "b"), "c/poor.jpg", "folder"),
        ((KeepRule.FOLDER, KeepRule.RESOLUTION), (), "b/large.jpg", "300 × 400"),
        ((KeepRule.FIRST,), (), "a/small.png", "all equal: the first id"),
        ((), (), "a/small.png", "all equal: the first id"),
        ((KeepRule.FORMAT, KeepRule.RESOLUTION), (), "a/small.png", "PNG"),
    ],
)
def test_rules_choose_in_their_order(
    choices: Path, rules: tuple[KeepRule, ...], folders: tuple[str, ...], kept: str, why: str
) -> None:
    with catalogue_of(choices) as catalog:
        places = tuple(str(choices / "photos" / folder) for folder in folders)
        options = DuplicateOptions(keep=rules, folders=places, min_likeness=0.7)
        (group,) = find_duplicates(catalog, options).groups
    assert [member.item.id for member in group.kept] == [kept] == [group.members[0].item.id]
    assert why in group.kept[0].why
    assert len(group.dropped) == 2
    assert not group.decided


def test_folders_are_compared_whatever_links_lead_there(choices: Path) -> None:
    (choices / "link").symlink_to(choices / "photos" / "c", target_is_directory=True)
    with catalogue_of(choices) as catalog:
        options = DuplicateOptions(
            keep=(KeepRule.FOLDER,), folders=(str(choices / "link"),), min_likeness=0.7
        )
        (group,) = find_duplicates(catalog, options).groups
    assert [member.item.id for member in group.kept] == ["c/poor.jpg"]


@pytest.mark.parametrize(("folder", "said"), [("photos/nope", "there is no"), ("empty", "no picture of")])
def test_a_folder_that_decides_nothing_is_refused(choices: Path, folder: str, said: str) -> None:
    (choices / "empty").mkdir()
    with catalogue_of(choices) as catalog:
        options = DuplicateOptions(folders=(str(choices / "photos" / "a"), str(choices / folder)))
        with pytest.raises(UsageError, match=f"^{said}"):
            find_duplicates(catalog, options)


def test_a_file_that_is_gone_is_not_the_one_to_keep(choices: Path) -> None:
    with catalogue_of(choices) as catalog:
        (choices / "photos" / "b" / "large.jpg").unlink()
        (group,) = find_duplicates(catalog, DuplicateOptions(min_likeness=0.7)).groups
    gone = next(member for member in group.members if member.item.id == "b/large.jpg")
    assert (gone.kept, gone.size_bytes, gone.format, gone.why) == (False, None, "", "its file is gone")


def test_names_of_levels_and_rules_are_checked() -> None:
    assert DuplicateOptions("exact", keep=("size",)).level is Level.EXACT  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError):
        DuplicateOptions("similar")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError):
        DuplicateOptions(keep=("beauty",))  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        DuplicateOptions(min_likeness=1.5)


# -- decisions ---------------------------------------------------------------------------------------


def contents(catalog: seealike.Catalog, *ids: str) -> frozenset[tuple[str, bytes | None]]:
    known = dict(catalog.digests())
    return frozenset((item_id, known[item_id]) for item_id in ids)


def test_what_is_kept_on_purpose_is_not_found_again_until_it_changes(choices: Path) -> None:
    options = DuplicateOptions(min_likeness=0.7)
    with catalogue_of(choices) as catalog:
        everything = contents(catalog, "a/small.png", "b/large.jpg", "c/poor.jpg")
        all_kept = Decisions([Decision(everything)])
        report = find_duplicates(catalog, options, decisions=all_kept)
        assert (report.groups, report.settled) == ((), 3)
        save(photograph(3, SIZE).resize((90, 120)), choices / "photos" / "d.jpg")
        catalog.index(choices / "photos")
        (group,) = find_duplicates(catalog, options, decisions=all_kept).groups
        assert "d.jpg" in ids_of(group)
        save(photograph(3, SIZE).resize((160, 210)), choices / "photos" / "c" / "poor.jpg", 41)
        (choices / "photos" / "d.jpg").unlink()
        catalog.index(choices / "photos")
        (group,) = find_duplicates(catalog, options, decisions=all_kept).groups
        assert "c/poor.jpg" in ids_of(group)


def test_exact_copies_that_are_both_kept_are_left_alone(copies: Path) -> None:
    with opened(copies) as catalog:
        both = Decisions([Decision(contents(catalog, "2.jpg", "2 again.jpg"))])
        report = find_duplicates(catalog, DuplicateOptions(Level.EXACT), decisions=both)
    assert (report.groups, report.settled) == ((), 1)


def test_a_decision_chooses_instead_of_the_rule_and_the_last_one_counts(choices: Path) -> None:
    with catalogue_of(choices) as catalog:
        large, small, poor = (
            contents(catalog, name) for name in ("b/large.jpg", "a/small.png", "c/poor.jpg")
        )
        decisions = Decisions([Decision(large, small | poor), Decision(small | poor, large)])
        options = DuplicateOptions(min_likeness=0.7)
        (group,) = find_duplicates(catalog, options, decisions=decisions).groups
    assert group.decided
    assert {member.item.id for member in group.kept} == {"a/small.png", "c/poor.jpg"}
    assert [member.item.id for member in group.dropped] == ["b/large.jpg"]


def test_a_decision_that_keeps_nothing_counts_for_nothing(choices: Path) -> None:
    with catalogue_of(choices) as catalog:
        everything = contents(catalog, "a/small.png", "b/large.jpg", "c/poor.jpg")
        nothing = Decisions([Decision(frozenset(), everything)])
        (group,) = find_duplicates(catalog, DuplicateOptions(min_likeness=0.7), decisions=nothing).groups
    assert (group.decided, len(group.kept)) == (False, 1)


def test_a_file_of_decisions_is_read_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "decisions.json"
    one = {"keep": [{"id": "a", "sha256": "00ff"}], "drop": [{"id": "b", "sha256": None}]}
    file.write_text(json.dumps({"format": "seealike decisions", "version": 1, "decisions": [one]}))
    (found,) = read_decisions(str(file))
    assert found == Decision(frozenset({("a", b"\x00\xff")}), frozenset({("b", None)}))
    for wrong in ("", "[]", "{}", '{"format": "other", "version": 1, "decisions": []}', "[" * 100_000):
        file.write_text(wrong)
        with pytest.raises(UsageError, match="no file of decisions"):
            read_decisions(str(file))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError):
        read_decisions(str(file))
