"""The kinds of files that seealike writes for its callers, and how each is known again by its content."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from seealike.gallery import PageKind
from seealike.types import Skipped

LIST_COLUMNS = ("id", "rank", "similar_id", "score")
MAP_COLUMNS = ("id", "x", "y", "cluster")
MAP_LABEL, MAP_SAMPLE = "label", "sample_of"
REPORT_FIELDS = ("id", "path", "reason", "detail")
LOG_FIELDS = ("epoch", "loss", "score")
CHECKPOINT_KEY = "seealike-checkpoint"
LISTS_REPORT_MARK = "seealike lists report"
LISTS_OF_PRODUCTS_MARK = "\t \t\t  \t \t\t\t  \t   \t"  # the last line: nobody types it, JSON allows it
SCRIPT_MARK = "# Made by `seealike duplicates`."
DRAWING_SOFTWARE = "seealike map"
ENCODER_PRODUCER = "seealike train"
PARQUET_KEY, PARQUET_LISTS, PARQUET_VECTORS = b"generator", b"seealike lists", b"seealike vectors"

_LOOKED_AT = 1 << 16  # bytes at either end of a file
Recogniser = Callable[[bytes, bytes], bool]


@dataclass(frozen=True, slots=True)
class OutputKind:
    """A kind of file.

    Args:
        what: its name, such as ``results page``.
        forms: by ending, what tells one from a file's first and last bytes.
        article: of the name.
    """

    what: str
    forms: Mapping[str, Recogniser] = field(repr=False)
    article: str = "a"

    @property
    def a(self) -> str:
        """The name with its article."""
        return f"{self.article} {self.what}"

    @property
    def endings(self) -> tuple[str, ...]:
        """What a name may end in."""
        return tuple(self.forms)

    def wrote(self, path: str) -> bool:
        """Whether a file is one of this kind that seealike wrote."""
        recognise = self.forms.get(os.path.splitext(path)[1].lower())
        try:
            return recognise is not None and recognise(*_ends(path))
        except OSError:
            return False


def written_by_seealike(path: str) -> bool:
    """Whether a file is of any kind that seealike writes for its callers."""
    return any(kind.wrote(path) for kind in KINDS)


def _ends(path: str) -> tuple[bytes, bytes]:
    with open(path, "rb") as file:
        head = file.read(_LOOKED_AT)
        file.seek(max(0, os.fstat(file.fileno()).st_size - _LOOKED_AT))
        return head, file.read(_LOOKED_AT)


def _page(kind: PageKind) -> Mapping[str, Recogniser]:
    mark = f'<meta name="generator" content="{kind.generator}">'.encode()

    def recognise(head: bytes, _: bytes) -> bool:
        return head.startswith(b"<!doctype html>") and mark in head.partition(b"</head>")[0][:4096]

    return {".html": recognise, ".htm": recognise}


def _csv(*columns: str, optional: tuple[str, ...] = ()) -> Recogniser:
    def recognise(head: bytes, _: bytes) -> bool:
        found = head.partition(b"\n")[0].rstrip(b"\r").decode("utf-8", "replace").split(",")
        return tuple(name for name in found if name not in optional) == columns

    return recognise


def _json_lines(*names: str) -> Recogniser:
    return lambda head, _: _has_fields(head.partition(b"\n")[0], names)


def _json_list(*names: str) -> Recogniser:
    """A list with one object a line."""

    def recognise(head: bytes, _: bytes) -> bool:
        first, second, *_rest = [*head.split(b"\n", 2), b"", b""]
        return first == b"[" and (second == b"]" or _has_fields(second.rstrip(b"\r,"), names))

    return recognise


def _json_of_products(head: bytes, tail: bytes) -> bool:
    """An object that has no room for a mark but in the white space after it."""
    return head.startswith(b"{\n") and tail.endswith(b"\n}\n%b\n" % LISTS_OF_PRODUCTS_MARK.encode("ascii"))


def _has_fields(line: bytes, names: tuple[str, ...]) -> bool:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and tuple(found) == names


def _parquet(generator: bytes) -> Recogniser:
    return lambda head, tail: head.startswith(b"PAR1") and tail.endswith(b"PAR1") and generator in tail


def _png(head: bytes, _: bytes) -> bool:
    mark = b"tEXtSoftware\0" + DRAWING_SOFTWARE.encode("ascii")
    return head.startswith(b"\x89PNG\r\n\x1a\n") and mark in head.partition(b"IDAT")[0]


def _onnx(head: bytes, _: bytes) -> bool:
    """The producer's name is the second field of the message that an ONNX file is."""
    name = ENCODER_PRODUCER.encode("ascii")
    return bytes((0x12, len(name))) + name in head[:64]


def _safetensors(head: bytes, _: bytes) -> bool:
    return head[8:9] == b"{" and f'"{CHECKPOINT_KEY}"'.encode("ascii") in head


def _script(head: bytes, _: bytes) -> bool:
    return head.startswith(b"#!/bin/sh\n" + SCRIPT_MARK.encode("ascii") + b"\n")


RESULTS_PAGE = OutputKind("results page", _page(PageKind.RESULTS))
EVALUATION_PAGE = OutputKind("page of figures", _page(PageKind.EVALUATION))
COMPARISON_PAGE = OutputKind("page that compares encoders", _page(PageKind.COMPARISON))
TRAINING_PAGE = OutputKind("page of a training", _page(PageKind.TRAINING))
MAP_PAGE = OutputKind("page of a map", _page(PageKind.MAP))
CALIBRATION_PAGE = OutputKind("page of a calibration", _page(PageKind.CALIBRATION))
DUPLICATES_PAGE = OutputKind("page of duplicates", _page(PageKind.DUPLICATES))
DUPLICATES_SCRIPT = OutputKind("script about duplicates", {".sh": _script})
MAP_TABLE = OutputKind("table of a map", {".csv": _csv(*MAP_COLUMNS, optional=(MAP_LABEL, MAP_SAMPLE))})
MAP_DRAWING = OutputKind("drawing of a map", {".png": _png})
LISTS = OutputKind(
    "file of lists",
    {
        ".csv": _csv(*LIST_COLUMNS),
        ".json": lambda head, tail: _json_list(*LIST_COLUMNS)(head, tail) or _json_of_products(head, tail),
        ".jsonl": _json_lines(*LIST_COLUMNS),
        ".parquet": _parquet(PARQUET_LISTS),
    },
)
LISTS_REPORT = OutputKind(
    "report on lists",
    {".json": lambda head, _: head.startswith(b'{\n  "generator": "%b"' % LISTS_REPORT_MARK.encode())},
)
VECTORS = OutputKind("file of vectors", {".parquet": _parquet(PARQUET_VECTORS)})
SKIP_REPORT = OutputKind("report of skipped files", {".jsonl": _json_lines(*REPORT_FIELDS)})
TRAINING_LOG = OutputKind("log of a training", {".jsonl": _json_lines(*LOG_FIELDS)})
ENCODER = OutputKind("encoder that was trained", {".onnx": _onnx}, article="an")
CHECKPOINT = OutputKind("checkpoint of a training", {".safetensors": _safetensors})
KINDS = (
    RESULTS_PAGE,
    EVALUATION_PAGE,
    COMPARISON_PAGE,
    TRAINING_PAGE,
    MAP_PAGE,
    CALIBRATION_PAGE,
    DUPLICATES_PAGE,
    DUPLICATES_SCRIPT,
    MAP_TABLE,
    MAP_DRAWING,
    LISTS,
    LISTS_REPORT,
    VECTORS,
    SKIP_REPORT,
    TRAINING_LOG,
    ENCODER,
    CHECKPOINT,
)


def report_line(row: Skipped) -> bytes:
    """The line of a skipped file in a report."""
    content = dict(zip(REPORT_FIELDS, (row.id, row.path, row.reason.value, row.detail), strict=True))
    text = json.dumps(content, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"
