"""The service against its own description: schemathesis asks what it allows, and what it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.docs.markdown import REPOSITORY
from tests.seeds import SEED
from tests.service.processes import ask, serving, wait_until_ready

pytestmark = [
    pytest.mark.schema,
    pytest.mark.enable_socket,
    pytest.mark.skipif(
        find_spec("schemathesis") is None,
        reason="schemathesis is not installed; `make test-schema` installs it",
    ),
]
EXAMPLES = 200  # of each operation
KEY = "k" * 20
# Of what a description allows these may be refused too: a condition that cannot be read, an unknown column, a
# picture that is none. `schema_checks` looks at their codes.
SETTINGS = f"""
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 413, 422, 429, "5xx"]
[auth.openapi.bearer]
bearer = "{KEY}"
"""


def test_every_operation_keeps_to_its_description_whatever_it_is_asked(shop: Path, tmp_path: Path) -> None:
    keys, settings = tmp_path / "keys.txt", tmp_path / "settings.toml"
    keys.write_text(f"admin {KEY}\n")
    settings.write_text(SETTINGS)
    with serving(shop / "catalog", "--key-file", str(keys)) as (_, port):
        wait_until_ready(port)
        status, description = ask(port, "/openapi.json", authorization=f"Bearer {KEY}")
        assert status == 200
        (tmp_path / "openapi.json").write_bytes(description)
        command = [
            *(Path(sys.executable).with_name("schemathesis"), "--config-file", settings, "run"),
            *("--no-color", "--max-examples", EXAMPLES, "--seed", SEED, "--generation-database", "none"),
            *("--url", f"http://127.0.0.1:{port}", tmp_path / "openapi.json"),
        ]
        done = subprocess.run(
            [str(word) for word in command],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(REPOSITORY),
                "SCHEMATHESIS_HOOKS": "tests.service.schema_checks",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in told.partition("Test Phases:")[2], told
