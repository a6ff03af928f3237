"""A calibration as a page: what scores are worth, how far one can trust that, and some of the pictures."""

from __future__ import annotations

from seealike.calibration.calibrate import CalibrateReport
from seealike.calibration.charts import reliability_chart, worth_chart
from seealike.calibration.words import held_out, learnt_from, population, remarks, worth
from seealike.catalog import Calibration, Catalog, Curve, SearchOptions
from seealike.evaluation.statistics.ranking import sampled
from seealike.evaluation.words import sentence
from seealike.gallery import (
    Cell,
    Describer,
    Fact,
    GalleryChart,
    GalleryPage,
    GallerySection,
    GalleryTable,
    PageKind,
    Thumbnails,
)
from seealike.wording import counted

EXAMPLES, SHOWN = 6, 8
_SIDE_PX = 200


def calibration_page(report: CalibrateReport, catalog: Catalog) -> GalleryPage:
    """Make the page of a report in which something was learnt; pictures are read from the catalogue."""
    calibration = report.calibration
    if calibration is None:
        raise ValueError("nothing was learnt: there is nothing to show")
    trust = (
        f"{' '.join(map(_judged, calibration.curves))} "
        "The pairs of a circle were said to be so with the probability below it; so many of them are, at its "
        "height. On the straight line both agree."
    )
    meaning = "How likely it is at a score that a result is at least this. Marked: as likely as not."
    return GalleryPage(
        kind=PageKind.CALIBRATION,
        title="What is a score worth?",
        subtitle=f"Learnt from {counted(report.items, 'picture')} on {calibration.learnt_on}.",
        facts=tuple(
            Fact(f"{curve.least_score:.3f}", f"from this score on: {curve.relation.words}")
            for curve in calibration.curves
            if curve.least_score is not None
        ),
        charts=(
            GalleryChart("What scores say", meaning, worth_chart(calibration)),
            GalleryChart("Can one trust it?", trust, reliability_chart(calibration)),
        ),
        tables=(_curves(report, calibration), _worth(calibration)),
        sections=_examples(catalog),
        items=report.items,
        encoder=report.encoder.name,
        took_s=report.took_s,
        note=f"{sentence(population(calibration))} The error is the expected calibration error.",
    )


def _judged(curve: Curve) -> str:
    return f"{curve.relation.words.capitalize()}: {held_out(curve)}."


def _curves(report: CalibrateReport, calibration: Calibration) -> GalleryTable:
    return GalleryTable(
        "What was learnt, from what",
        ("relation", "learnt from", "from score", "pairs", "of them so", "error, held out", "gain"),
        tuple(
            (
                curve.relation.words,
                learnt_from(curve),
                "–" if curve.least_score is None else f"{curve.least_score:.3f}",
                f"{curve.pairs:,}",
                f"{curve.right:,}",
                Cell(f"{curve.error:.3f}", f"{curve.error_low:.3f} to {curve.error_high:.3f}"),
                f"{curve.gain:.0%}",
            )
            for curve in calibration.curves
        ),
        note=" ".join(
            (
                *map(sentence, remarks(report)),
                "Gain: how much better the scores guess than whoever says the same of every pair.",
            )
        ),
        texts=2,
    )


def _worth(calibration: Calibration) -> GalleryTable:
    return GalleryTable(
        "Score by score",
        ("score", "means", *(f"{curve.relation.words} or more" for curve in calibration.curves)),
        tuple(
            (
                f"{score:.2f}",
                meaning or "–",
                *(Cell(f"{share:.0%}", bar=(0.0, share, share)) for share in shares),
            )
            for score, meaning, shares in worth(calibration)
        ),
        texts=2,
    )


def _examples(catalog: Catalog) -> tuple[GallerySection, ...]:
    """Some items with what is closest to them, and what their scores say."""
    items = list(catalog.items())
    asked = [items[row] for row in sampled(len(items), EXAMPLES, 0)]
    describe = Describer(Thumbnails(catalog.thumbnail, _SIDE_PX))
    sections = []
    answers = catalog.similar_batch([item.id for item in asked], SHOWN, options=SearchOptions(pictures=True))
    for item, hits in zip(asked, answers, strict=True):
        sections.append(GallerySection((describe.item(item),), tuple(map(describe.item, hits))))
    return tuple(sections)
