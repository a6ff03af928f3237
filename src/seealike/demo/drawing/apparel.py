"""Clothes: outlines of t-shirts, hoodies, dresses and trousers."""

from __future__ import annotations

from random import Random

from seealike.demo.drawing.geometry import box, ellipse, path, symmetric
from seealike.demo.drawing.part import Material, Part, Styles, both, fold, layered, stitch

_CLOTH_RELIEF = 0.10


def crew_tee(rng: Random) -> tuple[Part, ...]:
    """Draw a t-shirt with a round neck."""
    hem, sleeve = rng.uniform(0.72, 0.86), rng.uniform(-0.16, -0.04)
    neck = rng.uniform(-0.56, -0.50)
    return layered(
        Part(ellipse((0, -0.70), (0.23, 0.13)), Material.DEEPER),
        _tee_body(hem, sleeve, f"M 0,{neck} Q 0.17,{neck} 0.22,-0.74"),
        Part(
            path(f"M -0.22,-0.74 Q -0.17,{neck} 0,{neck} Q 0.17,{neck} 0.22,-0.74"),
            Material.TRIM,
            width=0.055,
        ),
        _tee_creases(hem, sleeve),
    )


def v_neck_tee(rng: Random) -> tuple[Part, ...]:
    """Draw a t-shirt with a pointed neck."""
    hem, sleeve = rng.uniform(0.74, 0.86), rng.uniform(-0.16, -0.04)
    neck = rng.uniform(-0.36, -0.24)
    return layered(
        Part(symmetric(f"M 0,-0.80 L 0.22,-0.76 L 0,{neck}"), Material.DEEPER),
        _tee_body(hem, sleeve, f"M 0,{neck} L 0.22,-0.74"),
        Part(path(f"M -0.22,-0.75 L 0,{neck} L 0.22,-0.75"), Material.BASE, width=0.05),
        stitch(path(f"M -0.25,-0.72 L 0,{neck + 0.04} L 0.25,-0.72")),
        _tee_creases(hem, sleeve),
    )


def pocket_tee(rng: Random) -> tuple[Part, ...]:
    """Draw a t-shirt with a pocket on the chest."""
    return layered(
        crew_tee(rng),
        Part(path("M 0.12,-0.24 L 0.36,-0.24 L 0.36,0.0 L 0.24,0.06 L 0.12,0.0"), Material.TRIM, 0.02),
        stitch(path("M 0.12,-0.19 L 0.36,-0.19")),
    )


def _tee_body(hem: float, sleeve: float, neckline: str) -> Part:
    half = (
        f"{neckline} L 0.26,-0.76 Q 0.44,-0.72 0.55,-0.64 Q 0.66,-0.56 0.92,{sleeve - 0.14} "
        f"L 0.70,{sleeve + 0.04} L 0.53,-0.24 Q 0.49,0.2 0.52,{hem} Q 0.25,{hem + 0.05} 0,{hem + 0.05}"
    )
    return Part(symmetric(half), Material.CLOTH, _CLOTH_RELIEF)


def _tee_creases(hem: float, sleeve: float) -> tuple[Part, ...]:
    return layered(
        both(stitch(path("M 0.55,-0.64 Q 0.49,-0.45 0.53,-0.24"), strength=0.35)),
        both(stitch(path(f"M 0.86,{sleeve - 0.17} L 0.65,{sleeve}"))),
        stitch(path(f"M -0.52,{hem - 0.05} Q 0,{hem + 0.04} 0.52,{hem - 0.05}")),
        both(fold(path("M 0.5,-0.2 Q 0.4,0.0 0.34,0.3"))),
        fold(path(f"M -0.2,0.2 Q -0.16,0.45 -0.24,{hem}"), strength=0.13),
        fold(path(f"M 0.14,0.3 Q 0.1,0.5 0.17,{hem}"), strength=0.12),
    )


def hoodie(rng: Random) -> tuple[Part, ...]:
    """Draw a hooded sweater with a pouch pocket."""
    hem = rng.uniform(0.66, 0.76)
    return layered(
        Part(symmetric("M 0,-0.95 Q 0.34,-0.95 0.36,-0.62 Q 0.2,-0.5 0,-0.5"), Material.BASE, 0.08),
        Part(symmetric("M 0,-0.86 Q 0.22,-0.86 0.24,-0.64 Q 0.12,-0.46 0,-0.42"), Material.DEEPER, 0.04),
        _jumper_body(hem, "M 0,-0.42 Q 0.2,-0.5 0.28,-0.66"),
        Part(
            symmetric("M 0,-0.36 Q 0.24,-0.44 0.35,-0.66 L 0.27,-0.68 Q 0.18,-0.5 0,-0.43"),
            Material.DEEP,
            0.03,
        ),
        both(Part(path("M 0.09,-0.42 Q 0.12,-0.28 0.10,-0.12"), Material.TRIM, width=0.028)),
        Part(
            symmetric(f"M 0,0.16 L 0.22,0.16 L 0.38,{hem - 0.2} L 0.36,{hem - 0.08} L 0,{hem - 0.08}"),
            Material.DEEP,
            0.04,
        ),
        _ribs(hem),
    )


def jumper(rng: Random) -> tuple[Part, ...]:
    """Draw a knitted sweater with a round neck."""
    hem = rng.uniform(0.64, 0.76)
    return layered(
        Part(ellipse((0, -0.68), (0.24, 0.12)), Material.DEEPER),
        _jumper_body(hem, "M 0,-0.55 Q 0.18,-0.55 0.24,-0.70"),
        Part(path("M -0.24,-0.70 Q -0.18,-0.55 0,-0.55 Q 0.18,-0.55 0.24,-0.70"), Material.TRIM, width=0.09),
        _ribs(hem),
    )


def cardigan(rng: Random) -> tuple[Part, ...]:
    """Draw a cardigan with buttons."""
    hem = rng.uniform(0.66, 0.78)
    buttons = [Part(ellipse((0.045, -0.12 + 0.2 * i), (0.035, 0.035)), Material.TRIM, 0.02) for i in range(4)]
    return layered(
        Part(symmetric("M 0,-0.78 L 0.24,-0.74 L 0,-0.2"), Material.DEEPER),
        _jumper_body(hem, "M 0,-0.24 L 0.25,-0.74"),
        Part(path("M -0.25,-0.74 L 0,-0.22 L 0.25,-0.74"), Material.DEEP, width=0.07),
        Part(box(-0.055, -0.22, 0.12, hem + 0.1), Material.DEEP, inside=True),
        stitch(path(f"M -0.03,-0.2 L -0.03,{hem + 0.1}")),
        _ribs(hem),
        buttons,
    )


def _jumper_body(hem: float, neckline: str) -> Part:
    half = (
        f"{neckline} Q 0.46,-0.68 0.56,-0.56 Q 0.7,-0.36 0.84,0.5 L 0.66,0.56 Q 0.58,0.1 0.5,-0.16 "
        f"Q 0.5,0.3 0.52,{hem} Q 0.5,{hem + 0.12} 0.46,{hem + 0.12} L 0,{hem + 0.13}"
    )
    return Part(symmetric(half), Material.CLOTH, 0.12)


def _ribs(hem: float) -> tuple[Part, ...]:
    lines = [stitch(path(f"M {x / 20},{hem} L {x / 20},{hem + 0.13}"), strength=0.16) for x in range(-10, 11)]
    return layered(
        Part(
            symmetric(f"M 0,{hem} L 0.53,{hem - 0.01} L 0.47,{hem + 0.12} L 0,{hem + 0.14}"),
            Material.DEEP,
            inside=True,
        ),
        lines,
        both(Part(path("M 0.81,0.38 L 0.86,0.5 L 0.64,0.6 L 0.60,0.44"), Material.DEEP, inside=True)),
        both(fold(path("M 0.55,-0.5 Q 0.5,-0.3 0.51,-0.1"), strength=0.3)),
        both(fold(path("M 0.5,-0.1 Q 0.44,0.1 0.36,0.24"), strength=0.16)),
        both(fold(path("M 0.68,-0.1 Q 0.7,0.05 0.62,0.1"), strength=0.2)),
    )


def sun_dress(rng: Random) -> tuple[Part, ...]:
    """Draw a dress with thin straps and a wide skirt."""
    hem, flare = rng.uniform(0.68, 0.92), rng.uniform(0.54, 0.68)
    return layered(
        both(Part(path("M 0.18,-0.58 L 0.17,-0.92"), Material.BASE, width=0.045)),
        _skirt(hem, flare, "M 0,-0.54 Q 0.1,-0.60 0.2,-0.62 Q 0.28,-0.6 0.29,-0.5 Q 0.29,-0.3 0.23,-0.14"),
        _waist(),
        _pleats(hem, flare),
    )


def sleeved_dress(rng: Random) -> tuple[Part, ...]:
    """Draw a dress with short sleeves."""
    hem, flare = rng.uniform(0.62, 0.9), rng.uniform(0.46, 0.6)
    bodice = (
        "M 0,-0.68 Q 0.14,-0.68 0.2,-0.86 Q 0.34,-0.84 0.42,-0.76 L 0.58,-0.46 L 0.42,-0.38 L 0.34,-0.52 "
        "Q 0.3,-0.3 0.24,-0.14"
    )
    return layered(
        Part(ellipse((0, -0.82), (0.2, 0.10)), Material.DEEPER),
        _skirt(hem, flare, bodice),
        Part(path("M -0.2,-0.86 Q -0.14,-0.68 0,-0.68 Q 0.14,-0.68 0.2,-0.86"), Material.TRIM, width=0.04),
        both(stitch(path("M 0.42,-0.76 Q 0.34,-0.64 0.34,-0.52"))),
        _waist(),
        _pleats(hem, flare),
    )


def slip_dress(rng: Random) -> tuple[Part, ...]:
    """Draw a long, narrow dress."""
    hem, flare = rng.uniform(0.88, 0.96), rng.uniform(0.32, 0.42)
    return layered(
        both(Part(path("M 0.2,-0.6 L 0.15,-0.94"), Material.BASE, width=0.03)),
        _skirt(hem, flare, "M 0,-0.46 L 0.2,-0.64 Q 0.27,-0.56 0.27,-0.46 Q 0.27,-0.3 0.235,-0.14"),
        stitch(path("M -0.2,-0.62 L 0,-0.44 L 0.2,-0.62")),
        _pleats(hem, flare),
    )


def _skirt(hem: float, flare: float, bodice: str) -> Part:
    half = f"{bodice} Q 0.24,-0.06 {flare * 0.6},0.2 Q {flare * 0.9},{hem * 0.6} {flare},{hem} "
    return Part(symmetric(f"{half} Q {flare / 2},{hem + 0.07} 0,{hem + 0.06}"), Material.CLOTH, 0.10)


def _waist() -> Part:
    return Part(symmetric("M 0,-0.17 L 0.24,-0.18 L 0.24,-0.1 L 0,-0.09"), Material.TRIM, 0.03)


def _pleats(hem: float, flare: float) -> tuple[Part, ...]:
    shares = (-0.72, -0.4, -0.1, 0.22, 0.5, 0.8)
    return tuple(
        fold(
            path(f"M {0.2 * s},-0.06 Q {flare * s * 0.6},{hem * 0.4} {flare * s},{hem + 0.06}"), strength=0.17
        )
        for s in shares
    )


def straight_trousers(rng: Random) -> tuple[Part, ...]:
    """Draw trousers with straight legs."""
    return _trousers(rng.uniform(0.40, 0.44), 0.15, rng.uniform(0.84, 0.94))


def wide_trousers(rng: Random) -> tuple[Part, ...]:
    """Draw trousers with wide legs."""
    return _trousers(rng.uniform(0.54, 0.62), 0.10, rng.uniform(0.82, 0.92))


def shorts(rng: Random) -> tuple[Part, ...]:
    """Draw shorts."""
    return _trousers(rng.uniform(0.50, 0.58), 0.08, rng.uniform(0.10, 0.26))


def _trousers(outer: float, inner: float, hem: float) -> tuple[Part, ...]:
    half = (
        f"M 0,-0.86 L 0.35,-0.86 Q 0.42,-0.5 {0.36 + outer * 0.18},-0.2 L {outer},{hem} "
        f"L {inner},{hem + 0.02} L 0.025,-0.22 L 0,-0.25"
    )
    middle = (outer + inner) / 2
    loops = [Part(box(x - 0.018, -0.88, x + 0.018, -0.73), Material.DEEP, 0.01) for x in (-0.24, 0.24)]
    return layered(
        Part(symmetric(half), Material.CLOTH, 0.09),
        Part(symmetric("M 0,-0.86 L 0.35,-0.86 L 0.37,-0.74 L 0,-0.74"), Material.DEEP, 0.03),
        loops,
        Part(ellipse((0, -0.80), (0.028, 0.028)), Material.TRIM, 0.015),
        stitch(path("M 0,-0.74 L 0,-0.25"), strength=0.4),
        stitch(path("M 0.07,-0.74 Q 0.08,-0.45 0.0,-0.38")),
        both(stitch(path("M 0.2,-0.74 Q 0.22,-0.6 0.4,-0.56"), strength=0.4)),
        both(fold(path(f"M 0.2,-0.4 L {middle},{hem}"), strength=0.17)),
        both(fold(path("M 0.05,-0.2 Q 0.2,-0.22 0.3,-0.3"), strength=0.2)),
        both(stitch(path(f"M {inner},{hem - 0.06} L {outer},{hem - 0.07}"))),
    )


T_SHIRTS: Styles = (("crew-neck tee", crew_tee), ("V-neck tee", v_neck_tee), ("pocket tee", pocket_tee))
SWEATERS: Styles = (("hoodie", hoodie), ("jumper", jumper), ("cardigan", cardigan))
DRESSES: Styles = (("sun dress", sun_dress), ("tea dress", sleeved_dress), ("slip dress", slip_dress))
TROUSERS: Styles = (
    ("straight trousers", straight_trousers),
    ("wide trousers", wide_trousers),
    ("shorts", shorts),
)
