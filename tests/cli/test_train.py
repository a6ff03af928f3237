"""``seealike train`` as a person types it: what is refused before anything is computed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.lessons import write_shapes

import seealike
from seealike.cli.main import run
from seealike.training import run as training_run

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    with seealike.create(folder / "shapes.catalog") as catalog:
        catalog.index(write_shapes(folder, 12))
    return folder / "shapes.catalog"


@pytest.fixture
def typed(capfd: pytest.CaptureFixture[str], shapes: Path, tmp_path: Path) -> Call:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["train", "-C", str(shapes), "-o", str(tmp_path / "new.onnx"), *arguments])
        captured = capfd.readouterr()
        assert not (tmp_path / "new.onnx").exists()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def extra_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_run, "_NEEDED", ())


def test_without_the_extra_one_line_says_how_to_get_it(typed: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_run, "_NEEDED", ("a_package_that_nobody_has",))
    code, out, err = typed("--label", "shape")
    assert (code, out) == (1, "")
    how = f"{sys.executable} -m pip install 'seealike[torch]'"
    assert err == f"seealike: training needs an optional package: {how}\n"
    assert importlib.util.find_spec("a_package_that_nobody_has") is None


@pytest.mark.parametrize("arguments", [(), ("--label", "shape", "--group")])
def test_one_of_label_and_group_must_be_given(typed: Call, arguments: tuple[str, ...]) -> None:
    code, _, err = typed(*arguments)
    assert code == 2
    assert "--label COLUMN, or --group" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--label", "colour"), "colour"),
        (("--label", "shape", "--split", "colour"), "colour"),
        (("--label", "shape", "--split-by", "colour"), "colour"),
        (("--label", "shape", "--split", "person"), "no value train"),
        (("--label", "id_of_nobody"), "id_of_nobody"),
        (("--label", "shape", "--backbone", "timm:resnet18"), "--backbone is for --method full"),
        (
            ("--label", "shape", "--ignore-label", "ellipse", "--ignore-label", "triangle"),
            "1 different values",
        ),
        (("--label", "shape", "--loss", "hinge"), "hinge"),
        (("--label", "shape", "--dimension", "1"), "--dimension"),
        (("--label", "shape", "-o", "products.json"), "call it products.json.onnx"),
    ],
)
@pytest.mark.usefixtures("extra_is_there")
def test_what_makes_no_sense_is_refused_in_one_line(
    typed: Call, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = typed(*arguments)
    assert code == 2
    assert out == ""
    assert said in err
    assert "Traceback" not in err


@pytest.mark.usefixtures("extra_is_there")
def test_too_few_items_to_judge_are_refused(typed: Call) -> None:
    code, _, err = typed("--label", "shape", "--split-by", "person")
    assert code == 2
    assert "too few to tell anything" in err


@pytest.mark.usefixtures("extra_is_there")
def test_a_table_with_the_cards_name_is_left_alone(typed: Call, tmp_path: Path) -> None:
    table = tmp_path / "products.json"
    table.write_text("[]", "utf-8")
    code, _, err = typed("--label", "shape", "-o", str(tmp_path / "products.onnx"))
    assert code == 2
    assert err.count("\n") == 1
    assert "choose another --output" in err
    assert table.read_text("utf-8") == "[]"
