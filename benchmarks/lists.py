"""Lists of all items: what the report says of them, what the wishes change, what an update saves.

python -m benchmarks lists                  all rows
python -m benchmarks.lists large CATALOG    an update of a large catalogue, which is changed by it
python -m benchmarks.lists wishes CATALOG   what counts beside similarity, in a large catalogue
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pyarrow import parquet

import seealike
from benchmarks import large, synthetic
from benchmarks.report import Row
from seealike import IndexOptions, SearchOptions
from seealike.demo import run_demo
from seealike.recommend.mixing.hubness import Hubness
from seealike.store import SqliteStore, StoreWriter
from seealike.store.writer import Change
from seealike.types import Float16Array, Float32Array

TITLE = "Lists one can trust"
K = 10
NO_CLASS = {"Not sure", "Skip", "Other"}
CHANGED = 0.01
SEARCHES, LISTS = 100, 1_000
SEVERAL, PART = 4, 10_000
Words = npt.NDArray[np.str_]
Mask = npt.NDArray[np.bool_]


def rows(data: Path, work: Path) -> list[Row]:
    clothing = work / "lists-clothing.catalog"
    table, options = data / "clothing" / "catalogue.csv", IndexOptions(root=str(data / "clothing"))
    if not clothing.exists():
        with seealike.create(clothing) as catalog:
            catalog.index(table, options=options)
    shop = work / "lists-shop"
    if not shop.exists():
        run_demo(str(shop))
    found = []
    with seealike.open(clothing) as catalog:
        kinds = {item.id: str(item.metadata["label"]) for item in catalog.items()}
        found += _wishes("clothes", catalog, kinds)
        found.append(_update("clothes, `--update`, the first time", catalog))
        found.append(_update("clothes, `--update`, nothing changed", catalog))
        gone = sorted(kinds)[::50]
        catalog.remove(gone)
        found.append(_update(f"clothes, `--update`, {len(gone)} photos gone", catalog))
        catalog.index(table, options=options)
        found.append(_update(f"clothes, `--update`, {len(gone)} photos new", catalog))
    with seealike.open(shop / ".seealike") as catalog:
        kinds = {item.id: str(item.path).split("/")[-2] for item in catalog.items()}
        found += _wishes("drawn shop", catalog, kinds)
    vectors = synthetic.make(data, work)
    path, _ = large.catalog_of(vectors, work)
    changed = work / "lists-changed.catalog"
    shutil.rmtree(changed, ignore_errors=True)
    shutil.copytree(path, changed)
    rows = [*wish_rows(str(path)), *several_rows(vectors, work), *large_rows(str(changed))]
    return [*found, *rows]


def _wishes(name: str, catalog: seealike.Catalog, kinds: dict[str, str]) -> list[Row]:
    """One row a wish: who is in how many lists, whether neighbours are of the same kind, and the cost."""
    wishes = {
        "as they are": SearchOptions(pictures=True),
        "--hub-correction": SearchOptions(pictures=True, hub_correction=True),
        "--recent 0.02": SearchOptions(pictures=True, recent=0.02),
        "--recent 0.1": SearchOptions(pictures=True, recent=0.1),
        "--recent 0.5": SearchOptions(pictures=True, recent=0.5),
    }
    ids, vectors = catalog.vectors()
    known = np.array([kinds[item_id] not in NO_CLASS for item_id in ids])
    labels = np.array([kinds[item_id] for item_id in ids])
    found, plain_s = [], 0.0
    for wish, options in wishes.items():
        started = time.perf_counter()
        lists = catalog.reported(catalog.recommend_all(K, options=options))
        right = [
            kinds[other] == kinds[entry.id]
            for entry in lists
            if kinds[entry.id] not in NO_CLASS
            for other in entry.similar_ids
            if kinds[other] not in NO_CLASS
        ]
        took_s = time.perf_counter() - started
        plain_s = plain_s or took_s
        report = lists.report()
        note = f"time x {took_s / plain_s:.2f}"
        if not options.recent:
            note = f"mAP@R {_map_at_r(vectors, labels, known, hubs=options.hub_correction):.4f}; {note}"
        told = (
            f"skewness {report.skewness:.2f}, in no list {report.items - report.recommended:,} "
            f"of {report.items:,}, hubs {report.hubs}, most lists of one {report.top[0].lists}"
        )
        found.append(Row(f"{name}, {wish}", told, "", f"right kind {np.mean(right):.3f}; {note}"))
    return found


def _update(what: str, catalog: seealike.Catalog) -> Row:
    """An update beside a run from nothing, and whether both give the same."""
    started = time.perf_counter()
    updated = catalog.updated_lists(K)
    lists = list(updated)
    took_s = time.perf_counter() - started
    started = time.perf_counter()
    anew = list(catalog.recommend_all(K))
    anew_s = time.perf_counter() - started
    same = "the same lists" if lists == anew else "other lists"
    told = f"{same}; {updated.changed} of {len(lists)} changed, {updated.remade} made anew"
    return Row(what, told, "the same lists", f"time x {took_s / anew_s:.2f}")


def _map_at_r(vectors: Float32Array, labels: Words, known: Mask, *, hubs: bool) -> float:
    """By the textbook, leave-one-out, among the items that have a class."""
    keys = np.arange(len(vectors))
    order = vectors @ vectors.T
    if hubs:
        order -= Hubness.measured(keys, lambda some: vectors[some].astype(np.float16)).penalties()
    np.fill_diagonal(order, -np.inf)
    order[:, ~known] = -np.inf
    values = []
    for row in np.flatnonzero(known):
        relevant = int((labels[known] == labels[row]).sum()) - 1
        if relevant:
            best = np.argsort(-order[row], kind="stable")[:relevant]
            right = labels[best] == labels[row]
            values.append((right * np.cumsum(right) / np.arange(1, relevant + 1)).sum() / relevant)
    return float(np.mean(values))


def large_rows(path: str) -> list[Row]:
    """A large catalogue: an update after a hundredth of the items changed, beside a run from nothing."""
    folder = Path(path).parent
    files = {name: folder / f"lists-{name}.parquet" for name in ("update", "whole")}
    files["update"].unlink(missing_ok=True)
    first_s = _processor_s("--update", str(files["update"]), "-C", path)
    with seealike.open(path) as catalog:
        count = len(catalog)
    gone, new = _change(path, count)
    update_s = _processor_s("--update", str(files["update"]), "-C", path)
    whole_s = _processor_s("-o", str(files["whole"]), "--force", "-C", path)
    lists = {name: _lists_in(file) for name, file in files.items()}
    same = np.mean([lists["whole"].get(key) == entry for key, entry in lists["update"].items()])
    pairs = [(key, other) for key, entry in lists["update"].items() for other in entry.items()]
    shared = np.mean([other in lists["whole"][key].items() for key, other in pairs])
    return [
        Row(
            f"`--update` of {count:,} lists, {gone:,} items gone, {new:,} new",
            f"{update_s:.0f} s, x {update_s / whole_s:.3f} of a run from nothing ({whole_s:.0f} s)",
            "<= 0.1",
            f"lists equal to those from nothing {same:.5f}, entries {shared:.6f}",
        ),
        Row("the first `--update`", f"{first_s:.0f} s, x {first_s / whole_s:.2f}"),
    ]


def _processor_s(*arguments: str) -> float:
    """Processor time of one run of ``recommend --all``: other work on the machine counts less."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "seealike", "recommend", "--all", "-k", str(K), "--quiet", *arguments]
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _lists_in(file: Path) -> dict[str, dict[str, float]]:
    """Every list of a written file: the score of each entry, closest first."""
    found: dict[str, dict[str, float]] = {}
    columns = parquet.read_table(file).to_pydict()
    for key, other, score in zip(columns["id"], columns["similar_id"], columns["score"], strict=True):
        found.setdefault(key, {})[other] = score
    return found


def _change(path: str, count: int) -> tuple[int, int]:
    """A third of the changed items goes, a third is new, and of a third the picture is another."""
    rng = np.random.default_rng(7)
    third = round(CHANGED * count / 3)
    with seealike.open(path) as catalog:
        ids = rng.permutation([item.id for item in catalog.items()])[: 3 * third].tolist()
        _, vectors = catalog.vectors(ids)
    noise = 1 + synthetic.NOISE * rng.standard_normal(vectors.shape, dtype=np.float32)
    changed = (vectors * noise).astype(np.float16)
    new = [
        large.item_of(count * 10 + row if row >= third else int(ids[row]), changed[row].tobytes())
        for row in range(2 * third)
    ]

    def apply(change: Change) -> None:
        change.remove_ids([*ids[:third], *ids[2 * third :]])
        change.insert(new)

    store = SqliteStore(path)
    writer = StoreWriter(store.database_path)
    writer.rewrite(apply)
    writer.close()
    store.close()
    return 2 * third, 2 * third


def wish_rows(path: str) -> list[Row]:
    """What counts beside similarity in a large catalogue: processor time of one search, and of many lists."""
    wishes = {
        "as it is": SearchOptions(pictures=True),
        "--hub-correction": SearchOptions(pictures=True, hub_correction=True),
        "--boost share:0.1": SearchOptions(pictures=True, boost=(("share", 0.1),)),
        "--recent 0.02": SearchOptions(pictures=True, recent=0.02),
        "--recent 0.1": SearchOptions(pictures=True, recent=0.1),
        "--recent 0.5": SearchOptions(pictures=True, recent=0.5),
    }
    found: list[Row] = []
    plain = 0.0, 0.0
    with seealike.open(path) as catalog:
        ids = [item.id for item in catalog.items()]
        asked = ids[:: len(ids) // LISTS]
        _, vectors = catalog.vectors(asked[:SEARCHES])
        for wish, options in wishes.items():
            catalog.search_vectors(vectors[0], K, options=options)
            times = []
            for row in vectors:
                started = time.process_time()
                catalog.search_vectors(row, K, options=options)
                times.append(time.process_time() - started)
            started = time.process_time()
            catalog.similar_batch(asked, K, options=options)
            both = float(np.median(times)), (time.process_time() - started) / len(asked)
            plain = plain if found else both
            told = (
                f"{1000 * own:.2f} ms, x {own / first:.2f}" for own, first in zip(both, plain, strict=True)
            )
            found.append(Row(f"{len(ids):,} items, {wish}", "a search {}; a list {}".format(*told)))
    return found


def several_rows(vectors: Float16Array, work: Path) -> list[Row]:
    """One search in several catalogues at once, beside one in a catalogue that holds the same items."""
    paths = []
    for number in range(SEVERAL):
        path = work / f"lists-part-{number}.catalog"
        if not path.exists():
            seealike.create(path).close()
            writer = StoreWriter(str(path / "catalog.sqlite"))
            rows = range(number * PART, (number + 1) * PART)
            writer.add([large.item_of(row, np.array(vectors[row]).tobytes()) for row in rows])
            writer.close()
        paths.append(str(path))
    whole, _ = large.catalog_of(vectors[: SEVERAL * PART], work)
    queries = np.array(vectors[: SEVERAL * PART : 500]).astype(np.float32)
    times = []
    with seealike.open(whole) as one, seealike.open_several(paths) as several:
        for catalog in (one, several):
            took = []
            for query in queries:
                started = time.process_time()
                catalog.search_vectors(query, K)
                took.append(time.process_time() - started)
            times.append(1000 * float(np.median(took)))
    told = f"{times[1]:.2f} ms, x {times[1] / times[0]:.1f} of one catalogue with an approximate index"
    return [Row(f"a search in {SEVERAL} catalogues of {PART:,} at once", told)]


def main() -> None:
    what = {"large": large_rows, "wishes": wish_rows}[sys.argv[1]]
    for row in what(sys.argv[2]):
        print(f"| {row.what} | {row.value} | {row.goal} | {row.note} |", flush=True)


if __name__ == "__main__":
    main()
