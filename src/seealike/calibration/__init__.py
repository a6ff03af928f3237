"""What a score is worth on a catalogue of one's own: learnt from copies, groups and labels, judged, and kept.

An application over the facade: it knows catalogues and the statistics of evaluation, and nothing of how
either is stored.
"""

from seealike.calibration.calibrate import CalibrateOptions, CalibrateReport, Missed, calibrate
from seealike.calibration.page import calibration_page
from seealike.calibration.words import held_out, learnt_from, population, remarks, worth

__all__ = [
    "CalibrateOptions",
    "CalibrateReport",
    "Missed",
    "calibrate",
    "calibration_page",
    "held_out",
    "learnt_from",
    "population",
    "remarks",
    "worth",
]
