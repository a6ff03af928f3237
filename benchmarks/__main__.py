"""Run the measurements and write them to .bench/results.md.

python -m benchmarks                      everything that can run here
python -m benchmarks indexing quality     some of it
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import Row, machine, table

NAMES = (
    "quality",
    "apart",
    "smaller",
    "kept",
    "taught",
    "versions",
    "copies",
    "duplicates",
    "wishes",
    "together",
    "lists",
    "calibration",
    "colour",
    "indexing",
    "embedding",
    "memory",
    "idle",
    "cold",
    "search",
    "filters",
    "engines",
    "threshold",
    "timm_models",
    "map_page",
    "results_page",
    "serving",
    "page",
    "training",
    "fetching",
    "recipes",
    "levels",
    "relabel",
)
WORK = Path(".bench")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="which; all by default")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the photos are")
    chosen = parser.parse_args(arguments)
    WORK.mkdir(exist_ok=True)
    parts = [f"Measured on {machine()}\n"]
    print(parts[0])
    for name in chosen.names or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        rows: list[Row] = module.rows(chosen.data.resolve(), WORK.resolve())
        parts.append(table(module.TITLE, rows))
        print(parts[-1], flush=True)
    (WORK / "results.md").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
