"""A service that ends, or is killed, at any moment: nothing that was accepted, or acknowledged, is lost."""

from __future__ import annotations

import http.client
import io
import json
import random
import signal
import threading
import time
from pathlib import Path

import pytest
from tests.made_models import save_model
from tests.pictures import picture, write_pictures
from tests.seeds import SEED
from tests.service.processes import WAIT_S, serving, wait_until_ready

import seealike
from seealike import NewPicture

pytestmark = [pytest.mark.heavy, pytest.mark.enable_socket]
TERMINATIONS, KILLS, CLIENTS = 50, 20, 8


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A catalogue of twenty pictures."""
    model = save_model(tmp_path / "model.onnx")
    paths = write_pictures(tmp_path / "photos", range(20))
    with seealike.create(tmp_path / "catalog", encoder=f"onnx:{model}") as made:
        made.add_many(NewPicture(path.stem, path) for path in paths)
    return tmp_path / "catalog"


def _jpeg(number: int) -> bytes:
    file = io.BytesIO()
    picture(number).save(file, "JPEG")
    return file.getvalue()


class _Client(threading.Thread):
    """Asks and asks, on one connection or on one for each request, until nobody listens any more."""

    def __init__(self, port: int, number: int) -> None:
        super().__init__()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        self._picture, self._keeps = _jpeg(number), number % 2 == 0
        self.answered = self.lost = 0

    def run(self) -> None:
        while self._is_connected():
            try:
                self._ask()
                self.answered += 1
            except (OSError, http.client.HTTPException):  # it was sent, but there is no reply
                self.lost += 1
                self._connection.close()

    def _is_connected(self) -> bool:
        if self._connection.sock is None:
            try:
                self._connection.connect()
            except OSError:
                return False
        return True

    def _ask(self) -> None:
        self._connection.request("POST", "/search?k=2", self._picture, {"content-type": "image/jpeg"})
        reply = self._connection.getresponse()
        assert len(json.loads(reply.read())["hits"]) == 2
        assert reply.status == 200
        if not self._keeps:
            self._connection.close()


def test_no_request_that_was_accepted_is_lost_when_it_is_told_to_end(catalog: Path, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    for _ in range(TERMINATIONS):
        log: list[str] = []
        with serving(catalog, log=log) as (process, port):
            wait_until_ready(port)
            clients = [_Client(port, number) for number in range(CLIENTS)]
            for client in clients:
                client.start()
            time.sleep(rng.uniform(0, 0.3))
            process.send_signal(signal.SIGTERM)
            process.wait(WAIT_S)
            for client in clients:
                client.join(WAIT_S)
        assert [client.lost for client in clients] == [0] * CLIENTS
        seen = [json.loads(line) for line in "".join(log).splitlines() if line.startswith("{")]
        searches = [one["status"] for one in seen if one.get("route") == "/search"]
        assert searches == [200] * sum(client.answered for client in clients)


def test_no_change_that_was_acknowledged_is_lost_when_it_is_killed(catalog: Path) -> None:
    rng = random.Random(SEED)
    acknowledged: dict[str, int] = {}
    for turn in range(KILLS):
        with serving(catalog) as (process, port):
            wait_until_ready(port)
            killer, last = threading.Timer(rng.uniform(0, 0.05), process.kill), rng.randrange(1, 8)
            client = seealike.Client(f"http://127.0.0.1:{port}")
            try:
                for number in range(1000):
                    item_id, shown = f"new-{rng.randrange(30)}", rng.randrange(1000)
                    acknowledged.pop(item_id, None)  # either one may be there while nothing has been said
                    if number == last:
                        killer.start()
                    client.add(item_id, _jpeg(shown), metadata={"turn": turn, "shown": shown})
                    acknowledged[item_id] = shown
            except seealike.SeealikeError:
                killer.join()
    assert acknowledged
    with seealike.open(catalog) as opened:
        assert opened.verify().ok
        for item_id, shown in acknowledged.items():
            item = opened.item(item_id)
            assert item.metadata["shown"] == shown
            assert item.path is not None
            assert Path(item.path).read_bytes() == _jpeg(shown)
