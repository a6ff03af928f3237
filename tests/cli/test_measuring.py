"""``eval`` and ``compare`` as a person types them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from tests.made_models import save_model
from tests.pictures import write_kinds, write_pictures

import seealike
from seealike.cli.main import run
from seealike.errors import UsageError
from seealike.evaluation import EvalOptions, evaluate

OTHER = "efficientnet-lite0-v2?size=96&resize=112"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_kinds(folder, ("round", "=square", "corner"), 12)
    assert run(["index", str(folder), "--quiet"]) == 0
    return folder


def test_the_table_the_json_and_the_csv_of_eval_agree_with_python(
    photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with seealike.open(photos / ".seealike") as catalog:
        labels = evaluate(catalog, EvalOptions(label="folder")).labels
    assert labels is not None
    expected = labels.metrics["mAP@R"]
    command = ["eval", "-C", str(photos), "--label", "folder"]
    assert run(command) == 0
    table = capfd.readouterr().out
    assert f"mAP@R         {expected.value:.3f}  {expected.low:.3f} to {expected.high:.3f}" in table
    assert run([*command, "--format", "json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["labels"]["metrics"]["mAP@R"]["value"] == pytest.approx(expected.value, abs=1e-6)
    assert found["copies"] is None
    assert run([*command, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    [row] = [row for row in rows if (row["what"], row["metric"]) == ("label", "mAP@R")]
    assert float(row["low"]) == pytest.approx(expected.low, abs=1e-6)
    assert {row["name"] for row in rows if row["what"] == "class"} == {"round", "'=square", "corner"}


def test_what_will_take_hours_is_said_before_it_begins_and_what_takes_less(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["eval", "-C", str(photos), "--label", "folder", "--max-queries"]
    monkeypatch.setattr("seealike.cli.printing.evaluation.AN_HOUR", 12 * 11)
    assert run([*command, "11"]) == 0
    assert "hours" not in capfd.readouterr().err

    def stopped(*_: object, **__: object) -> None:
        raise UsageError("stopped before anything was measured")

    monkeypatch.setattr("seealike.evaluation.evaluate", stopped)
    assert run([*command, "0"]) == 2
    said = "up to 12 items ask among 12, which takes hours; --max-queries 10000 draws some\n"
    assert capfd.readouterr().err.startswith(said)


def test_eval_writes_a_page_and_results_alone_on_stdout(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "quality.html"
    command = ["eval", "-C", str(photos), "--sample", "3", "--page", str(page), "--format", "json"]
    assert run(command) == 0
    shown = capfd.readouterr()
    assert json.loads(shown.out)["copies"]["pictures"] == 3
    assert shown.err == f"wrote {page}\n"
    assert "Does a copy find its original?" in page.read_text("utf-8")


def test_compare_prints_one_table_and_writes_one_page(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "encoders.html"
    command = ["compare", OTHER, "-C", str(photos), "--label", "folder", "--time", "off"]
    assert run([*command, "--page", str(page)]) == 0
    table = capfd.readouterr().out
    assert "against efficientnet-lite0-v2, on the same queries\nencoder" in table
    assert OTHER in table
    assert run([*command, "--format", "json", "--show", "1"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert [result["encoder"] for result in found["encoders"]] == ["efficientnet-lite0-v2", OTHER]
    assert len(found["contested"]) == 1
    assert run([*command, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    by_name = {(row["encoder"], row["metric"]): row for row in rows}
    difference = float(by_name[OTHER, "mAP@R"]["difference"])
    means = [float(by_name[name, "mAP@R"]["value"]) for name in ("efficientnet-lite0-v2", OTHER)]
    assert difference == pytest.approx(means[1] - means[0], abs=2e-6)
    assert "Which encoder sees best?" in page.read_text("utf-8")


@pytest.fixture(scope="module")
def apart_shop(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Things of three kinds on three tables."""
    folder = tmp_path_factory.mktemp("apart")
    write_kinds(folder / "photos", ("round", "square", "corner"), 12)
    with open(folder / "shop.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "kind", "table"])
        for number, path in enumerate(sorted((folder / "photos").rglob("*.png"))):
            writer.writerow([path.relative_to(folder).as_posix(), path.parent.name, "ABC"[number % 3]])
    assert run(["index", str(folder / "shop.csv"), "--catalog", str(folder / "catalog"), "--quiet"]) == 0
    return str(folder / "catalog")


def test_what_is_set_apart_is_printed_in_every_form_as_python_says_it(
    apart_shop: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with seealike.open(apart_shop) as catalog:
        labels = evaluate(catalog, EvalOptions(label="kind", apart="table", k=3)).labels
    assert labels is not None
    assert labels.apart is not None
    asked = ["-C", apart_shop, "--label", "kind", "--apart", "table", "-k", "3"]
    assert run(["eval", *asked]) == 0
    printed = capfd.readouterr().out
    found, change = labels.apart.metrics["mAP@R"], labels.apart.changes["mAP@R"]
    assert f"apart: {labels.apart.queries} queries, each among items of another table" in printed
    assert f"{found.value:.3f}  {found.low:.3f} to {found.high:.3f}" in printed
    assert f"{change.value:+.3f}" in printed
    assert "of the nearest 3 among all items, those of the query's own table" in printed
    assert f"{labels.apart.same.value:.3f}  {labels.apart.same.low:.3f} to" in printed
    assert run(["eval", *asked, "--format", "json"]) == 0
    kept = json.loads(capfd.readouterr().out)["labels"]["apart"]
    assert kept["metrics"]["mAP@R"]["low"] == pytest.approx(found.low, abs=1e-6)
    assert kept["chance"]["value"] == pytest.approx(labels.apart.chance.value, abs=1e-6)
    assert run(["eval", *asked, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    by_name = {(row["what"], row["name"], row["metric"]): float(row["value"]) for row in rows}
    assert by_name["apart", "table", "mAP@R"] == pytest.approx(found.value, abs=1e-6)
    assert by_name["apart, change", "table", "mAP@R"] == pytest.approx(change.value, abs=1e-6)
    assert by_name["apart", "table", "same@3"] == pytest.approx(labels.apart.same.value, abs=1e-6)


def test_what_smaller_vectors_cost_is_printed_in_every_form_as_python_says_it(
    apart_shop: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with seealike.open(apart_shop) as catalog:
        labels = evaluate(catalog, EvalOptions(label="kind", vectors=("16", "int8"), k=3)).labels
    assert labels is not None
    short, _ = labels.vectors
    asked = ["eval", "-C", apart_shop, "--label", "kind", "--vectors", "16, int8", "-k", "3"]
    assert run(asked) == 0
    printed = capfd.readouterr().out
    assert "smaller vectors of the same encoder, on the same queries; in common: of the nearest 3" in printed
    assert f"{short.metrics['mAP@R'].value:.3f}" in printed
    assert f"{short.changes['mAP@R'].value:+.4f} (" in printed
    assert run([*asked, "--format", "json"]) == 0
    kept = json.loads(capfd.readouterr().out)["labels"]["vectors"]
    assert [one["name"] for one in kept] == ["16", "int8"]
    assert run([*asked, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    by_name = {(row["what"], row["name"], row["metric"]): float(row["value"]) for row in rows}
    assert by_name["vectors, change", "16", "mAP@R"] == pytest.approx(short.changes["mAP@R"].value, abs=1e-6)
    assert by_name["vectors", "16", "overlap@3"] == pytest.approx(short.overlap, abs=1e-6)
    assert by_name["vectors", "16", "bytes"] == 32


def test_what_compare_sets_apart_is_printed_as_the_csv_says_it(
    apart_shop: str, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = ["-C", apart_shop, "--label", "kind", "--apart", "table", "-k", "3"]
    compared = ["compare", OTHER, *asked, "--time", "off", "--show", "0"]
    assert run(compared) == 0
    printed = capfd.readouterr().out
    assert "queries, each among items of another table; of the nearest 3" in printed
    assert "own table, difference" in printed
    assert run([*compared, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    same = {row["encoder"]: row for row in rows if row["metric"] == "apart same@3"}
    assert f"  {float(same[OTHER]['value']):.3f}  {float(same[OTHER]['low']):.3f} to" in printed
    assert f"  {float(same[OTHER]['difference']):+.3f}  " in printed
    difference = float(same[OTHER]["value"]) - float(same["efficientnet-lite0-v2"]["value"])
    assert float(same[OTHER]["difference"]) == pytest.approx(difference, abs=2e-6)


def test_the_catalogues_encoder_is_named_at_its_new_place(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEALIKE_CACHE", str(tmp_path / "cache"))
    model = save_model(tmp_path / "model.onnx")
    write_pictures(tmp_path / "photos", range(6))
    spec = f"onnx:{model}?size=16&norm=half&layer=map&pool=max"
    photos, elsewhere = str(tmp_path / "photos"), tmp_path / "elsewhere.onnx"
    assert run(["index", photos, "--encoder", spec, "--link-encoder", "--quiet"]) == 0
    few = ["-C", photos, "--sample", "2", "--quiet"]
    before = [["eval", *few], ["compare", OTHER, *few, "--time", "off"]]
    assert [run([*command, "--format", "csv"]) for command in before] == [0, 0]
    wanted = capfd.readouterr().out
    model.rename(elsewhere)
    (tmp_path / "photos" / ".seealike" / "measured.json").unlink()  # what was remembered
    for command in before:
        assert run(command) == 1
        said = capfd.readouterr().err
        assert f"the model file {model} that" in said
        assert said.endswith("if it lies elsewhere now, say so: --encoder onnx:FILE\n")
        moved = [*command, "--encoder", f"onnx:{elsewhere}", "--format", "csv"]
        assert run(moved) == 0
        assert capfd.readouterr().out.replace("elsewhere.onnx", "model.onnx") in wanted
    assert run(["map", *few[:2], "-o", str(tmp_path / "map.html"), "--quiet"]) in (0, 1)  # needs no encoder
    assert "model file" not in capfd.readouterr().err


def test_a_label_to_ignore_that_nothing_has_is_said_once_on_stderr(
    photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = ["-C", str(photos), "--label", "folder", "--ignore-label", "corner", "--ignore-label", "cornre"]
    for command in (["eval"], ["compare", OTHER, "--time", "off"]):
        assert run([*command, *asked, "--format", "json"]) == 0
        shown = capfd.readouterr()
        assert shown.err == "--ignore-label: no item has the label 'cornre'\n"
        json.loads(shown.out)
        assert run([*command, *asked, "--quiet"]) == 0
        assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["eval", "--label", "colour"], 2, "unknown label 'colour'; known: folder, prefix"),
        (["eval", "--label", "folder", "--only", "split ="], 2, "at its end: a value is expected"),
        (["eval", "--label", "folder", "--only", "split=x"], 2, "unknown column 'split'"),
        (["eval", "--queries", "x"], 2, "add --label COLUMN"),
        (
            ["eval", "--label", "folder", "--vectors", "int4"],
            2,
            "a number of dimensions, int8, or both as in",
        ),
        (["eval", "--label", "folder", "--vectors", "1280"], 2, "have 1,280 numbers, and 1280 is no fewer"),
        (["eval", "--apart", "sender"], 2, "another sender do needs a label: add --label COLUMN"),
        (["eval", "--label", "folder", "--apart", "sender"], 2, "unknown column 'sender'; known: folder, p"),
        (["compare", OTHER, "--label", "folder", "--apart", "prefix"], 2, "name another by --apart"),
        (["eval", "--label", "folder", "--queries", "no-such-folder"], 1, "no-such-folder"),
        (["compare", "efficientnet-lite0-v2"], 2, "name an encoder to compare efficientnet-lite0-v2 with"),
        (["compare", "nonesuch"], 2, "unknown encoder 'nonesuch'"),
    ],
)
def test_every_failure_is_one_line_with_a_remedy(
    photos: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    assert run([*arguments, "-C", str(photos)]) == code
    shown = capfd.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert shown.err.count("\n") == 1
