"""The thorough way: the whole encoder on the pictures themselves, from the last layers to the first."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from seealike.errors import UsageError
from seealike.rows import chosen
from seealike.training.data.pixels import decoded
from seealike.training.graph import joined
from seealike.training.judge import asking, map_at_r
from seealike.training.options import Loss
from seealike.training.teach import head
from seealike.training.teach.augment import Augmentation, augmented
from seealike.training.teach.head import head_weights, threads_for
from seealike.training.teach.loop import fit, plan_for
from seealike.training.teach.network import (
    HeadShape,
    Objective,
    load_optimiser,
    load_tensors,
    make_head,
    optimiser_tensors,
    tensors_of,
)
from seealike.training.teach.precision import MixedPrecision, precision_for
from seealike.training.teach.schedule import Cosine, batch_size_for, batches
from seealike.training.teach.taught import Taught
from seealike.training.teach.trunk import LITE0, open_trunk
from seealike.training.trial import Trial, filled_up
from seealike.types import Fit

if TYPE_CHECKING:
    import torch

    from seealike.training.data.lesson import Lesson
    from seealike.training.data.split import Split
    from seealike.training.options import Recipe
    from seealike.training.teach.loop import Keeper, Point, Tensors
    from seealike.training.teach.trunk import Trunk
    from seealike.types import Float32Array, Int64Array, PixelArray, Preprocessing, ProgressCallback


BATCH = 32
HEAD_RATE, TRUNK_RATE, PART_DECAY = 1e-3, 3e-4, 0.9
WEIGHT_DECAY, WARM_UP, AVERAGE = 0.05, 0.06, 0.995
HEAD_PASSES = 12
STAGES = ((0.08, 2 / 3), (0.2, 1 / 3), (1.0, 0.0))
"""Up to which share of the passes which share of the network's parts is frozen."""
SEEN_SIDE = 0.8
"""Parts cut out are shown at this share of the side: things then look as large as whole pictures show them
later (Touvron et al. 2019, "Fixing the train-test resolution discrepancy"), and a pass takes less time."""
_EVAL_BATCH = 64
_AVERAGE, _NOW, _SCALER = "average.", "now.", "scaler."


@dataclass(frozen=True, slots=True)
class LabelledPictures:
    """Pictures with their classes.

    Shapes: whole is (n, s, s, 3), to cut parts out of; prepared is (n, h, w, 3), as the encoder will see
    them; targets is (n,). All pictures are uint8, RGB.
    """

    whole: PixelArray
    prepared: PixelArray
    targets: Int64Array


class FullTrainee:
    """An encoder in training; see :class:`~seealike.training.teach.loop.Trainee`."""

    def __init__(
        self,
        trunk: Trunk,
        train: LabelledPictures,
        validation: LabelledPictures,
        classes: int,
        recipe: Recipe,
        score: head.Judge,
    ) -> None:
        """Draw the first weights of what is new. ``score``: see ``HeadTrainee``."""
        import torch

        torch.manual_seed(recipe.seed)
        self.trunk, self._train, self._validation = trunk, train, validation
        self._classes, self._recipe, self._score = classes, recipe, score
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        shape = HeadShape(
            trunk.features,
            head.HIDDEN,
            recipe.dimension or head.DIMENSION,
            drop_in=head.DROP_IN,
            drop=head.DROP,
        )
        self.network = make_head(shape).to(self._device)
        self.objective = Objective(recipe.loss or Loss.PROXY, classes, shape, head.TEMPERATURE)
        self.objective.modules.to(self._device)
        trunk.network.to(self._device, memory_format=torch.channels_last)
        self._precision = precision_for(trunk.network, self._device)
        self._optimiser = torch.optim.AdamW(self._groups(), weight_decay=WEIGHT_DECAY)
        self._size = batch_size_for(len(train.targets), BATCH)
        self._batches = len(batches(train.targets, self._size, 0, 0))
        self._epochs = plan_for(recipe).epochs
        self._rate = Cosine(1.0, self._batches * self._epochs, WARM_UP)
        self._average = self._now()

    @property
    def precision(self) -> MixedPrecision:
        """What the network computes in while it learns."""
        return self._precision

    def train(self, epoch: int) -> float:
        """Make one pass; the mean loss. The first begins with a head on the features there are."""
        import torch

        if epoch == 1:
            self._begin_with_a_head()
        torch.manual_seed(self._recipe.seed * 1_000_003 + epoch)
        generator = torch.Generator().manual_seed(self._recipe.seed * 1_000_003 + epoch)
        self._unfreeze(epoch)
        total = 0.0
        for number, rows in enumerate(batches(self._train.targets, self._size, self._recipe.seed, epoch)):
            step = (epoch - 1) * self._batches + number
            for group in self._optimiser.param_groups:
                group["lr"] = group["peak"] * self._rate.at(step)
            total += self._step(rows, generator) * len(rows)
            self._follow(step)
        return total / len(self._train.targets)

    def validate(self) -> float:
        """The score of the averaged weights among the validation items."""
        with self._averaged():
            vectors = self.embedded(self._validation.prepared)
        return self._score(vectors, self._validation.targets)

    def state(self) -> Tensors:
        """Weights as they are and averaged, what the optimiser remembers, and how gradients are scaled."""
        tensors = {f"{_AVERAGE}{name}": value.clone() for name, value in self._average.items()}
        tensors |= {f"{_NOW}{name}": value for name, value in self._now().items()}
        tensors |= self._precision.state(_SCALER)
        return {**tensors, **optimiser_tensors("optimiser.", self._optimiser)}

    def load(self, state: Tensors) -> None:
        """Go back to what ``state`` returned."""
        here = {name: value.to(self._device) for name, value in state.items()}
        self.use({name.removeprefix(_NOW): v for name, v in here.items() if name.startswith(_NOW)})
        self._average = {
            name.removeprefix(_AVERAGE): v for name, v in here.items() if name.startswith(_AVERAGE)
        }
        load_optimiser("optimiser.", self._optimiser, here)
        self._precision.load(_SCALER, state)

    def weights(self) -> Tensors:
        """The averaged weights."""
        return {name: value.clone() for name, value in self._average.items()}

    def use(self, weights: Tensors) -> None:
        """Take these weights."""
        load_tensors("trunk.", self.trunk.network, weights)
        load_tensors("head.", self.network, weights)
        load_tensors("objective.", self.objective.modules, weights)

    def features(self, prepared: PixelArray) -> Float32Array:
        """The trunk's features, of unit norm. Shapes: prepared is (n, h, w, 3), the result (n, d)."""
        return self._answers(prepared, lambda features: features)

    def embedded(self, prepared: PixelArray) -> Float32Array:
        """The embeddings, of unit norm. Shapes: prepared is (n, h, w, 3), the result (n, e)."""
        from torch.nn import functional

        return self._answers(prepared, lambda features: functional.normalize(self.network(features), dim=1))

    def class_scores(self, prepared: PixelArray) -> Float32Array:
        """How much each picture belongs to each class. Shapes: the result is (n, c)."""
        return self._answers(
            prepared, lambda features: self.objective.logits(features, self.network(features))
        )

    def _groups(self) -> list[dict[str, object]]:
        """What is learnt at which rate: the new at the full one, the trunk slower towards the pictures."""
        parts = self.trunk.parts
        groups: list[dict[str, object]] = [
            {"params": list(part.parameters()), "peak": TRUNK_RATE * PART_DECAY ** (len(parts) - 1 - place)}
            for place, part in enumerate(parts)
        ]
        new = [*self.network.parameters(), *self.objective.modules.parameters()]
        return [*groups, {"params": new, "peak": HEAD_RATE}]

    def _unfreeze(self, epoch: int) -> None:
        """Let learn what this pass is to change; batch norms of the rest keep their statistics."""
        share = next(
            frozen for until, frozen in STAGES if epoch <= max(1, round(until * self._epochs)) or until == 1
        )
        count = round(share * len(self.trunk.parts))
        self.trunk.network.eval().requires_grad_(False)
        for part in self.trunk.parts[count:]:
            part.train().requires_grad_(True)
        self.network.train()
        self.objective.modules.train()

    def _step(self, rows: Int64Array, generator: torch.Generator) -> float:
        import torch

        side = max(16, round(SEEN_SIDE * self._validation.prepared.shape[1] / 16) * 16)
        pictures = _planes(self._train.whole[rows], self._device)
        pictures = augmented(pictures, side, Augmentation(), generator)
        targets = torch.from_numpy(self._train.targets[rows]).to(self._device)
        with self._precision.autocast():
            features = self.trunk.run(pictures.contiguous(memory_format=torch.channels_last))
        features = torch.nn.functional.normalize(features.float(), dim=1)
        loss = self.objective(features, self.network(features), targets)
        self._optimiser.zero_grad()
        self._precision.step(loss, self._optimiser)
        return float(loss.detach())

    def _begin_with_a_head(self) -> None:
        """Train the head on the features of the untouched trunk, so that no noise is sent back into it."""
        examples = head.LabelledVectors(self.features(self._train.prepared), self._train.targets)
        pupil = head.HeadTrainee(
            examples, examples, self._classes, replace(self._recipe, epochs=HEAD_PASSES), self._score
        )
        with threads_for(len(examples.targets)):
            for epoch in range(1, HEAD_PASSES + 1):
                pupil.train(epoch)
        weights = {name: value.to(self._device) for name, value in pupil.weights().items()}
        load_tensors("head.", self.network, weights)
        load_tensors("objective.", self.objective.modules, weights)
        self._average = self._now()

    def _now(self) -> Tensors:
        return {
            **tensors_of("trunk.", self.trunk.network),
            **tensors_of("head.", self.network),
            **tensors_of("objective.", self.objective.modules),
        }

    def _follow(self, step: int) -> None:
        """Let the averaged weights follow, faster at first."""
        import torch

        decay = min(AVERAGE, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in self._now().items():
                kept = self._average[name]
                if kept.is_floating_point():
                    kept.lerp_(value, 1 - decay)
                else:
                    kept.copy_(value)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        now = self._now()
        self.use(self._average)
        try:
            yield
        finally:
            self.use(now)

    def _answers(self, prepared: PixelArray, said: Callable[[torch.Tensor], torch.Tensor]) -> Float32Array:
        import torch

        for module in (self.trunk.network, self.network, self.objective.modules):
            module.eval()
        answers = []
        with torch.inference_mode():
            for start in range(0, len(prepared), _EVAL_BATCH):
                pictures = _planes(prepared[start : start + _EVAL_BATCH], self._device)
                features = self.trunk.run(pictures.contiguous(memory_format=torch.channels_last)).float()
                answers.append(said(torch.nn.functional.normalize(features, dim=1)).cpu().numpy())
        return np.concatenate(answers).astype(np.float32)


def _planes(pictures: PixelArray, device: torch.device) -> torch.Tensor:
    """Pictures (n, h, w, 3) uint8 as (n, 3, h, w) float32 on a device."""
    import torch

    return torch.from_numpy(np.array(pictures)).to(device).permute(0, 3, 1, 2).float()


_WHOLE = 8 / 7
"""Pictures to cut parts out of are kept at this many times the encoder's side, the whole of them."""
_SAMPLE = 64


def teach_full(
    lesson: Lesson,
    parts: Split,
    recipe: Recipe,
    keeper: Keeper,
    progress: ProgressCallback,
    passed: Callable[[Point], None],
) -> Taught:
    """Train a whole encoder.

    Raises:
        UsageError: an item has no file, or the backbone cannot be trained.
        PictureError: a picture cannot be read any more.
        MissingExtraError, EncoderError: the backbone cannot be had.
    """
    paths = _paths(lesson)
    order = (parts.train, parts.validation, parts.test)
    with ExitStack() as open_files:
        folder = open_files.enter_context(
            tempfile.TemporaryDirectory(prefix="seealike-", ignore_cleanup_errors=True)
        )

        def pixels(rows: Int64Array, how: Preprocessing) -> PixelArray:
            place = open_files.enter_context(tempfile.TemporaryDirectory(dir=folder))
            named = [paths[row] for row in rows]
            return open_files.enter_context(decoded(named, how, place, progress, lesson.limits))

        trunk = open_trunk(recipe.backbone or LITE0, lambda how: pixels(parts.train[:_SAMPLE], how))
        how = whole_side(trunk.preprocessing)
        side = round(_WHOLE * how.crop_px)
        whole = pixels(parts.train, replace(how, resize_px=side, crop_px=side, fit=Fit.SQUASH))
        train, validation, test = (
            LabelledPictures(whole, pixels(rows, how), lesson.targets[rows]) for rows in order
        )
        start = time.monotonic()
        trainee = FullTrainee(trunk, train, validation, len(lesson.classes), recipe, map_at_r)
        outcome = fit(trainee, plan_for(recipe), keeper, passed)
        trainee.use(outcome.best)
        train_s = time.monotonic() - start
        voters, vectors = trainee.embedded(train.prepared), trainee.embedded(test.prepared)
        scores = trainee.class_scores(test.prepared)[asking(len(test.prepared))]
        pictures = filled_up(test.prepared, how.crop_px)
        said = trainee.embedded(pictures)
        trial = Trial(pictures, said, judged=said)
        trunk.network.cpu()
        exported = trunk.export()
        model = joined(exported.model, head_weights(trainee.network))
    return Taught(
        outcome=outcome,
        model=model.SerializeToString(deterministic=True),
        preprocessing=how,
        licence=trunk.licence,
        source=f"{trunk.name}, trained whole; begun with {trunk.source}",
        voters=voters,
        vectors=vectors,
        scores=scores,
        start_score=map_at_r(chosen(lesson.vectors, parts.validation), lesson.targets[parts.validation]),
        train_s=train_s,
        trial=lambda: trial,
        precise=exported.precise,
    )


def whole_side(how: Preprocessing) -> Preprocessing:
    """The same, without cutting off a rim: an encoder that is taught anew may use all of the shorter side.

    On the clothing set's training part this alone raised a head's mAP@R from 0.605 to 0.614.
    """
    return replace(how, resize_px=how.crop_px) if how.fit is Fit.CROP else how


def _paths(lesson: Lesson) -> list[str]:
    lost = [item.id for item in lesson.items if not item.path]
    if lost:
        raise UsageError(f"the item {lost[0]} has no file; --method head learns without pictures")
    return [item.path for item in lesson.items if item.path]
