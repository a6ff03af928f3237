"""What is liked and what is not, as it is typed, and lists of products."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from tests.commands import Call
from tests.pictures import write_pictures

import seealike
from seealike import Combine, Example, SearchOptions
from seealike.cli.examples import read_examples
from seealike.cli.main import run
from seealike.cli.options.examples import TypedExamples

COUNT = 14


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen pictures: of four products with three each, and two of none; one id ends in a number."""
    folder = tmp_path_factory.mktemp("shop")
    write_pictures(folder, range(COUNT))
    rows = [
        f"{'take:2' if i == 13 else f'p{i:02}'},{i:03}.jpg,{f'sku-{i // 3}' if i < 12 else ''},{i % 5}"
        for i in range(COUNT)
    ]
    (folder / "table.csv").write_text("\n".join(["id,path,group,model", *rows]))
    assert run(["index", str(folder / "table.csv"), "--quiet"]) == 0
    return folder


def ids(text: str) -> list[str]:
    return [hit["id"] for hit in json.loads(text)["results"][0]["hits"]]


def test_examples_of_every_kind_go_into_one_question(typed: Call, shop: Path) -> None:
    done = typed(
        "recommend", "--like", "p00:2", "--like-product", "sku-1:0.5", "--like-file", shop / "013.jpg",
        "--not", "p12", "--not-product", "sku-2", "-C", shop, "--format", "json",
    )  # fmt: skip
    with seealike.open(shop / ".seealike") as catalog:
        expected = catalog.recommend(
            [Example("p00", weight=2), Example(image=shop / "013.jpg"), Example(product="sku-1", weight=0.5)],
            ["p12", Example(product="sku-2")],
        )
        named, vectors = catalog.vectors()
    assert ids(done.out) == expected.ids
    assert not set(expected.ids) & {"p00", "p01", "p02", *(f"p{i:02}" for i in range(3, 9)), "p12"}
    row = {item_id: vectors[place].astype(np.float64) for place, item_id in enumerate(named)}
    one, two = (sum(row[f"p{i:02}"] for i in group) for group in (range(3, 6), range(6, 9)))
    one, two = one / np.linalg.norm(one), two / np.linalg.norm(two)
    query = (2 * row["p00"] + row["take:2"] + 0.5 * one) / 3.5 - 0.5 * (row["p12"] + two) / 2
    best = max(("p09", "p10", "p11", "take:2"), key=lambda item_id: float(row[item_id] @ query))
    assert expected.ids[0] == best


def test_a_weight_counts_also_where_one_is_liked_and_one_is_not(typed: Call, shop: Path) -> None:
    with seealike.open(shop / ".seealike") as catalog:
        named, vectors = catalog.vectors()
    row = {item_id: vectors[place].astype(np.float64) for place, item_id in enumerate(named)}
    for liked, disliked in ((1, 1), (1, 2), (4, 1)):
        done = typed(
            "recommend", "--like", f"p00:{liked}", "--not", f"p12:{disliked}", "-C", shop, "--pictures",
            "--format", "json",
        )  # fmt: skip
        query = liked * row["p00"] - 0.5 * disliked * row["p12"]
        scores = {hit["id"]: hit["score"] for hit in done.json()["results"][0]["hits"]}
        expected = {item_id: float(row[item_id] @ query / np.linalg.norm(query)) for item_id in scores}
        assert scores == pytest.approx(expected, abs=1e-3)


def test_an_explanation_that_no_table_has_room_for_is_somewhere(
    typed: Call, shop: Path, tmp_path: Path
) -> None:
    told = "add --gallery why.html, or --format json"
    for command in (("search", "--id", "p00"), ("recommend", "--like", "p00")):
        asked = (*command, "-k", "1", "-C", shop, "--explain")
        assert told in typed(*asked).err
        assert told not in typed(*asked, "--quiet").err
        assert told not in typed(*asked, "--format", "json").err
        assert told not in typed(*asked, "--gallery", tmp_path / f"{command[0]}.html").err


def test_what_has_nothing_else_says_why(typed: Call, tmp_path: Path) -> None:
    write_pictures(tmp_path, range(2))
    (tmp_path / "table.csv").write_text("id,path,group\np0,000.jpg,sku\np1,001.jpg,sku\n")
    assert run(["index", str(tmp_path / "table.csv"), "--quiet"]) == 0
    none = typed("search", "--id", "p0", "-C", tmp_path)
    assert none.out == "nothing similar to p0: no other item is left but of its product; add --pictures\n"
    assert "p1" in typed("search", "--id", "p0", "-C", tmp_path, "--pictures").out
    product = typed("recommend", "--like-product", "sku", "-C", tmp_path)
    assert product.out == "nothing similar to sku: no other item is left but of its product\n"
    every = typed("recommend", "--all", "-C", tmp_path, "--format", "csv")
    assert every.err == "2 lists are empty: no other item is left but of its product; add --pictures\n"
    every = typed("recommend", "--all", "--by", "product", "-C", tmp_path, "--format", "csv")
    assert every.err == "1 list is empty: no other item is left but of its product\n"
    assert run(["rm", "p1", "-C", str(tmp_path / ".seealike"), "--quiet"]) == 0
    assert (
        typed("search", "--id", "p0", "-C", tmp_path).out == "nothing similar to p0: no other item is there\n"
    )


def test_focus_tells_of_every_picture_that_it_looked_at_and_of_nothing_else(typed: Call, shop: Path) -> None:
    file = str(shop / "013.jpg")
    done = typed(
        "recommend", "--like", "p00", "--like-file", file, "--like-product", "sku-1", "--not", "p12",
        "-C", shop, "--focus",
    )  # fmt: skip
    assert [line.rpartition(": ")[0] for line in done.err.splitlines()] == ["p00", file]
    for kind in (("recommend", "--like-product", "sku-1"), ("search", "--product", "sku-1")):
        refused = typed(*kind, "-C", shop, "--focus")
        assert (refused.code, refused.out) == (2, "")
        assert refused.err == (
            "seealike: focus looks at pictures: ask with a file or an item, or leave out --focus\n"
        )


def test_lists_in_which_there_is_nothing_are_counted_with_the_reason(typed: Call, shop: Path) -> None:
    every = ("recommend", "--all", "-C", shop, "--format", "csv")
    wishes = ("--where", "model > 9"), ("--min-score", "0.9999"), ("--where", "model > 9", "--min-score", "0")
    one, other = "keeps the condition: model > 9", "has a score of 0.9999 or more"
    both = f"{one} and has a score of 0 or more; leave one of these out to see which finds nothing"
    why = (one, f"{other}; a lower --min-score finds what is nearest", both)
    for asked, said in zip(wishes, why, strict=True):
        assert typed(*every, *asked).err == f"14 lists are empty: no other item {said}\n"
        assert typed(*every, *asked, "--quiet").err == ""
    assert typed(*every).err == ""


def test_an_id_and_a_file_that_end_in_a_number_are_taken_whole(
    typed: Call, shop: Path, tmp_path: Path
) -> None:
    whole = typed("recommend", "--like", "take:2", "-C", shop, "--format", "json")
    assert ids(whole.out) == ids(typed("search", "--id", "take:2", "-C", shop, "--format", "json").out)
    file = tmp_path / "photo.jpg:3"
    file.write_bytes((shop / "005.jpg").read_bytes())
    assert ids(typed("recommend", "--like-file", file, "-C", shop, "--format", "json").out)[0] == "p05"
    missing = typed("recommend", "--like", "tkae:2", "-C", shop)
    assert (missing.code, missing.out) == (1, "")
    assert "no item has the id 'tkae'; did you mean take:2?" in missing.err


def test_a_product_that_ends_in_a_number_is_taken_whole(typed: Call, tmp_path: Path) -> None:
    write_pictures(tmp_path, range(5))
    groups = ["S12:2", "S12", "S12", "S13", "S14"]
    rows = [f"p{i},{i:03}.jpg,{group},m{group}" for i, group in enumerate(groups)]
    (tmp_path / "table.csv").write_text("\n".join(["id,path,group,model", *rows]))
    assert run(["index", str(tmp_path / "table.csv"), "--quiet"]) == 0
    asked = "recommend", "-C", tmp_path, "--format", "json", "--like-product"
    with seealike.open(tmp_path / ".seealike") as catalog:
        whole, part = (catalog.recommend([Example(product=name)]).ids for name in ("S12:2", "S12"))
    assert "p0" not in whole
    assert "p0" in part
    assert ids(typed(*asked, "S12:2").out) == whole
    assert ids(typed(*asked, "S12:3").out) == part
    assert "p0" not in ids(typed(*asked, "mS12:2", "--group-by", "model").out)
    assert "p0" not in ids(typed(*asked, "S13", "--not-product", "S12:2").out)


def test_words_that_end_in_two_numbers_are_taken_whole(shop: Path) -> None:
    words = ("sofa 16:9", "red:2", "size 16 :0.5", "16:9:2")
    with seealike.open(shop / ".seealike") as catalog:
        liked, _ = read_examples(TypedExamples((), (), (), (), words, (), (), ()), catalog, "group")
    assert [(one.text, one.weight) for one in liked] == [
        *(("sofa 16:9", 1.0), ("red", 2.0), ("size 16 ", 0.5), ("16:9:2", 1.0))
    ]


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "1e9", "0,5", "abc"])
def test_a_weight_that_makes_no_sense_is_refused(typed: Call, shop: Path, weight: str) -> None:
    done = typed("recommend", "--like", f"p00:{weight}", "-C", shop)
    assert (done.code, done.out) in {(1, ""), (2, "")}
    assert "a weight must be a number from 0.001 to 1000" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("model", "'model' has no weight; say it as model:0.1"),
        ("model=0.2", "'model=0.2' has no weight; say it as model:0.2"),
        (":0.1", "':0.1' has no column; say it as sold:0.1"),
        ("", "'' has no weight; say it as sold:0.1"),
    ],
)
def test_a_boost_that_lacks_something_is_told_what(typed: Call, shop: Path, given: str, told: str) -> None:
    done = typed("recommend", "--like", "p00", "--boost", given, "-C", shop)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].endswith(told)


def test_each_example_keeps_its_own_neighbours_where_that_is_asked_for(typed: Call, shop: Path) -> None:
    done = typed(
        "recommend", "--like", "p00", "--like", "p12:2", "--combine", "each", "-C", shop, "--format", "json"
    )
    with seealike.open(shop / ".seealike") as catalog:
        options = SearchOptions(combine=Combine.EACH)
        expected = catalog.recommend(["p00", Example("p12", weight=2)], options=options)
        first, second = catalog.similar("p00"), catalog.similar("p12")
    assert ids(done.out) == expected.ids
    own = {"p00", "p01", "p02", "p12"}
    turns = [item_id for item_id in second.ids if item_id not in own][:2]
    assert expected.ids[:2] == turns
    assert set(expected.ids[:3]) == {*turns, next(i for i in first.ids if i not in {*own, *turns})}


def test_a_product_is_asked_with_by_all_its_pictures(typed: Call, shop: Path) -> None:
    done = typed("search", "--product", "sku-1", "sku-3", "-C", shop, "--format", "json")
    results = json.loads(done.out)["results"]
    assert [result["query"] for result in results] == ["sku-1", "sku-3"]
    found = {hit["group"] or hit["id"] for hit in results[0]["hits"]}
    assert found == {"sku-0", "sku-2", "sku-3", "p12", "take:2"}
    wrong = typed("search", "--product", "sku-9", "-C", shop)
    assert (wrong.code, wrong.out) == (2, "")
    assert "no item has the group 'sku-9'; did you mean" in wrong.err


def test_lists_of_products_name_products_and_json_is_one_object(
    typed: Call, shop: Path, tmp_path: Path
) -> None:
    table, whole = tmp_path / "lists.csv", tmp_path / "lists.json"
    for output in (table, whole, whole):  # the second time it is known again
        done = typed("recommend", "--all", "--by", "product", "-k", "3", "-C", shop, "-o", output)
        assert done.code == 0, done.err
    assert "lists of 6 products" in done.err
    lists = json.loads(whole.read_text())
    assert list(lists) == ["p12", "sku-0", "sku-1", "sku-2", "sku-3", "take:2"]
    with seealike.open(shop / ".seealike") as catalog:
        for name, similar in lists.items():
            example = Example(product=name) if name.startswith("sku") else Example(name)
            hits = catalog.recommend([example], k=3)
            assert similar == [hit.group or hit.id for hit in hits]
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["similar_id"] for row in rows if row["id"] == "sku-0"] == lists["sku-0"]
    both = typed("recommend", "--all", "--by", "product", "--pictures", "-C", shop)
    assert (both.code, both.out) == (2, "")


@pytest.mark.parametrize("column", ["group", "model"])
def test_lists_of_products_are_updated_reported_and_shown(
    typed: Call, shop: Path, tmp_path: Path, column: str
) -> None:
    output, report, page = tmp_path / "lists.csv", tmp_path / "report.json", tmp_path / "lists.html"
    asked = "recommend", "--all", "--by", "product", "-k", "2", "--group-by", column, "-C", shop
    done = typed(*asked, "--update", output, "--report", report, "--gallery", page)
    assert done.code == 0, done.err
    assert "lists with --by product are made anew every time" in done.err
    assert typed(*asked).out == output.read_text()
    rows = list(csv.DictReader(output.read_text().splitlines()))
    names = sorted({row["id"] for row in rows})
    assert f"lists of {len(names)} products, {len(names)} of them changed" in done.err
    listed = [row["similar_id"] for row in rows]
    content = json.loads(report.read_text())
    assert (content["lists"], content["items"], content["entries"]) == (len(names), len(names), len(rows))
    assert content["recommended"] == len(set(listed))
    assert content["never"] == sorted(set(names) - set(listed))
    assert content["top"][0]["lists"] == max(map(listed.count, names))
    with seealike.open(shop / ".seealike") as catalog:
        pictures: dict[str, list[object]] = {}
        for item in catalog.items():
            name = item.group if column == "group" else item.metadata["model"]
            pictures.setdefault(item.id if name is None else str(name), []).append(item.id)
        means = {name: np.mean(catalog.vectors(map(str, ids))[1], axis=0) for name, ids in pictures.items()}
    pairs = [[unit(means[row["similar_id"]]) for row in rows if row["id"] == name] for name in names]
    assert content["similarity"] == pytest.approx(np.mean([one @ other for one, other in pairs]), abs=1e-4)
    shown = typed(*asked, "--report").err
    assert f"recommended  {len(set(listed))} of {len(names)} products" in shown
    html = page.read_text("utf-8")
    assert f"The lists of the first {len(names)} of {len(names)} products, in order of their names." in html
    assert html.count("product sku-") + html.count("product 0") > 0


def unit(row: np.ndarray[tuple[int], np.dtype[np.floating]]) -> np.ndarray[tuple[int], np.dtype[np.floating]]:
    return np.asarray(row / np.linalg.norm(row))


@pytest.mark.parametrize("reformatted", [False, True])
def test_a_list_of_texts_that_seealike_did_not_write_is_not_written_over(
    typed: Call, shop: Path, tmp_path: Path, reformatted: bool
) -> None:
    output = tmp_path / "synonyms.json"
    asked = "recommend", "--all", "--by", "product", "-C", shop, "-o", output
    if reformatted:  # such as editors do that strip the ends of lines
        assert typed(*asked).code == 0
        mine = output.read_text().rstrip() + "\n"
    else:
        mine = '{\n"sneakers": ["trainers"],\n"note": "my own"\n}\n'
    output.write_text(mine)
    assert typed(*asked).code == 2
    assert output.read_text() == mine
    assert typed(*asked, "--force").code == 0
    assert "sku-0" in json.loads(output.read_text())


def test_hits_say_how_many_pictures_their_product_has(typed: Call, shop: Path) -> None:
    rows = json.loads(typed("search", "--id", "p00", "-C", shop, "--format", "json").out)["results"][0][
        "hits"
    ]
    assert {hit["group"]: hit["others"] for hit in rows} == {"sku-1": 2, "sku-2": 2, "sku-3": 2, None: 0}
    table = typed("search", "--id", "p00", "-C", shop).out
    assert "more" in table.splitlines()[0]
    assert "+2" in table


def test_a_page_says_weights_and_what_a_result_stands_for(typed: Call, shop: Path, tmp_path: Path) -> None:
    page = tmp_path / "found.html"
    done = typed(
        "recommend", "--like", "p00:2", "--not-product", "sku-3", "--dedup", "-C", shop, "--gallery", page
    )  # fmt: skip
    assert done.code == 0, done.err
    html = page.read_text("utf-8")
    assert 'class="label">liked ×2<' in html
    assert "product sku-3" in html
    assert html.count("1 of 3 pictures") == 2


def test_another_column_says_what_belongs_together(typed: Call, shop: Path) -> None:
    done = typed("search", "--id", "p00", "--group-by", "model", "-C", shop, "--format", "json")
    rows = json.loads(done.out)["results"][0]["hits"]
    assert sorted(row["metadata"]["model"] for row in rows) == [1, 2, 3, 4]
    assert {row["metadata"]["model"]: row["others"] for row in rows} == {1: 2, 2: 2, 3: 2, 4: 1}
    lists = typed(
        "recommend", "--all", "--by", "product", "--group-by", "model", "-C", shop, "--format", "json"
    )
    assert {name: len(similar) for name, similar in json.loads(lists.out).items()} == dict.fromkeys(
        "01234", 4
    )
    wrong = typed("search", "--id", "p00", "--group-by", "modle", "-C", shop)
    assert (wrong.code, wrong.out) == (2, "")
    assert "did you mean model or modified?" in wrong.err


def test_a_product_where_an_id_is_needed_is_told_which_option_takes_it(typed: Call, shop: Path) -> None:
    assert "say --like-product sku-1" in typed("recommend", "--like", "sku-1", "-C", shop).err
    assert "say --product sku-1" in typed("search", "--id", "sku-1", "-C", shop).err


def test_true_is_the_usual_threshold_of_nearly_equal_ones() -> None:
    assert SearchOptions(dedup=True) == SearchOptions(dedup=0.95)
    assert SearchOptions(dedup=False) == SearchOptions()
