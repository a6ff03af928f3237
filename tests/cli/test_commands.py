"""The commands, as a person types them."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
from tests.commands import Call
from tests.pictures import picture, write_pictures

import seealike
from seealike.catalog import ann
from seealike.cli.main import COMMANDS, cli, run
from seealike.errors import NoCatalogError


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 12 pictures and 2 other files, with its catalogue."""
    folder = tmp_path_factory.mktemp("photos")
    write_pictures(folder / "one", range(6))
    write_pictures(folder / "two", range(6, 12), extension="png")
    (folder / "notes.txt").write_text("no picture")
    (folder / "empty.jpg").write_bytes(b"")
    assert run(["index", str(folder), "--quiet"]) == 0
    return folder


def test_every_command_has_a_help_with_an_example(typed: Call) -> None:
    for name in COMMANDS:
        shown = typed(name, "--help")
        assert shown.code == 0
        assert f"seealike {name}" in shown.out.split("Options:")[0].split("\n\n", 1)[1], name


def test_the_commands_and_their_modules_are_the_same_set() -> None:
    modules = {
        path.stem for path in Path(seealike.__file__).parent.joinpath("cli/commands").glob("[a-z]*.py")
    }
    assert modules == set(COMMANDS) == set(cli.list_commands(click.Context(cli)))


def test_a_catalogue_keeps_its_vectors_in_the_numbers_that_were_asked_for(
    typed: Call, tmp_path: Path
) -> None:
    photos, halves, small = tmp_path / "photos", tmp_path / "halves", tmp_path / "bytes"
    write_pictures(photos, range(5))
    assert typed("index", photos, "-C", small, "--vectors", "int8", "--quiet").code == 0
    assert typed("index", photos, "-C", halves, "--quiet").code == 0
    assert "vectors     int8, 1,280 bytes each\n" in typed("info", "-C", small).out
    assert "vectors     float16, 2,560 bytes each\n" in typed("info", "-C", halves).out
    refused = typed("index", photos, "-C", halves, "--vectors", "int8")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert (
        f"keeps its vectors as float16; `seealike reindex -C {halves} --vectors int8` changes" in refused.err
    )
    moved = typed("reindex", "-C", halves, "--vectors", "int8")
    assert f"{halves}: 5 items, float16 -> int8\n" in moved.out
    assert "images/s" not in moved.out, "no picture was read"
    assert typed("index", photos, "-C", halves, "--vectors", "int8", "--quiet").code == 0
    told = typed("reindex", "-C", halves, "--vectors", "int8", "--format", "json").json()
    assert (told["swapped"], told["vectors_before"], told["vectors"]) == (False, "int8", "int8")
    one, other = (
        typed("search", "--id", "003.jpg", "-C", path, "--format", "csv").out for path in (small, halves)
    )
    assert one == other
    back = typed("reindex", "-C", halves, "--vectors", "float16")
    assert f"{halves}: 5 items, int8 -> float16\n" in back.out
    assert "images/s" in back.out


def test_reindex_says_what_it_can_be_given(typed: Call, indexed: Path) -> None:
    asked = typed("reindex", "-C", indexed)
    assert (asked.code, asked.err.count("\n")) == (2, 1)
    assert "--encoder SPEC" in asked.err
    assert "--vectors int8" in asked.err
    told = " ".join(typed("reindex", "--help").out.split())
    assert "[default: the catalogue's own]" in told
    assert "must be given" not in told


def test_info_tells_counts_and_reasons(typed: Call, indexed: Path) -> None:
    info = typed("info", "--catalog", indexed, "--format", "json").json()
    assert info["items"] == 12
    assert info["skipped"] == 2
    assert info["skipped_by_reason"] == {"empty_file": 1, "not_an_image": 1}
    assert info["encoder"]["name"] == "efficientnet-lite0-v2"
    assert info["generation"] == seealike.open(indexed / ".seealike").generation


def test_search_ranks_like_a_comparison_of_all_vectors(typed: Call, indexed: Path) -> None:
    query = indexed / "one" / "003.jpg"
    found = typed("search", query, "--catalog", indexed, "-k", "5", "--format", "json")
    assert found.code == 0
    hits = found.json()["results"][0]["hits"]
    with seealike.open(indexed / ".seealike") as catalog:
        ids, vectors = catalog.vectors()
    scores = vectors @ vectors[ids.index("one/003.jpg")]
    expected = [ids[row] for row in np.argsort(-scores)[:5]]
    assert [hit["id"] for hit in hits] == expected
    np.testing.assert_allclose([hit["score"] for hit in hits], np.sort(scores)[::-1][:5], atol=5e-3)


def test_an_item_is_never_recommended_for_itself(typed: Call, indexed: Path) -> None:
    for command in (("search", "--id", "one/003.jpg"), ("recommend", "--like", "one/003.jpg")):
        hits = typed(*command, "--catalog", indexed, "-k", "50", "--format", "jsonl").out.splitlines()
        assert len(hits) == 11
        assert all(json.loads(line)["id"] != "one/003.jpg" for line in hits)


def test_paths_can_be_piped_into_other_programs(typed: Call, indexed: Path) -> None:
    shown = typed("search", "--id", "two/007.png", "-C", indexed, "-k", "3", "--format", "paths")
    paths = shown.out.splitlines()
    assert len(paths) == 3
    assert all(Path(path).is_file() for path in paths)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_the_lists_of_all_items_equal_single_searches(
    typed: Call, indexed: Path, tmp_path: Path, suffix: str
) -> None:
    output = tmp_path / f"similar.{suffix}"
    assert typed("recommend", "--all", "-k", "4", "-o", output, "-C", indexed).code == 0
    rows = read_lists(output)
    with seealike.open(indexed / ".seealike") as catalog:
        expected = [
            (item.id, rank, hit.id, round(hit.score, 6))
            for item in catalog.items()
            for rank, hit in enumerate(catalog.similar(item.id, k=4), start=1)
        ]
    assert [(*row[:3], round(row[3], 6)) for row in rows] == expected
    assert list(tmp_path.iterdir()) == [output]


def test_several_catalogues_answer_together_and_hits_say_which(
    typed: Call, indexed: Path, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    for number in range(3):
        picture(40 + number).save(tmp_path / "more" / f"{number}.png")
    assert typed("index", tmp_path / "more", "--quiet").code == 0
    both = ("-C", indexed, "-C", tmp_path / "more")
    page = tmp_path / "page.html"
    found = typed(
        "search", tmp_path / "more" / "1.png", *both, "-k", "20", "--format", "json", "--gallery", page
    )
    hits = found.json()["results"][0]["hits"]
    assert len(hits) == 15
    assert hits[0]["id"] == "1.png"
    assert {hit["catalog"] for hit in hits} == {str(indexed / ".seealike"), str(tmp_path / "more/.seealike")}
    assert "more/.seealike" in page.read_text()
    assert "catalog" in typed("search", "--id", "1.png", *both).out.splitlines()[0]
    lines = typed("recommend", "--like", "1.png", *both, "--format", "csv").out.splitlines()
    assert lines[0] == "query,rank,id,score,path,catalog"
    assert typed("search", "--id", "nothing", *both).code == 1
    typed("recommend", "--all", *both, "--gallery", tmp_path / "lists.html")
    assert " of 15 items, in order of the catalogues, then of ids." in (tmp_path / "lists.html").read_text()
    wishes = ("--diversity", "0.5", "--dedup", "--color", "0.3", "--recent", "0.1", "--hub-correction")
    explained = typed(
        "search",
        "--id",
        "1.png",
        *both,
        *wishes,
        "--crop",
        "0.1,0.1,0.8,0.8",
        "--explain",
        "--format",
        "json",
    )
    assert all(hit["explanation"]["pairs"] for hit in explained.json()["results"][0]["hits"])
    lists = typed("recommend", "--all", *both, "-k", "20", "--report")
    assert len({line.split(",")[0] for line in lists.out.splitlines()[1:]}) == 15
    assert "recommended  15 of 15 items" in lists.err


def test_a_report_tells_of_the_lists_that_were_written(typed: Call, indexed: Path, tmp_path: Path) -> None:
    output, report = tmp_path / "similar.csv", tmp_path / "report.json"
    shown = typed("recommend", "--all", "-k", "2", "-o", output, "--report", report, "-C", indexed)
    assert shown.code == 0
    written = [row[2] for row in read_lists(output)]
    content = json.loads(report.read_text())
    assert (content["lists"], content["entries"]) == (12, len(written))
    assert content["top"][0]["lists"] == max(map(written.count, written))
    assert set(content["never"]).isdisjoint(written)
    assert len(content["never"]) == 12 - len(set(written))
    shown = typed("recommend", "--all", "-k", "2", "--report", "-C", indexed)
    assert shown.out == output.read_text()
    assert f"recommended  {len(set(written))} of 12 items" in shown.err
    assert typed("recommend", "--like", "one/003.jpg", "--report", "-C", indexed).code == 2


def read_lists(path: Path) -> list[tuple[str, int, str, float]]:
    if path.suffix == ".parquet":
        from pyarrow import parquet

        records = parquet.read_table(path).to_pylist()
    elif path.suffix == ".jsonl":
        records = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        records = list(csv.DictReader(io.StringIO(path.read_text())))
    return [(row["id"], int(row["rank"]), row["similar_id"], float(row["score"])) for row in records]


def test_index_says_why_there_is_no_approximate_index_and_has_done_the_rest(
    typed: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "photos", range(8))
    monkeypatch.setattr(ann, "THRESHOLD", 5)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(ann, "build_snapshot", full)
        done = typed("index", tmp_path / "photos")
    assert done.code == 0
    assert "added 8" in done.out
    (line,) = [line for line in done.err.splitlines() if "approximate" in line]
    assert os.strerror(errno.ENOSPC) in line
    assert "approximate index missing" in typed("info", "-C", tmp_path / "photos").out
    again = typed("index", tmp_path / "photos")
    assert (again.code, "approximate" in again.err) == (0, False)
    assert "approximate over 8" in typed("info", "-C", tmp_path / "photos").out


def test_index_makes_the_catalogue_equal_to_the_folder(typed: Call, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    paths = write_pictures(folder, range(8))
    first = typed("index", folder, "--format", "json").json()
    assert (first["added"], first["unchanged"]) == (8, 0)

    again = typed("index", folder, "--format", "json").json()
    assert (again["added"], again["unchanged"], again["generation"]) == (0, 8, first["generation"])
    assert again["ann_refused"] is None

    picture(99).save(paths[0])  # changed
    paths[1].rename(folder / "moved é.jpg")
    paths[2].unlink()
    picture(50).save(folder / "new.png")
    plan = typed("index", folder, "--dry-run", "--format", "json").json()
    done = typed("index", folder, "--format", "json").json()
    for counts in (plan, done):
        assert [counts[name] for name in ("added", "updated", "moved", "removed", "unchanged")] == [
            1,
            1,
            1,
            1,
            5,
        ]
    with seealike.open(folder / ".seealike") as catalog:
        assert sorted(item.id for item in catalog.items()) == sorted(
            path.name for path in folder.iterdir() if path.name != ".seealike"
        )


def test_an_unmounted_source_is_not_taken_for_a_deletion(typed: Call, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    paths = write_pictures(folder, range(6))
    catalog = tmp_path / "catalog"
    assert typed("index", folder, "-C", catalog).code == 0
    for path in paths[:5]:
        path.unlink()
    kept = typed("index", folder, "-C", catalog)
    assert "--prune-missing" in kept.out
    assert typed("info", "-C", catalog, "--format", "json").json()["items"] == 6
    pruned = typed("index", folder, "-C", catalog, "--prune-missing", "--format", "json").json()
    assert (pruned["removed"], pruned["missing"]) == (5, 0)
    shutil.rmtree(folder)
    gone = typed("index", folder, "-C", catalog)
    assert gone.code == 1
    assert gone.err.count("\n") == 1


def test_the_report_lists_every_skipped_file(typed: Call, indexed: Path, tmp_path: Path) -> None:
    report = tmp_path / "skipped.jsonl"
    assert typed("index", indexed, "--report", report).code == 0
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert {(row["id"], row["reason"]) for row in rows} == {
        ("empty.jpg", "empty_file"),
        ("notes.txt", "not_an_image"),
    }
    assert all(Path(row["path"]).is_absolute() and row["detail"] for row in rows)


def test_rm_takes_items_out_and_refuses_unknown_ids_as_a_whole(typed: Call, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    write_pictures(folder, range(4))
    typed("index", folder)
    refused = typed("rm", "000.jpg", "nothing.jpg", "-C", folder)
    assert refused.code == 1
    assert "nothing.jpg" in refused.err
    done = typed("rm", "000.jpg", "001.jpg", "-C", folder)
    back = "what is still in a source comes back with the next `seealike index`"
    assert (done.code, done.err) == (0, f"removed 2; 2 items left; {back}\n")
    with seealike.open(folder / ".seealike") as catalog:
        assert [item.id for item in catalog.items()] == ["002.jpg", "003.jpg"]


def test_verify_is_content_with_a_sound_catalogue(typed: Call, indexed: Path) -> None:
    shown = typed("verify", "-C", indexed)
    assert shown.code == 0
    assert "12 items: ok" in shown.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("search", "x.jpg", "--catalog", "nowhere"), 1, "there is no "),
        (("index", "nowhere"), 1, "nowhere"),
        (("search", "--id", "nothing", "--catalog", "{photos}"), 1, "no item has the id 'nothing'"),
        (("search", "nothing.jpg", "--catalog", "{photos}"), 1, "unreadable"),
        (("search", "--catalog", "{photos}"), 2, "FILE"),
        (("recommend", "--catalog", "{photos}"), 2, "--all"),
        (("index", "{photos}", "--encoder", "nonsense"), 2, "efficientnet-lite0"),
        (("recommend", "--all", "-o", "x.xlsx", "-C", "{photos}"), 2, "csv"),
    ],
)
def test_a_wrong_call_is_one_line_and_an_exit_code(
    typed: Call, indexed: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    shown = typed(*(argument.format(photos=indexed) for argument in arguments))
    assert shown.code == code
    assert said in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_a_gallery_is_one_file_that_loads_nothing(typed: Call, indexed: Path, tmp_path: Path) -> None:
    page = tmp_path / "found.html"
    assert typed("search", "--id", "one/001.jpg", "-C", indexed, "--gallery", page).code == 0
    html = page.read_text()
    assert html.count("data:image/") >= 11
    assert 'src="http' not in html
    assert "one/001.jpg" in html


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of five products with names and prices, two of them photos of one product."""
    folder = tmp_path_factory.mktemp("shop")
    write_pictures(folder, range(5))
    rows = [
        f"p{i},{i:03}.jpg,{'pair' if i < 2 else i},Lamp <{i}>,SKU {i},{i + 0.5},{i * 7}" for i in range(5)
    ]
    (folder / "table.csv").write_text("\n".join(["id,path,group,Name,sku,price,stock", *rows]))
    assert run(["index", str(folder / "table.csv"), "--quiet"]) == 0
    return folder


def test_a_page_says_names_prices_and_what_is_the_same_product(
    typed: Call, shop: Path, tmp_path: Path
) -> None:
    page = tmp_path / "sub" / "found.html"
    page.parent.mkdir()
    assert typed("search", "--id", "p0", "-C", shop, "--pictures", "--gallery", page).code == 0
    html = page.read_text()
    for i in range(5):
        assert f"Lamp &lt;{i}&gt;</bdi>" in html
        assert f'title="price {i + 0.5}\N{NO-BREAK SPACE}· SKU {i}\N{NO-BREAK SPACE}· stock {i * 7}"' in html
    card = next(card for card in html.split("<figure>") if "Result" in card and "Lamp &lt;1&gt;" in card)
    assert 'class="label">same product<' in card
    assert html.count("same product") == 1
    links = re.findall(r'<a class="view" href="([^"]+)"', html)
    assert sorted((page.parent / link).resolve() for link in links) == sorted(shop.resolve().glob("*.jpg"))


def test_a_page_has_another_caption_and_no_links_where_that_is_asked_for(
    typed: Call, shop: Path, tmp_path: Path
) -> None:
    page = tmp_path / "found.html"
    search = ("search", "--id", "p0", "-C", shop)
    assert typed(*search, "--gallery", page, "--caption", "sku", "--no-links").code == 0
    html = page.read_text()
    assert "SKU 3</bdi>" in html
    assert 'href="' not in html.replace('href="data:', "").replace('href="#', "")
    wrong = typed(*search, "--gallery", page, "--caption", "colour")
    assert (wrong.code, wrong.out) == (2, "")
    assert "no picture on the page has a column 'colour'; there are Name, price, sku, stock" in wrong.err
    assert typed(*search, "--no-links").code == 2


def test_a_page_shows_what_was_not_liked(typed: Call, shop: Path, tmp_path: Path) -> None:
    page = tmp_path / "found.html"
    assert typed("recommend", "--like", "p0", "--not", "p4", "-C", shop, "--gallery", page).code == 0
    html = page.read_text()
    assert "<bdi>Lamp &lt;0&gt; but not Lamp &lt;4&gt;</bdi>" in html
    assert re.search(r'<div class="picture p\d disliked">.*?class="label">not<', html)
    assert html.count("url(data:image/jpeg") == 4  # not the other picture of what is liked


def test_a_source_with_files_of_which_none_can_be_used_ends_with_one_and_the_first_reason(
    typed: Call, tmp_path: Path
) -> None:
    (tmp_path / "notes").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "notes" / name).write_text("no picture")
    done = typed("index", tmp_path / "notes")
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert "out of 2 files: the first is a.txt (not_an_image: " in line
    write_pictures(tmp_path / "images", range(2))
    (tmp_path / "products.csv").write_text("path\n000.jpg\n001.jpg\n")
    done = typed("index", tmp_path / "products.csv", "-C", tmp_path / "c")
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert "000.jpg" in line
    assert "--root DIR" in line
    done = typed("index", tmp_path / "products.csv", "-C", tmp_path / "c", "--root", tmp_path / "images")
    assert done.code == 0
    assert done.out.startswith("added 2 ")
    (tmp_path / "empty").mkdir()
    done = typed("index", tmp_path / "empty")
    assert (done.code, "there is nothing to index in" in done.err) == (1, True)
    assert "`seealike serve --create` begins without pictures" in done.err
    assert list((tmp_path / "empty").iterdir()) == []  # nor is a catalogue left there


def test_sources_are_added_brought_up_to_date_together_listed_and_forgotten(
    typed: Call, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "one", range(3))
    write_pictures(tmp_path / "two", range(3))
    place = tmp_path / "c"
    typed("index", tmp_path / "one", "-C", place, "-q")
    assert typed("index", tmp_path / "two", "-C", place, "--prefix", "b/").out.startswith("added 3 ")
    write_pictures(tmp_path / "two", range(3, 4))
    assert typed("index", "-C", place).out.startswith("added 1  updated 0  moved 0  removed 0  unchanged 6 ")
    listed = typed("info", "-C", place).out
    assert f"{tmp_path / 'one'}/: 3 items" in listed
    assert f"{tmp_path / 'two'}/: 4 items, 0 skipped, ids begin with b/" in listed
    told = typed("info", "-C", place, "--format", "json").json()["sources"]
    assert [(source["items"], source["prefix"]) for source in told] == [(3, ""), (4, "b/")]
    shutil.rmtree(tmp_path / "one")
    done = typed("index", "-C", place)
    assert (done.code, "there is no" in done.err) == (1, True)
    assert done.out.startswith("added 0  updated 0  moved 0  removed 0  unchanged 4 ")  # the other one's
    assert (
        typed("index", "--forget", tmp_path / "one", "-C", place, "--format", "json").json()["removed"] == 3
    )
    assert typed("index", "-C", place).code == 0
    assert typed("index", "--forget", tmp_path / "one", "-C", place).code == 1
    assert typed("index", "--forget", "-C", place).code == 2
    assert typed("index", "--forget", tmp_path / "two", "-C", place, "--dry-run").code == 2
    assert typed("info", "-C", place, "--format", "json").json()["items"] == 4


def test_a_prefix_without_a_slash_says_what_ids_become(typed: Call, tmp_path: Path) -> None:
    write_pictures(tmp_path / "one", range(2))
    for prefix, said in (("b", "ids become bNAME; for b/NAME say --prefix b/\n"), ("b/", ""), ("b-", "")):
        done = typed("index", tmp_path / "one", "-C", tmp_path / "c", "--prefix", prefix)
        assert (done.code, done.err) == (0, said)
        with seealike.open(tmp_path / "c") as catalog:
            assert [item.id for item in catalog.items()] == [f"{prefix}000.jpg", f"{prefix}001.jpg"]


def test_a_folder_that_holds_a_catalogue_stands_for_it_also_where_a_source_is_added(
    typed: Call, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "one", range(2))
    write_pictures(tmp_path / "two", range(2))
    typed("index", tmp_path / "one", "-q")
    assert typed("index", tmp_path / "two", "-C", tmp_path / "one", "--prefix", "b/").out.startswith(
        "added 2 "
    )
    assert typed("info", "-C", tmp_path / "one", "--format", "json").json()["items"] == 4


def test_names_that_a_shell_made_of_a_pattern_are_refused_with_the_remedy(
    typed: Call, tmp_path: Path
) -> None:
    one, two = write_pictures(tmp_path, range(2))
    done = typed("index", one, two)
    assert (done.code, "put a pattern in quotes" in done.err) == (2, True)


def test_a_catalogue_below_a_folder_is_named_where_the_folder_is_opened(
    indexed: Path, tmp_path: Path
) -> None:
    shutil.copytree(indexed, tmp_path / "above", dirs_exist_ok=True)
    below = next((tmp_path / "above").rglob("manifest.json")).parent
    below.rename(tmp_path / "above" / ".seealike")
    with pytest.raises(NoCatalogError, match=re.escape(f"open {tmp_path / 'above' / '.seealike'}")):
        seealike.open(tmp_path / "above")


def test_a_score_that_no_metric_gives_is_refused_as_a_limit(typed: Call, indexed: Path) -> None:
    wrong = typed("search", "--id", "absent", "-C", indexed, "--min-score", "2")
    assert wrong.code == 2
    assert "-2" in wrong.err


def test_results_are_among_what_matches(typed: Call, shop: Path) -> None:
    def ids(*arguments: str) -> set[str]:
        found = typed("search", "--id", "p0", "-C", shop, "--pictures", *arguments, "--format", "csv")
        assert found.code == 0
        return {row["id"] for row in csv.DictReader(found.out.splitlines())}

    assert ids() == {"p1", "p2", "p3", "p4"}
    assert ids("--where", "price > 1 and stock < 28") == {"p1", "p2", "p3"}
    assert ids("--where", "price > 1", "--where", "stock = 7 or stock = 28") == {"p1", "p4"}
    assert ids("--same", "group") == {"p1"}
    assert ids("--other", "group", "--where", "sku != 'SKU 3'") == {"p2", "p4"}
    page = shop / "none.html"
    none = typed("search", "--id", "p0", "-C", shop, "--where", "price > 1000", "--gallery", page)
    assert none.out == "nothing similar to p0: no other item keeps the condition: price > 1000\n"
    html = page.read_text("utf-8")
    assert "Nothing similar: no other item keeps the condition: price &gt; 1000." in html
    both = typed("search", "--id", "p0", "-C", shop, "--where", "price > 2", "--min-score", "0.999").out
    assert "no other item keeps the condition: price > 2 and has a score of 0.999 or more; leave one" in both
    assert "with price &gt; 1000." in html
    assert "closest first" not in html
    lists = typed("recommend", "--all", "-C", shop, "--where", "price < 2", "--quiet")
    pairs = {(row["id"], row["similar_id"]) for row in csv.DictReader(lists.out.splitlines())}
    assert {similar_id for _, similar_id in pairs} == {"p0", "p1"}
    assert {item_id for item_id, _ in pairs} == {"p2", "p3", "p4"}  # a product is not in its own lists


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--where", "prize < 3"),
            "unknown column 'prize' at character 1; known: Name, price, sku",
        ),
        (("--where", "price <"), "cannot read the condition 'price <' at its end: a value is expected"),
        (("--same", "colour"), "unknown column 'colour'"),
        (
            ("--where", "price > 1000", "--where", "price > 1) or (price < 30"),
            "cannot read the condition 'price > 1) or (price < 30' at character 10",
        ),
        (("--where", "modified > 2024-13-45"), "there is no such day as 2024-13-45, at character 12"),
        (("--palette", "red", "--color", "0"), "with color 0 a palette counts for nothing"),
        (("--where", "price < " + "9" * 5000), "the number at character 9 has 5,000 digits"),
    ],
)
def test_a_condition_that_does_not_fit_is_a_usage_error_in_one_line(
    typed: Call, shop: Path, arguments: tuple[str, ...], said: str
) -> None:
    found = typed("search", "--id", "p0", "-C", shop, *arguments)
    assert (found.code, found.out, found.err.count("\n")) == (2, "", 1)
    assert said in found.err


@pytest.mark.parametrize(
    "command", ["calibrate", "duplicates", "eval", "index", "info", "ls", "map", "reindex", "rm", "verify"]
)
def test_a_command_for_one_catalogue_refuses_a_second(typed: Call, tmp_path: Path, command: str) -> None:
    arguments = {"index": (tmp_path,), "eval": ("--label", "sku"), "rm": ("p0",)}.get(command, ())
    done = typed(command, *arguments, "-C", tmp_path / "a", "-C", tmp_path / "b")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].endswith(f"{command} works on one catalogue; say --catalog once")
    assert not list(tmp_path.iterdir())
