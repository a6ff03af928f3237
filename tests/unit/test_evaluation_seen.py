"""An encoder is not judged by what it learnt from: its card says what that was, whatever it is called now."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from tests.made_models import SIDE_PX, save_model
from tests.pictures import picture

import seealike
from seealike.cli.main import run
from seealike.encoders import EncoderCard, InputForm, read_card, write_card
from seealike.encoders.card import mark_of, marks_to_text
from seealike.errors import UsageError
from seealike.evaluation import (
    CompareOptions,
    EvalOptions,
    LabelReport,
    Timing,
    compare,
    eval_page,
    evaluate,
)
from seealike.gallery import render_gallery
from seealike.training.judge import K, gather, judge
from seealike.types import Preprocessing

MADE = Preprocessing(SIDE_PX, SIDE_PX, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0))
CARD = EncoderCard("made", MADE, "map", "max", InputForm.TENSOR, output="map")
LABEL = EvalOptions(label="kind")
COUNT = 48


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 pictures of three kinds, in ``shop.catalog``, on ``own.onnx`` whose card says nothing yet."""
    folder = tmp_path_factory.mktemp("shop")
    rows = []
    for number in range(COUNT):
        picture(number).save(folder / f"{number:02}.png")
        split = "test" if number % 4 == 0 else "train"
        rows.append({"id": f"{number:02}", "path": f"{number:02}.png", "kind": number % 3, "split": split})
    with open(folder / "shop.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    save_model(folder / "own.onnx")
    write_card(str(folder / "own.onnx"), CARD)
    spec = f"onnx:{folder / 'own.onnx'}"  # linked: what its card says is changed by every test
    with seealike.create(folder / "shop.catalog", encoder=spec, link_encoder=True) as made:
        made.index(folder / "shop.csv")
    return folder


@pytest.fixture
def catalog(shop: Path) -> Iterator[seealike.Catalog]:
    with seealike.open(shop / "shop.catalog") as opened:
        yield opened
    write_card(str(shop / "own.onnx"), CARD)


def learns(catalog: seealike.Catalog, folder: Path, ids: set[str], *, file: str = "own.onnx") -> None:
    """Let the card say that the encoder learnt from these items."""
    marks = [mark_of(item_id, sha256) for item_id, sha256 in catalog.digests() if item_id in ids]
    assert len(marks) == len(ids)
    write_card(str(folder / file), replace(CARD, learnt=marks_to_text(np.array(marks, np.int64))))


def labelled(catalog: seealike.Catalog, options: EvalOptions = LABEL) -> LabelReport:
    found = evaluate(catalog, options).labels
    assert found is not None
    return found


def hits(catalog: seealike.Catalog, asking: set[str], searched: set[str]) -> dict[str, bool]:
    """Whether the nearest of ``searched`` is of the query's kind; in plain Python."""
    ids, vectors = catalog.vectors()
    kinds = {item.id: item.metadata["kind"] for item in catalog.items()}
    rows = {item_id: row for row, item_id in enumerate(ids)}
    found = {}
    for query in sorted(asking):
        others = sorted(searched - {query})
        scores = [-round(float(vectors[rows[other]] @ vectors[rows[query]]), 6) for other in others]
        _, nearest = min(zip(scores, others, strict=True))
        found[query] = kinds[nearest] == kinds[query]
    return found


def share(found: dict[str, bool]) -> float:
    return sum(found.values()) / len(found)


def memorised(catalog: seealike.Catalog) -> tuple[set[str], set[str]]:
    """What the encoder does well on, as if it had learnt it by heart, with a few others; and the rest."""
    everything = {item.id for item in catalog.items()}
    by_heart = {item_id for item_id, right in hits(catalog, everything, everything).items() if right}
    by_heart -= set(sorted(by_heart)[:4])
    assert 10 < len(by_heart) < COUNT - 10
    return by_heart, everything - by_heart


def test_only_what_is_new_asks_and_is_searched(catalog: seealike.Catalog, shop: Path) -> None:
    learnt, rest = memorised(catalog)
    flattering = labelled(catalog).metrics["precision@1"].value
    assert flattering == pytest.approx(share(hits(catalog, learnt | rest, learnt | rest)))
    learns(catalog, shop, learnt)
    report = evaluate(catalog, LABEL)
    assert report.labels is not None
    truth = share(hits(catalog, rest, rest))
    assert report.labels.metrics["precision@1"].value == pytest.approx(truth)
    assert truth < flattering - 0.2
    assert (report.items, report.seen) == (COUNT, len(learnt))
    assert (report.labels.searched, report.labels.seen) == (len(rest), len(learnt))


@pytest.mark.parametrize(("groups", "most"), [(False, 100), (True, 100), (False, 8), (True, 8)])
def test_the_figures_are_those_that_train_gives_of_the_items_that_judge(
    catalog: seealike.Catalog,
    shop: Path,
    tmp_path: Path,
    groups: bool,
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seealike.training.judge.MOST_ASKING", most)  # so many are drawn by either
    items = list(catalog.items())
    test = [row for row, item in enumerate(items) if item.metadata["split"] == "test"]
    learns(catalog, shop, {item.id for item in items if item.metadata["split"] == "train"})
    products = np.array([row // 5 for row in range(COUNT)])
    with seealike.create(tmp_path / "copy", encoder=f"onnx:{shop / 'own.onnx'}") as copy:
        with open(shop / "other.jsonl", "w", encoding="utf-8") as file:
            for item, product in zip(items, products.tolist(), strict=True):
                row = {"id": item.id, "path": f"{item.id}.png", "kind": item.metadata["kind"]}
                file.write(json.dumps(row | ({"group": f"g{product}"} if groups else {})) + "\n")
        copy.index(shop / "other.jsonl")
        found = labelled(copy, EvalOptions(label="kind", k=K, max_queries=most))
        _, vectors = copy.vectors()
    targets = np.array([int(str(item.metadata["kind"])) for item in items])[test]
    evidence = gather(vectors[test], targets, None, products[test] if groups else None)
    verdict = judge(evidence, evidence, products[test] if groups else np.arange(len(test)))
    for name, estimate in found.metrics.items():
        assert asdict(verdict.figure(name).after) == pytest.approx(asdict(estimate))


def test_where_the_caller_says_who_asks_what_was_learnt_is_searched_but_does_not_ask(
    catalog: seealike.Catalog, shop: Path
) -> None:
    test = {item.id for item in catalog.items() if item.metadata["split"] == "test"}
    train = {item.id for item in catalog.items()} - test
    one = min(test)
    learns(catalog, shop, train | {one})
    report = evaluate(catalog, EvalOptions(label="kind", query_where=("split=test",)))
    found = report.labels
    assert found is not None
    assert (found.queries, found.searched, found.seen, report.seen) == (11, 36, 1, 37)
    assert found.metrics["precision@1"].value == pytest.approx(share(hits(catalog, test - {one}, train)))


def test_queries_from_outside_are_known_by_their_content_under_any_name(
    catalog: seealike.Catalog, shop: Path, tmp_path: Path
) -> None:
    for number, name in ((5, "a"), (6, "b"), (7, "c")):
        (tmp_path / str(number % 3)).mkdir(exist_ok=True)
        shutil.copy(shop / f"{number:02}.png", tmp_path / str(number % 3) / f"{name}.png")
    with open(tmp_path / "queries.csv", "w", encoding="utf-8") as file:
        file.write("path,kind\n2/a.png,2\n0/b.png,0\n1/c.png,1\n")
    learns(catalog, shop, {"05", "06", "20"})
    found = labelled(catalog, EvalOptions(label="kind", queries=tmp_path / "queries.csv"))
    assert (found.queries, found.seen, found.searched) == (1, 2, COUNT)


def test_an_item_that_came_without_a_file_is_known_by_its_id(tmp_path: Path) -> None:
    save_model(tmp_path / "own.onnx")
    write_card(str(tmp_path / "own.onnx"), CARD)
    spec = f"onnx:{tmp_path / 'own.onnx'}"
    with seealike.create(tmp_path / "catalog", encoder=spec, link_encoder=True) as made:
        for number in range(9):
            made.add(f"{number}", picture(number), metadata={"kind": number % 3})
        assert dict(made.digests())["4"] is None
        learns(made, tmp_path, {"4"})
        assert evaluate(made, LABEL).seen == 1


def test_copies_are_made_of_what_is_new(catalog: seealike.Catalog, shop: Path) -> None:
    learns(catalog, shop, {f"{number:02}" for number in range(40)})
    copies = evaluate(catalog, EvalOptions(sample=100)).copies
    assert copies is not None
    assert (copies.pictures, copies.searched) == (8, 8)
    assert all(int(lost.original.id) >= 40 for lost in copies.worst)


def test_where_nothing_is_left_that_is_said_in_one_line(catalog: seealike.Catalog, shop: Path) -> None:
    learns(catalog, shop, {item.id for item in catalog.items()})
    for options in (LABEL, EvalOptions(), EvalOptions(label="kind", query_where=("kind=1",))):
        with pytest.raises(UsageError, match=r"learnt from all \d+ pictures .* nothing is left") as refused:
            evaluate(catalog, options)
        assert "\n" not in str(refused.value)


def test_encoders_are_compared_on_what_none_of_them_learnt_from(
    catalog: seealike.Catalog, shop: Path
) -> None:
    save_model(shop / "other.onnx", seed=1)
    learns(catalog, shop, {f"{number:02}" for number in range(10)})
    learns(catalog, shop, {f"{number:02}" for number in range(5, 20)}, file="other.onnx")
    other = f"onnx:{shop / 'other.onnx'}"
    found = compare(catalog, [other], CompareOptions(LABEL, timing=Timing.OFF))
    assert (found.items, found.seen, found.queries) == (28, 20, 28)
    assert "learnt from: 20 of these items, so they neither ask nor are searched" in found.notes
    rest = {f"{number:02}" for number in range(20, COUNT)}
    assert found.encoders[0].metrics["precision@1"].value == pytest.approx(share(hits(catalog, rest, rest)))
    asked = EvalOptions(label="kind", query_where=("split=test",))
    found = compare(catalog, [other], CompareOptions(asked, timing=Timing.OFF))
    assert (found.queries, found.seen) == (7, 20)
    copies = compare(catalog, [other], CompareOptions(EvalOptions(sample=100), timing=Timing.OFF))
    assert (copies.items, copies.queries % 28) == (28, 0)


def test_a_catalogues_own_copy_of_the_encoder_says_it_when_the_original_has_gone(
    catalog: seealike.Catalog, shop: Path, tmp_path: Path
) -> None:
    learns(catalog, shop, {"05", "06", "07"})
    for name in ("own.onnx", "own.json"):
        shutil.copy(shop / name, tmp_path / name)
    with seealike.create(tmp_path / "copy", encoder=f"onnx:{tmp_path / 'own.onnx'}") as copy:
        copy.index(shop / "shop.csv")
        for name in ("own.onnx", "own.json"):
            (tmp_path / name).unlink()
        other = save_model(tmp_path / "other.onnx", seed=1)
        compared = compare(copy, [f"onnx:{other}"], CompareOptions(LABEL, timing=Timing.OFF))
        assert (evaluate(copy, LABEL).seen, compared.seen) == (3, 3)


def test_a_card_that_has_gone_with_its_model_leaves_it_unknown(
    catalog: seealike.Catalog, shop: Path, tmp_path: Path
) -> None:
    learns(catalog, shop, {"05"})
    for name in ("own.onnx", "own.json"):
        shutil.move(shop / name, tmp_path / name)
    try:
        report = evaluate(catalog, LABEL)
        said = render_gallery(eval_page(report, lambda path, side: b""))
    finally:
        for name in ("own.onnx", "own.json"):
            shutil.move(tmp_path / name, shop / name)
    assert report.seen is None
    assert "is not known: its card is not where it was" in said


def test_the_table_the_json_and_the_page_say_it(
    catalog: seealike.Catalog, shop: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    learns(catalog, shop, {"05", "06"})
    command = ["eval", "-C", str(shop / "shop.catalog"), "--label", "kind", "--quiet"]
    assert run([*command, "--page", str(tmp_path / "page.html")]) == 0
    line = "learnt from: 2 of these items, so they neither ask nor are searched"
    assert f"\n{line}\n" in capfd.readouterr().out
    assert f"L{line[1:]}." in (tmp_path / "page.html").read_text("utf-8")
    assert run([*command, "--format", "json"]) == 0
    found = json.load(io.StringIO(capfd.readouterr().out))
    assert (found["items"], found["seen"], found["labels"]["queries"]) == (48, 2, 46)


def test_three_hundred_thousand_pictures_make_a_card_of_a_few_megabytes(tmp_path: Path) -> None:
    marks = np.random.default_rng(0).integers(0, 2**48, 300_000)
    write_card(str(tmp_path / "big.onnx"), replace(CARD, learnt=marks_to_text(marks)))
    assert (tmp_path / "big.json").stat().st_size < 2_500_000
    found = read_card(str(tmp_path / "big.onnx"))
    assert found is not None
    assert found.learnt == marks_to_text(marks)
