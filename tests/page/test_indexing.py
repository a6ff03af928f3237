"""A run of ``seealike index`` in another process is followed by the page while it goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.page.conftest import Visit, served
from tests.page.visitor import as_json
from tests.service.processes import WAIT_S

import seealike
from seealike.demo import DrawnCatalogue


@pytest.mark.skipif(os.name == "nt", reason="processes cannot be halted")
def test_a_run_in_another_process_is_seen_and_so_is_what_came(
    shop: DrawnCatalogue, opened: ExitStack, tmp_path: Path, visit: Visit
) -> None:
    catalog = tmp_path / "catalog"
    seealike.create(catalog).close()
    command = [sys.executable, "-m", "seealike", "index", shop.table, "-C", str(catalog), "--quiet"]
    address = served(opened, catalog)
    visitor = visit(address, "/?view=numbers")
    visitor.see("h1")
    with subprocess.Popen(command) as run:
        until = time.monotonic() + WAIT_S
        while not as_json(visitor.page, f"{address}/stats")["indexing"]:
            assert run.poll() is None
            assert time.monotonic() < until
        run.send_signal(signal.SIGSTOP)  # however fast the machine is, the page has time to look
        try:
            visitor.see(visitor.page.get_by_role("heading", name=re.compile("^Indexing: ")))
            assert visitor.violations() == []
        finally:
            run.send_signal(signal.SIGCONT)
        assert run.wait() == 0
    over = visitor.see(visitor.page.get_by_role("heading", name=re.compile("^Indexing is over")))
    with seealike.open(catalog) as made:
        assert f"{len(made)} pictures came" in over.inner_text()
    visitor.open("/")
    visitor.see("[role=listitem] a.picture")
