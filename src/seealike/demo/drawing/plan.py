"""What the sample shop sells, decided before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from seealike.demo.drawing.backdrop import Backdrop, Setting, choose_backdrop
from seealike.demo.drawing.kind import KINDS, Kind
from seealike.demo.drawing.palette import COLOURS, Colourway, colourway
from seealike.demo.drawing.part import Sketch
from seealike.demo.drawing.pattern import Pattern, Weave
from seealike.demo.drawing.render import Shot, render

if TYPE_CHECKING:
    from PIL import Image

VIEWS = ("front", "angle")
_FIRST_NUMBER = 101
_ADJECTIVES = {
    Pattern.PLAIN: "",
    Pattern.STRIPES: "striped ",
    Pattern.PINSTRIPES: "pinstriped ",
    Pattern.DOTS: "dotted ",
    Pattern.CHECKS: "checked ",
    Pattern.FADE: "dip-dyed ",
}
_SIDEWAYS = frozenset({"sneakers", "boots", "mugs"})  # these look different from their other side


@dataclass(frozen=True, slots=True)
class Product:
    """One product of the shop: everything but the camera."""

    kind: Kind
    number: int
    style: str
    sketch: Sketch
    colours: Colourway
    weave: Weave
    price: float

    @property
    def group(self) -> str:
        """The product's code, for instance ``tee-104``."""
        return f"{self.kind.code}-{self.number}"

    @property
    def name(self) -> str:
        """What the shop calls it."""
        words = f"{_ADJECTIVES[self.weave.pattern]}{self.style}, {self.colours.main}"
        return words[0].upper() + words[1:]


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture of one product, not drawn yet. ``path`` is relative, with ``/``."""

    product: Product
    view: str
    shot: Shot
    path: str
    seed: str

    @property
    def id(self) -> str:
        """The picture's id in the catalogue."""
        return f"{self.product.group}-{self.view}"

    def draw(self) -> Image.Image:
        """Draw it."""
        product = self.product
        return render(product.sketch(Random(self.seed)), product.colours, product.weave, self.shot)


def plan_products(seed: int) -> Iterator[Product]:
    """Decide on every product of the shop: each kind comes once in every colour."""
    for kind in KINDS:
        rng = Random(f"{seed} {kind.folder}")
        colours, patterns = list(COLOURS), list(kind.patterns)
        rng.shuffle(colours)
        rng.shuffle(patterns)
        for index, (colour, pattern) in enumerate(zip(colours, patterns, strict=True)):
            style, sketch = kind.styles[index % len(kind.styles)]
            yield Product(
                kind,
                _FIRST_NUMBER + index,
                style,
                sketch,
                colourway(colour, rng.randrange(3)),
                Weave(pattern, kind.pitch * rng.uniform(0.8, 1.3), rng.choice((0.0, 0.0, 0.0, 45.0))),
                round(kind.price * rng.uniform(0.8, 1.4)) - 0.05,
            )


def plan_photos(product: Product, seed: int) -> Iterator[Photo]:
    """Decide how a product is photographed, once for every view."""
    for view in VIEWS:
        rng = Random(f"{seed} {product.group} {view}")
        shot = _shoot(product.kind, view, rng)
        pattern = product.weave.pattern.value
        ending = rng.choice((".png", ".webp")) if shot.cut_out else ".jpg"
        name = f"{product.group}-{product.colours.main}-{pattern}-{view}{ending}"
        yield Photo(product, view, shot, f"{product.kind.folder}/{name}", f"{seed} {product.group}")


def _shoot(kind: Kind, view: str, rng: Random) -> Shot:
    tilt = 2.0 if kind.standing else 13.0
    size = rng.uniform(0.86, 1.04)
    across, shear, straight = size, 0.0, view == "front"
    if not straight:
        across, shear = size * rng.uniform(0.80, 0.92), rng.uniform(-0.10, 0.10)
        if kind.folder in _SIDEWAYS and rng.random() < 0.5:
            across = -across
    return Shot(
        backdrop=choose_backdrop(rng, standing=kind.standing),
        standing=kind.standing,
        scale=(across, size),
        angle_deg=rng.uniform(-tilt, tilt) * (0.4 if straight else 1.0),
        shear=shear,
        shift=(rng.uniform(-0.02, 0.02), rng.uniform(-0.02, 0.02)),
        cut_out=rng.random() < 0.06,
    )


def plan_outside_photo(seed: int) -> Photo:
    """Decide on a picture that is not in the shop: a shoe such as one might see in the street."""
    sneakers = next(kind for kind in KINDS if kind.folder == "sneakers")
    style, sketch = sneakers.styles[1]
    product = Product(
        sneakers, 0, style, sketch, Colourway("tomato", "ivory"), Weave(Pattern.PLAIN, 0.12, 0.0), 0.0
    )
    shot = Shot(
        backdrop=Backdrop(Setting.ROOM, (226, 214, 198), 0.16),
        standing=True,
        scale=(-0.9, 0.86),
        angle_deg=-5.0,
        shear=0.06,
        shift=(0.03, 0.02),
    )
    return Photo(product, "street", shot, "photo-from-my-phone.jpg", f"{seed} outside")
