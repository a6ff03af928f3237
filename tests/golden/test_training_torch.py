"""Training itself, on small drawn pictures: it learns what is there, refuses what is not, and goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.lessons import lesson, write_shapes

import seealike
from seealike.cli.main import run
from seealike.encoders import read_card, record_of, write_card
from seealike.errors import EncoderError
from seealike.evaluation import EvalOptions, evaluate
from seealike.testing import sample_pixels
from seealike.training import Labelling, Loss, Method, Point, Recipe, Splitting, TrainOptions, train
from seealike.training.judge import map_at_r
from seealike.training.teach.checkpoint import Checkpoint
from seealike.training.teach.loop import Plan, Progressed, fit

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_metric_learning")
pytest.importorskip("safetensors")
onnx = pytest.importorskip("onnx")

pytestmark = pytest.mark.torch
SIZE = TrainOptions(Labelling("size"), Splitting(by="person"), Recipe(epochs=8))


@pytest.fixture(scope="module")
def catalog_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    with seealike.create(folder / "shapes.catalog") as catalog:
        catalog.index(write_shapes(folder, 240))
    return folder / "shapes.catalog"


class Forgetful:
    """Keeps nothing."""

    def load(self) -> Progressed | None:
        return None

    def save(self, progressed: Progressed) -> None:
        pass


def unheard(_: Point) -> None:
    pass


@pytest.mark.parametrize("loss", list(Loss))
def test_every_loss_learns_a_planted_problem(loss: Loss) -> None:
    from seealike.training.teach.head import HeadTrainee, LabelledVectors, embedded

    made = lesson(np.arange(600) % 4, np.arange(600))
    train_part, test = (
        LabelledVectors(made.vectors[a:b], made.targets[a:b]) for a, b in ((0, 400), (400, 600))
    )
    pupil = HeadTrainee(train_part, test, 4, Recipe(loss=loss, dimension=16, epochs=10), map_at_r)
    outcome = fit(pupil, Plan(10, 10), Forgetful(), unheard)
    pupil.use(outcome.best)
    before = map_at_r(test.vectors, test.targets)
    after = map_at_r(embedded(pupil.network, test.vectors), test.targets)
    assert outcome.curve[-1].loss < outcome.curve[0].loss
    assert after > before + 0.2
    assert after == pytest.approx(outcome.best_point.score)


def test_vectors_in_a_file_teach_the_very_same_encoder(
    catalog_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    for held in (1 << 29, 0):
        monkeypatch.setattr("seealike.catalog.vectors.HELD_BYTES", held)
        with seealike.open(catalog_path) as catalog:
            assert isinstance(catalog.vector_rows()[1], np.ndarray) is bool(held)
            train(catalog, str(tmp_path / "shapes.onnx"), replace(SIZE, name="shapes", keep_anyway=True))
        written.append((tmp_path / "shapes.onnx").read_bytes())
    assert written[0] == written[1]


def test_what_is_learnt_is_written_and_runs_as_the_network_did(catalog_path: Path, tmp_path: Path) -> None:
    output = str(tmp_path / "shapes.onnx")
    with seealike.open(catalog_path) as catalog:
        report = train(catalog, output, replace(SIZE, name="shapes"))
        ids, _ = catalog.vectors()
    gain = report.verdict.figure("mAP@R")
    assert gain.before is not None
    assert gain.after.value > gain.before.value + 0.1
    assert report.parity is not None
    assert report.parity.float32 > 0.9999
    assert report.parity.fastest is None or report.parity.fastest > 0.995
    assert not report.precise
    card = read_card(output)
    assert card is not None
    assert (card.name, card.licence) == ("shapes", "Apache-2.0")
    assert len(card.learnt) == 8 * (len(report.split.train) + len(report.split.validation))
    with seealike.create(tmp_path / "new.catalog", encoder=f"onnx:{output}") as new:
        new.index(catalog_path.parent / "table.csv")
        assert new.encoder.dimension == report.dimension == 256
        _, after = new.vectors()
        judged = evaluate(new, EvalOptions(label="size"))
        write_card(output, replace(card, learnt=""))
        flattering = evaluate(new, EvalOptions(label="size")).labels
    # Who did not learn judges, as in the training; all together flatter.
    assert judged.labels is not None
    assert flattering is not None
    assert (judged.seen, judged.labels.queries) == (240 - len(report.split.test), len(report.split.test))
    honest = judged.labels.metrics["mAP@R"].value
    assert honest == pytest.approx(gain.after.value, abs=0.03)
    assert flattering.metrics["mAP@R"].value > honest + 0.03
    place = {item_id: row for row, item_id in enumerate(ids)}
    test = [place[report.lesson.items[row].id] for row in report.split.test]
    figure = map_at_r(after[test], report.lesson.targets[report.split.test])
    assert figure == pytest.approx(gain.after.value, abs=0.03)
    assert not (catalog_path / "training").exists() or not list((catalog_path / "training").iterdir())


def test_labels_that_mean_nothing_are_refused_with_exit_code_1(
    catalog_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "chance.onnx"
    arguments = ["train", "-C", str(catalog_path), "--label", "chance", "-o", str(output), "-q"]
    arguments += ["--epochs", "4"]
    assert run([*arguments, "--format", "json"]) == 1
    said = capfd.readouterr()
    assert not output.exists()
    assert not output.with_suffix(".json").exists()
    assert said.err.startswith("seealike: no encoder was written: ")
    assert said.err.count("\n") == 1
    assert json.loads(said.out)["better"] is False
    assert json.loads(said.out)["parity"] is None
    assert not list((catalog_path / "training").iterdir())  # it is over: nothing goes on from there
    assert run([*arguments, "--keep-anyway"]) == 0
    assert output.exists()
    assert "written although" in capfd.readouterr().out


def test_an_encoder_that_was_taught_is_put_to_use_and_taught_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with seealike.create(tmp_path / "shapes.catalog") as catalog:
        catalog.index(write_shapes(tmp_path, 120))
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    usual = ["train", "-C", str(tmp_path / "shapes.catalog"), "--label", "size", "--keep-anyway", "-q"]
    usual += ["--epochs", "2", "-o"]
    assert run([*usual, str(first)]) == 0
    assert "the file and the network agree: cosine 1.0000" in capfd.readouterr().out
    encoder = ["--encoder", f"onnx:{first}", "--link-encoder"]
    assert run(["reindex", "-C", str(tmp_path / "shapes.catalog"), *encoder, "-q"]) == 0
    before = first.read_bytes()
    assert run([*usual, str(first)]) == 2
    said = capfd.readouterr().err
    assert "is the encoder of this catalogue" in said
    assert said.count("\n") == 1
    assert first.read_bytes() == before
    assert run([*usual, str(second), "--dimension", "32", "--format", "json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["parity"]["float32"] > 0.9999
    card = read_card(str(second))
    assert card is not None
    assert card.source == "a head on first"
    onnx.checker.check_model(onnx.load(str(second)), full_check=True)
    # A linked model that changed after its catalogue was made is not built on.
    first.write_bytes(second.read_bytes())
    assert run([*usual, str(tmp_path / "third.onnx")]) == 1
    assert "was made with encoder first" in capfd.readouterr().err


def test_without_any_picture_the_file_is_compared_all_the_same(tmp_path: Path) -> None:
    with seealike.create(tmp_path / "shapes.catalog") as catalog:
        catalog.index(write_shapes(tmp_path, 60))
        for path in tmp_path.glob("*.jpg"):
            path.unlink()
        options = replace(SIZE, recipe=Recipe(epochs=1), keep_anyway=True)
        report = train(catalog, str(tmp_path / "shapes.onnx"), options)
    assert report.parity is not None
    assert report.parity.float32 > 0.9999


def test_a_head_is_not_written_where_its_file_computes_something_else(
    catalog_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seealike.training.graph import joined as right
    from seealike.training.teach import head

    monkeypatch.setattr(
        head,
        "joined",
        lambda base, found: right(base, replace(found, second=found.second[::-1].copy())),
    )
    output = tmp_path / "wrong.onnx"
    with (
        seealike.open(catalog_path) as catalog,
        pytest.raises(EncoderError, match="does not compute what was learnt"),
    ):
        train(catalog, str(output), replace(SIZE, recipe=Recipe(epochs=1), keep_anyway=True))
    assert not list(tmp_path.iterdir())


def test_how_gradients_are_scaled_goes_on_where_it_was() -> None:
    from seealike.training.teach.precision import MixedPrecision

    def made() -> tuple[MixedPrecision, Any, Any]:
        weight = torch.nn.Parameter(torch.ones(2))
        precision = MixedPrecision(torch.device("cpu"), torch.float16)
        return precision, weight, torch.optim.SGD([weight], lr=0.1)

    first, weight, optimiser = made()
    begun = first.state("scaler.")
    for factor in (float("inf"), 1.0, 1.0):  # one overflow, and two steps without
        first.step((weight * factor).sum(), optimiser)
        optimiser.zero_grad()
    state = first.state("scaler.")
    assert state["scaler.scale"] == begun["scaler.scale"] / 2
    assert state["scaler._growth_tracker"] == 2
    again, weight, optimiser = made()
    again.load("scaler.", {**state, "other": torch.ones(1)})
    assert again.state("scaler.") == state
    again.step(weight.sum(), optimiser)
    assert again.state("scaler.")["scaler._growth_tracker"] == 3
    full = MixedPrecision(torch.device("cpu"), None)
    assert full.state("scaler.") == {}
    full.load("scaler.", state)
    again.load("scaler.", {})  # a checkpoint of before
    assert again.state("scaler.")["scaler.scale"] == state["scaler.scale"]


def test_the_same_seed_gives_the_same_file_and_another_seed_another(
    catalog_path: Path, tmp_path: Path
) -> None:
    def trained(name: str, seed: int) -> bytes:
        options = replace(SIZE, recipe=Recipe(epochs=3, seed=seed), keep_anyway=True)
        with seealike.open(catalog_path) as catalog:
            train(catalog, str(tmp_path / name), options)
        return (tmp_path / name).read_bytes()

    first = trained("a.onnx", 0)
    assert trained("b.onnx", 0) == first
    assert trained("c.onnx", 1) != first


_KILLED = """
import os, sys
import seealike
from seealike.training import *
options = TrainOptions(Labelling("size"), Splitting(by="person"), Recipe(epochs=6), keep_anyway=True)
def passed(point):
    if point.epoch == 3:
        os._exit(9)
with seealike.open(sys.argv[1]) as catalog:
    train(catalog, sys.argv[2], options, passed=passed)
"""


def test_a_training_that_was_killed_goes_on_to_the_same_result(catalog_path: Path, tmp_path: Path) -> None:
    options = replace(SIZE, recipe=Recipe(epochs=6), keep_anyway=True)
    with seealike.open(catalog_path) as catalog:
        whole = train(catalog, str(tmp_path / "whole.onnx"), options)
        command = [sys.executable, "-c", _KILLED, str(catalog_path), str(tmp_path / "killed.onnx")]
        assert subprocess.run(command, check=False, timeout=500).returncode == 9
        again = train(catalog, str(tmp_path / "again.onnx"), options)
    assert (whole.resumed, again.resumed) == (0, 3)
    assert again.curve == whole.curve
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "whole.onnx").read_bytes()


def test_a_checkpoint_is_read_back_and_another_trainings_or_a_damaged_one_is_none(tmp_path: Path) -> None:
    place = Checkpoint(str(tmp_path / "kept"), "this")
    assert place.load() is None
    curve = (Point(1, 0.5, 0.25), Point(2, 0.1, 1 / 3))
    place.save(Progressed(curve, {"a.b": torch.arange(3)}, {"c": torch.ones(2, 2)}))
    found = place.load()
    assert found is not None
    assert found.curve == curve
    assert found.state["a.b"].tolist() == [0, 1, 2]
    assert found.best["c"].tolist() == [[1, 1], [1, 1]]
    assert Checkpoint(str(tmp_path / "kept"), "other").load() is None
    data = Path(place.path).read_bytes()
    Path(place.path).write_bytes(data[: len(data) // 2])
    assert place.load() is None
    place.remove()
    assert not (tmp_path / "kept").exists()


def by_runtime(model: object, pixels: np.ndarray) -> np.ndarray:
    from seealike.encoders.onnx.openvino import import_openvino

    import_openvino()
    import openvino

    core = openvino.Core()
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", config)  # type: ignore[attr-defined]
    return np.array(compiled(pixels)[0])


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))


def test_a_head_computes_in_onnx_what_it_computes_in_torch() -> None:
    from seealike.training.graph import base_model, joined
    from seealike.training.teach.head import embedded, head_weights
    from seealike.training.teach.network import HeadShape, make_head

    torch.manual_seed(3)
    head = make_head(HeadShape(1280, 64, 32))
    base = base_model(record_of("efficientnet-lite0"))
    pixels = sample_pixels(4, 224)
    features = by_runtime(base, pixels)
    wanted = embedded(head, features / np.linalg.norm(features, axis=1, keepdims=True))
    assert cosines(by_runtime(joined(base, head_weights(head)), pixels), wanted).min() >= 0.9999


def test_the_bundled_encoder_goes_into_torch_and_back_unchanged() -> None:
    pytest.importorskip("timm")
    from seealike.training.teach import lite0

    model = onnx.load(record_of("efficientnet-lite0").file)
    pixels = sample_pixels(6, 224)
    planes = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128
    network = lite0.untrained_network()
    lite0.load_folded(network, model, planes)
    with torch.inference_mode():
        there = network.eval()(planes).numpy()
    wanted = by_runtime(model, pixels)
    np.testing.assert_allclose(there, wanted, atol=1e-3)
    np.testing.assert_allclose(by_runtime(lite0.folded_into(network, model), pixels), wanted, atol=1e-3)
    # The statistics are those of the pictures: in training mode it computes the same for them.
    with torch.no_grad():
        assert cosines(network.train()(planes).numpy(), wanted).min() > 0.9999


@pytest.mark.heavy
@pytest.mark.parametrize("backbone", ["efficientnet-lite0", "timm:test_resnet"])
def test_a_whole_encoder_learns_and_runs_as_torch_did(
    backbone: str, catalog_path: Path, tmp_path: Path
) -> None:
    pytest.importorskip("timm")
    if backbone.startswith("timm:"):
        from tests.timm_weights import save_made

        backbone += f"?weights={save_made('test_resnet', tmp_path)}"
    recipe = Recipe(Method.FULL, epochs=2, backbone=backbone)
    options = replace(SIZE, recipe=recipe, keep_anyway=True)
    with seealike.open(catalog_path) as catalog:
        report = train(catalog, str(tmp_path / "full.onnx"), options)
    assert report.curve[1].loss < report.curve[0].loss
    assert report.parity is not None
    assert report.parity.float32 > 0.999


def test_pictures_are_changed_but_stay_pictures_and_the_generator_decides() -> None:
    from seealike.training.teach.augment import Augmentation, augmented

    pictures = torch.from_numpy(sample_pixels(5, 64)).permute(0, 3, 1, 2).float()

    def made(seed: int, how: Augmentation) -> np.ndarray:
        return np.asarray(augmented(pictures, 48, how, torch.Generator().manual_seed(seed)))

    found = made(0, Augmentation())
    assert found.shape == (5, 3, 48, 48)
    assert found.min() >= 0
    assert found.max() <= 255
    assert (found == made(0, Augmentation())).all()
    assert (found != made(1, Augmentation())).any()
    nothing = Augmentation(least_area=1.0, stretch=1.0, flip=0.0, light=0.0, erase=0.0)
    whole = augmented(pictures, 64, nothing, torch.Generator())
    np.testing.assert_allclose(whole.numpy(), pictures.numpy(), atol=1e-2)
    mirrored = augmented(pictures, 64, replace(nothing, flip=1.1), torch.Generator())
    np.testing.assert_allclose(mirrored.numpy(), pictures.flip(3).numpy(), atol=1e-2)


def test_photos_of_products_that_were_never_seen_judge_what_group_learns(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with seealike.create(tmp_path / "groups.catalog") as catalog:
        table = write_shapes(tmp_path, 160)
        table.write_text(table.read_text("utf-8").replace("person", "group"), "utf-8")
        catalog.index(table)
    output, page, log = (tmp_path / name for name in ("g.onnx", "g.html", "g.jsonl"))
    arguments = ["train", "-C", str(tmp_path / "groups.catalog"), "--group", "-o", str(output), "-q"]
    files = ["--page", str(page), "--log", str(log)]
    assert run([*arguments, "--epochs", "2", "--keep-anyway", "--format", "json", *files]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["split"]["unit"] == "group"
    assert not any("classifier" in name or "neighbours" in name for name in report["metrics"])
    assert [json.loads(line) for line in log.read_text("utf-8").splitlines()] == [
        pytest.approx(point, abs=1e-6) for point in report["curve"]
    ]
    assert "Before and after" in page.read_text("utf-8")


@pytest.mark.heavy
def test_a_whole_encoders_training_goes_on_to_the_same_result(catalog_path: Path, tmp_path: Path) -> None:
    pytest.importorskip("timm")
    from tests.timm_weights import save_made

    backbone = f"timm:test_resnet?weights={save_made('test_resnet', tmp_path)}"
    recipe = Recipe(Method.FULL, epochs=3, backbone=backbone)
    options = replace(SIZE, recipe=recipe, keep_anyway=True)

    def stop(point: Point) -> None:
        if point.epoch == 2:
            raise KeyboardInterrupt

    with seealike.open(catalog_path) as catalog:
        whole = train(catalog, str(tmp_path / "whole.onnx"), options)
        with pytest.raises(KeyboardInterrupt):
            train(catalog, str(tmp_path / "again.onnx"), options, passed=stop)
        again = train(catalog, str(tmp_path / "again.onnx"), options)
    assert again.resumed == 2
    assert again.curve == whole.curve
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "whole.onnx").read_bytes()
