"""Fetching a hub's files: only the right one gets its name, whatever the server, the line and the disk do."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple
from unittest.mock import MagicMock

import pytest
from tests import hub_server
from tests.hub_server import REPOSITORY, REVISION, HubServer, without_variables

from seealike.encoders.hub import download as downloading
from seealike.encoders.hub.download import fetch, one_writer, remove_model
from seealike.encoders.hub.files import LOCK_NAME, Hub, RemoteFile
from seealike.errors import EncoderError, UsageError
from seealike.files import FileSystem
from seealike.types import Progress, ProgressCallback, unwatched

pytestmark = pytest.mark.enable_socket
CONTENT = bytes(range(256)) * 2048  # half a megabyte: several pieces, and more than a stalled line may lack
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PATH = "onnx/model.onnx"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    without_variables(monkeypatch)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with hub_server.hub_server() as server:
        yield server


def left(folder: Path) -> set[str]:
    """The files in a folder, but for the lock."""
    return {path.name for path in folder.iterdir()} - {LOCK_NAME}


def download(
    files: Sequence[RemoteFile], into: str, *, hub: Hub, progress: ProgressCallback = unwatched
) -> list[str]:
    """Fetch files into a folder as its one writer."""
    with one_writer(into):
        return fetch(files, into, hub=hub, progress=progress)


def fetched(hub: HubServer, file: RemoteFile, into: Path, **more: object) -> bytes:
    """Download one file; its content."""
    (digest,) = download([file], str(into), hub=hub.hub(**more))
    content = (into / file.local_name).read_bytes()
    assert digest == hashlib.sha256(content).hexdigest()
    return content


def refused(hub: HubServer, file: RemoteFile, into: Path, **more: object) -> str:
    """What is said where the file is not to be had: one line, and nothing has its name."""
    with pytest.raises(EncoderError) as failed:
        download([file], str(into), hub=hub.hub(**more))
    assert not (into / file.local_name).exists()
    assert "\n" not in str(failed.value)
    return str(failed.value)


def test_files_are_fetched_by_revision_under_their_names_and_nothing_else_stays(
    hub: HubServer, tmp_path: Path
) -> None:
    files = [hub.add(PATH, CONTENT), hub.add("a b/tokenizer.json", b"{}", name="words.json")]
    hub.files[f"/{REPOSITORY}/resolve/{REVISION}/a%20b/tokenizer.json"] = b"{}"
    digests = download(files, str(tmp_path / "deep" / "model"), hub=hub.hub())
    assert digests == [SHA256, hashlib.sha256(b"{}").hexdigest()]
    assert left(tmp_path / "deep" / "model") == {"model.onnx", "words.json"}
    assert (tmp_path / "deep" / "model" / "model.onnx").read_bytes() == CONTENT
    assert hub.requests[0].path == f"/{REPOSITORY}/resolve/{REVISION}/{PATH}"


def test_a_request_says_the_program_and_nothing_about_who_asks(hub: HubServer, tmp_path: Path) -> None:
    fetched(hub, hub.add(PATH, CONTENT), tmp_path, token="secret")
    (request,) = hub.requests
    assert set(request.headers) <= {"host", "user-agent", "accept-encoding", "connection"}
    assert request.headers["user-agent"].startswith("seealike/")
    assert request.headers["accept-encoding"] == "identity"


def test_a_file_that_is_there_is_asked_for_no_more_and_a_spoilt_one_is(
    hub: HubServer, tmp_path: Path
) -> None:
    file = hub.add(PATH, CONTENT)
    fetched(hub, file, tmp_path)
    fetched(hub, file, tmp_path)
    assert len(hub.requests) == 1
    (tmp_path / "model.onnx").write_bytes(CONTENT[:-1] + b"x")
    assert fetched(hub, file, tmp_path) == CONTENT
    assert len(hub.requests) == 2


def test_another_file_of_the_same_size_is_refused_and_nothing_of_it_stays(
    hub: HubServer, tmp_path: Path
) -> None:
    file = hub.add(PATH, CONTENT)
    hub.add(PATH, CONTENT[::-1])
    said = refused(hub, file, tmp_path)
    assert SHA256 in said
    assert hashlib.sha256(CONTENT[::-1]).hexdigest() in said
    assert left(tmp_path) == set()


def test_a_connection_that_is_cut_is_taken_up_where_it_was(hub: HubServer, tmp_path: Path) -> None:
    hub.behaviours += [hub_server.cut_after(200_000), hub_server.cut_after(200_000)]
    assert fetched(hub, hub.add(PATH, CONTENT), tmp_path) == CONTENT
    assert hub.ranges() == [None, "bytes=200000-", "bytes=400000-"]


def test_a_server_that_sends_all_again_is_heard_from_the_start(hub: HubServer, tmp_path: Path) -> None:
    hub.behaviours += [hub_server.cut_after(300_000), hub_server.whole_again]
    assert fetched(hub, hub.add(PATH, CONTENT), tmp_path) == CONTENT
    assert hub.ranges() == [None, "bytes=300000-"]


def test_what_an_earlier_run_left_is_used(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / f"{SHA256}.part").write_bytes(CONTENT[:100_000])
    assert fetched(hub, hub.add(PATH, CONTENT), tmp_path) == CONTENT
    assert hub.ranges() == ["bytes=100000-"]
    assert left(tmp_path) == {"model.onnx"}


@pytest.mark.parametrize("spoilt", [b"x" * 100_000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)])
def test_what_an_earlier_run_left_and_a_power_cut_spoilt_is_fetched_anew(
    hub: HubServer, tmp_path: Path, spoilt: bytes
) -> None:
    (tmp_path / f"{SHA256}.part").write_bytes(spoilt)
    assert fetched(hub, hub.add(PATH, CONTENT), tmp_path) == CONTENT
    assert hub.ranges()[-1] is None


def test_a_part_that_was_whole_already_needs_no_network(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / f"{SHA256}.part").write_bytes(CONTENT)
    assert fetched(hub, hub.add(PATH, CONTENT), tmp_path) == CONTENT
    assert hub.requests == []


def test_a_server_that_has_less_than_is_here_is_asked_from_the_start(hub: HubServer, tmp_path: Path) -> None:
    hub.add(PATH, CONTENT[:50_000])
    whole = RemoteFile(REPOSITORY, REVISION, PATH, None, SHA256)
    (tmp_path / f"{SHA256}.part").write_bytes(CONTENT[:100_000])
    assert "serves another file" in refused(hub, whole, tmp_path)
    assert hub.ranges() == ["bytes=100000-", None]


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (hub_server.status(403), f"does not give {REPOSITORY} to you (403); accept the licence at http://"),
        (hub_server.status(404), f"has no {PATH} in {REPOSITORY} at revision {REVISION} (404)"),
        (hub_server.status(429, Retry_After=37), "asks to wait 37 s: too many requests (429)"),
        (hub_server.status(429, RateLimit='"resolvers";r=0;t=55'), "asks to wait 55 s: too many"),
        (hub_server.status(429), "asks to wait: too many requests (429)"),
        (hub_server.status(418), "answers 418 for"),
        (hub_server.packed, "packed (gzip)"),
        (hub_server.saying_length(len(CONTENT) + 1), "it is another file"),
        (hub_server.saying_length(10), "has 10 bytes as"),
        (hub_server.without_end, "sends more than there is of"),
        (hub_server.status(302, Location="ftp://127.0.0.1/x"), "is not safe"),
        (hub_server.status(302, Location="file:/etc/hostname"), "is not safe"),
        (hub_server.status(307, Location="//["), "is not safe"),
    ],
)
def test_what_a_hub_refuses_or_lies_about_is_said_in_a_line_at_once(
    hub: HubServer, tmp_path: Path, behaviour: hub_server.Behaviour, said: str
) -> None:
    hub.behaviours.append(behaviour)
    assert said in refused(hub, hub.add(PATH, CONTENT), tmp_path)
    assert len(hub.requests) == 1


def test_a_date_until_which_to_wait_is_told_in_seconds(hub: HubServer, tmp_path: Path) -> None:
    hub.behaviours.append(hub_server.status(429, Retry_After=formatdate(time.time() + 4000, usegmt=True)))
    said = refused(hub, hub.add(PATH, CONTENT), tmp_path)
    wait = int(said.partition("asks to wait ")[2].partition(" s:")[0].replace(",", ""))
    assert 3000 < wait <= 4000


def test_a_fault_of_the_hub_is_tried_again_and_then_told(hub: HubServer, tmp_path: Path) -> None:
    hub.behaviours += [hub_server.status(503), hub_server.status(500)]
    assert fetched(hub, hub.add(PATH, CONTENT), tmp_path) == CONTENT
    (tmp_path / "model.onnx").unlink()
    hub.behaviours += [hub_server.status(502)] * 3
    assert "has a fault of its own (502); run this again" in refused(hub, hub.add(PATH, CONTENT), tmp_path)


def test_a_line_that_is_cut_again_and_again_is_given_up_and_what_came_stays(
    hub: HubServer, tmp_path: Path
) -> None:
    file = hub.add(PATH, CONTENT)
    hub.behaviours += [hub_server.cut_after(200_000), *[hub_server.cut_after(0)] * 3]
    assert "it goes on after 200,000 bytes" in refused(hub, file, tmp_path)
    hub.requests.clear()
    assert fetched(hub, file, tmp_path) == CONTENT
    assert hub.ranges() == ["bytes=200000-"]


def test_a_hub_that_falls_silent_is_left(hub: HubServer, tmp_path: Path) -> None:
    hub.behaviours.append(hub_server.silent_after(200_000))
    patience = {"silence_s": 2.0, "least_bytes": 1 << 30, "pauses_s": ()}  # what came is too little to go on
    said = refused(hub, hub.add(PATH, CONTENT), tmp_path, **patience)
    assert "broke off (timed out); run this again, and it goes on after 200,000 bytes" in said


def test_a_hub_that_never_answers_is_left(hub: HubServer, tmp_path: Path) -> None:
    hub.behaviours.append(hub_server.never)
    said = refused(hub, hub.add(PATH, CONTENT), tmp_path, silence_s=0.2, pauses_s=())
    assert "does not answer (timed out)" in said


def test_a_hub_that_hangs_up_is_asked_again(hub: HubServer, tmp_path: Path) -> None:
    hub.behaviours += [hub_server.hang_up, hub_server.hang_up]
    assert fetched(hub, hub.add(PATH, CONTENT), tmp_path) == CONTENT
    (tmp_path / "model.onnx").unlink()
    hub.behaviours += [hub_server.hang_up] * 3
    assert "does not answer (Remote end closed connection" in refused(hub, hub.add(PATH, CONTENT), tmp_path)


def test_a_hub_that_sends_drop_by_drop_is_left(hub: HubServer, tmp_path: Path) -> None:
    hub.behaviours.append(hub_server.dripping)
    said = refused(hub, hub.add(PATH, CONTENT), tmp_path, stall_s=0.3, pauses_s=())
    assert "has sent next to nothing for 0.3 s" in said


def test_a_slow_disk_is_no_slow_line(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    took, clock = downloading._Part.append, [0.0]

    def slowly(part: downloading._Part, piece: bytes) -> None:
        clock[0] += 1000.0
        took(part, piece)

    monkeypatch.setattr(downloading._Part, "append", slowly)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(downloading, "_CHUNK_BYTES", 1 << 14)
    assert fetched(hub, hub.add(PATH, CONTENT), tmp_path, stall_s=60.0, least_bytes=1 << 30) == CONTENT
    assert clock[0] >= 1000.0 * len(CONTENT) / (1 << 14)


def test_nobody_there_is_told_with_the_address_and_the_digest(tmp_path: Path) -> None:
    with hub_server.hub_server() as gone:
        file = gone.add(PATH, CONTENT)
    said = refused(gone, file, tmp_path)
    assert "cannot be reached" in said
    assert f"{gone.endpoint}/{REPOSITORY}/resolve/{REVISION}/{PATH}, SHA-256 {SHA256}, and bring it" in said
    assert said.endswith("--from PATH")


def test_a_small_file_that_has_no_end_is_not_waited_for(hub: HubServer, tmp_path: Path) -> None:
    file = hub.add(PATH, CONTENT, known=False)
    assert "too many for what it is" in refused(hub, file, tmp_path, most_bytes=len(CONTENT) - 1)
    assert fetched(hub, file, tmp_path, most_bytes=len(CONTENT)) == CONTENT
    (tmp_path / "model.onnx").unlink()
    hub.behaviours.append(hub_server.without_end)
    assert "sends more than there is of" in refused(hub, file, tmp_path, most_bytes=100_000)


def test_offline_nothing_is_asked_and_what_is_there_is_used(hub: HubServer, tmp_path: Path) -> None:
    file = hub.add(PATH, CONTENT)
    assert "stay offline; --from PATH takes files" in refused(hub, file, tmp_path, offline=True)
    assert hub.requests == []
    fetched(hub, file, tmp_path)
    assert fetched(hub, file, tmp_path, offline=True) == CONTENT


# -- redirects, tokens, certificates ---------------------------------------------------------------------


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_the_file_is_fetched_from_where_the_hub_keeps_it(hub: HubServer, tmp_path: Path, code: int) -> None:
    file = hub.add(PATH, CONTENT)
    with hub_server.hub_server() as elsewhere:
        elsewhere.files["/blob"] = CONTENT
        (tmp_path / f"{SHA256}.part").write_bytes(CONTENT[:1000])
        hub.behaviours.append(hub_server.status(code, Location=f"{elsewhere.endpoint}/blob?signature=1"))
        assert fetched(hub, file, tmp_path) == CONTENT
        assert elsewhere.ranges() == ["bytes=1000-"]


def test_a_mirror_needs_no_headers_of_its_own_and_may_lie_below_a_path(
    hub: HubServer, tmp_path: Path
) -> None:
    file = hub.add(PATH, CONTENT)
    hub.files[f"/remote/hub/{REPOSITORY}/resolve/{REVISION}/{PATH}"] = CONTENT
    download([file], str(tmp_path), hub=Hub(f"{hub.endpoint}/remote/hub"))
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


def test_redirects_in_a_circle_end(hub: HubServer, tmp_path: Path) -> None:
    file = hub.add(PATH, CONTENT)
    hub.behaviours += [hub_server.status(302, Location=f"{hub.endpoint}/{at % 2}") for at in range(100)]
    assert "redirects without end" in refused(hub, file, tmp_path)
    assert len(hub.requests) < 20


class Secure(NamedTuple):
    """Two hubs with https, whose certificate the environment names."""

    home: HubServer
    elsewhere: HubServer
    certificate: str


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here")
    folder = tmp_path_factory.mktemp("certificate")
    key, cert = str(folder / "key.pem"), str(folder / "cert.pem")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=hub"
    )
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def secure(certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Secure]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate[0])
    with hub_server.hub_server(certificate) as home, hub_server.hub_server(certificate) as elsewhere:
        yield Secure(home, elsewhere, certificate[0])


def tokens(server: HubServer) -> list[str | None]:
    return [request.headers.get("authorization") for request in server.requests]


def test_the_token_is_told_only_where_it_is_asked_for_and_never_to_another_host(
    secure: Secure, tmp_path: Path
) -> None:
    home, elsewhere = secure.home, secure.elsewhere
    file = home.add(PATH, CONTENT)
    elsewhere.files["/blob"] = CONTENT
    away = hub_server.status(302, Location=f"{elsewhere.endpoint}/blob")
    home.behaviours += [
        hub_server.status(401),
        hub_server.status(307, Location=f"/moved/{PATH}"),
        away,
    ]
    assert fetched(home, file, tmp_path, token="secret") == CONTENT
    assert tokens(home) == [None, "Bearer secret", "Bearer secret"]
    assert tokens(elsewhere) == [None]


def test_without_a_token_and_with_a_wrong_one_the_licence_is_pointed_to(
    secure: Secure, tmp_path: Path
) -> None:
    file = secure.home.add(PATH, CONTENT)
    secure.home.behaviours.append(hub_server.status(401))
    said = refused(secure.home, file, tmp_path)
    assert f"accept the licence at {secure.home.endpoint}/{REPOSITORY}, and set HF_TOKEN" in said
    secure.home.behaviours += [hub_server.status(401), hub_server.status(401)]
    said = refused(secure.home, file, tmp_path, token="secret")
    assert "does not take HF_TOKEN" in said
    assert "secret" not in said


def test_no_token_goes_over_plain_http(hub: HubServer, tmp_path: Path) -> None:
    hub.behaviours.append(hub_server.status(401))
    said = refused(hub, hub.add(PATH, CONTENT), tmp_path, token="secret")
    assert "no token is sent over plain http" in said
    assert tokens(hub) == [None]


def test_https_leads_to_no_plain_http(secure: Secure, hub: HubServer, tmp_path: Path) -> None:
    hub.files["/blob"] = CONTENT
    secure.home.behaviours.append(hub_server.status(302, Location=f"{hub.endpoint}/blob"))
    assert "is not safe" in refused(secure.home, secure.home.add(PATH, CONTENT), tmp_path)
    assert hub.requests == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_are_those_that_the_environment_names(
    secure: Secure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    file = secure.home.add(PATH, CONTENT)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert "is not trusted here" in refused(secure.home, file, tmp_path)
    monkeypatch.setenv(variable, secure.certificate)
    assert fetched(secure.home, file, tmp_path) == CONTENT


def test_a_bundle_that_is_not_there_is_named(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    assert "REQUESTS_CA_BUNDLE names" in refused(hub, hub.add(PATH, CONTENT), tmp_path)


def test_the_proxy_of_the_environment_is_asked(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = hub.add(PATH, CONTENT)
    with hub_server.hub_server() as proxy:
        monkeypatch.setenv("http_proxy", proxy.endpoint)
        there = f"http://hub.invalid/{REPOSITORY}/resolve/{REVISION}/{PATH}"
        proxy.files[there] = CONTENT
        download([file], str(tmp_path), hub=Hub("http://hub.invalid"))
        assert [request.path for request in proxy.requests] == [there]
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


# -- files whose digest nobody has published --------------------------------------------------------------


def test_where_a_note_has_the_digest_it_is_named_when_another_file_comes(
    hub: HubServer, tmp_path: Path
) -> None:
    file = replace(hub.add(PATH, CONTENT[::-1], known=False), sha256=SHA256, noted="/here/installed.json")
    said = refused(hub, file, tmp_path)
    assert f"not {SHA256} (which /here/installed.json says); nothing of it was kept" in said


def test_what_a_note_cannot_say_is_fetched_anew(hub: HubServer, tmp_path: Path) -> None:
    file = hub.add(PATH, CONTENT, known=False)
    assert fetched(hub, file, tmp_path) == CONTENT
    hub.add(PATH, CONTENT[::-1])
    assert fetched(hub, file, tmp_path) == CONTENT[::-1]


def test_a_reply_without_a_length_is_known_to_be_cut_by_the_size_that_the_hub_states(
    hub: HubServer, tmp_path: Path
) -> None:
    file = hub.add(PATH, CONTENT, known=False)
    hub.files["/blob"] = CONTENT
    leads = hub_server.status(302, Location="/blob", X_Linked_Size=len(CONTENT))
    hub.behaviours += [
        leads,
        lambda handler, content: handler.say(200, {}, (content or b"")[:200_000]),
        leads,
    ]
    assert fetched(hub, file, tmp_path) == CONTENT
    assert hub.ranges()[-1] == "bytes=200000-"


def test_what_the_hub_itself_says_of_a_file_is_believed_where_nobody_else_does(
    hub: HubServer, tmp_path: Path
) -> None:
    file = hub.add(PATH, CONTENT, known=False)
    hub.files["/blob"] = CONTENT[::-1]
    hub.behaviours.append(hub_server.status(302, Location="/blob", X_Linked_Etag=f'"{SHA256}"'))
    assert "serves another file" in refused(hub, file, tmp_path)


def test_half_a_file_of_an_unknown_one_is_not_built_upon(hub: HubServer, tmp_path: Path) -> None:
    file = hub.add(PATH, CONTENT, known=False)
    hub.behaviours += [hub_server.cut_after(200_000), *[hub_server.cut_after(0)] * 3]
    refused(hub, file, tmp_path)
    hub.requests.clear()
    assert fetched(hub, file, tmp_path) == CONTENT
    assert hub.ranges() == [None]


# -- the disk, and others who fetch -----------------------------------------------------------------------


def test_room_is_looked_for_before_anything_is_asked(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = hub.add(PATH, CONTENT)
    usage = shutil.disk_usage(tmp_path)._replace(free=16_000_000 + len(CONTENT) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    said = refused(hub, file, tmp_path)
    assert "has room for 17 MB, and 1 MB are to come" in said
    assert hub.requests == []
    (tmp_path / f"{SHA256}.part").write_bytes(CONTENT[:1])  # then it is enough
    assert fetched(hub, file, tmp_path) == CONTENT


def test_room_for_a_file_of_unknown_size_is_looked_for_when_it_is_known(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = hub.add(PATH, CONTENT, known=False)
    usage = shutil.disk_usage(tmp_path)._replace(free=16_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert "and 1 MB are to come" in refused(hub, file, tmp_path)


def test_a_disk_that_fills_up_is_told_and_what_came_is_used_later(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, took = hub.add(PATH, CONTENT), downloading._Part.append

    def full(part: downloading._Part, piece: bytes) -> None:
        write = part._open.write

        def refusing(data: bytes) -> int:
            if part.size + len(data) > 300_000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(data)

        part._open = MagicMock(wraps=part._open, write=refusing)
        took(part, piece)

    with monkeypatch.context() as filling:
        filling.setattr(downloading, "_CHUNK_BYTES", 1 << 14)
        filling.setattr(downloading._Part, "append", full)
        said = refused(hub, file, tmp_path)
    assert said == (
        f"cannot write into {tmp_path}: No space left on device; make room, or let SEEALIKE_CACHE name "
        "another directory"
    )
    assert left(tmp_path) == {f"{SHA256}.part"}
    hub.requests.clear()
    assert fetched(hub, file, tmp_path) == CONTENT
    assert hub.ranges() != [None]


def test_only_one_fetches_into_a_folder(hub: HubServer, tmp_path: Path) -> None:
    file = hub.add(PATH, CONTENT)
    with one_writer(str(tmp_path)):
        caught: list[str] = []
        other = threading.Thread(target=lambda: caught.append(refused(hub, file, tmp_path)))
        other.start()
        other.join()
    assert "another process is fetching into" in caught[0]
    assert hub.requests == []
    assert fetched(hub, file, tmp_path) == CONTENT


def test_nobody_fetches_into_a_folder_while_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, refusals, remove = tmp_path / "model", list[str](), FileSystem.remove_tree
    folder.mkdir()
    (folder / "model.onnx").write_bytes(CONTENT)

    def enter() -> None:
        try:
            with one_writer(str(folder)):
                pass
        except EncoderError as exc:
            refusals.append(str(exc))

    def removing(files: FileSystem, path: str) -> None:
        other = threading.Thread(target=enter)
        other.start()
        other.join()
        remove(files, path)

    monkeypatch.setattr(FileSystem, "remove_tree", removing)
    assert remove_model(str(folder), "it") >= len(CONTENT)
    assert ["another process is fetching into" in said for said in refusals][:1] == [True]
    assert not folder.exists()


def test_progress_counts_the_bytes_of_all_files(hub: HubServer, tmp_path: Path) -> None:
    files = [hub.add(PATH, CONTENT), hub.add("b.json", b"{}")]
    seen: list[Progress] = []
    download(files, str(tmp_path), hub=hub.hub(), progress=seen.append)
    assert [step.done for step in seen] == sorted(step.done for step in seen)
    assert (seen[-1].done, seen[-1].total) == (len(CONTENT) + 2, len(CONTENT) + 2)


# -- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repository", "revision", "path", "sha256"),
    [
        ("model", REVISION, PATH, None),
        ("../model", REVISION, PATH, None),
        ("a/b/c", REVISION, PATH, None),
        (REPOSITORY, "main", PATH, None),
        (REPOSITORY, REVISION[:39], PATH, None),
        (REPOSITORY, REVISION, "../model.onnx", None),
        (REPOSITORY, REVISION, "/model.onnx", None),
        (REPOSITORY, REVISION, "a\\b", None),
        (REPOSITORY, REVISION, "a\nb", None),
        (REPOSITORY, REVISION, "", None),
        (REPOSITORY, REVISION, PATH, "abc"),
        (REPOSITORY, REVISION, "Installed.json", None),
        (REPOSITORY, REVISION, "download.lock", None),
        (REPOSITORY, REVISION, "a/model.onnx.part", None),
    ],
)
def test_what_is_no_file_of_a_commit_is_refused(
    repository: str, revision: str, path: str, sha256: str | None
) -> None:
    with pytest.raises(UsageError):
        RemoteFile(repository, revision, path, 1, sha256)


@pytest.mark.skipif(os.name == "nt", reason="links need a right of their own there")
def test_a_part_that_is_a_link_is_not_written_through(hub: HubServer, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(CONTENT[:100])
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / f"{SHA256}.part").symlink_to(other)
    assert fetched(hub, hub.add(PATH, CONTENT), tmp_path / "into") == CONTENT
    assert other.read_bytes() == CONTENT[:100]
    assert not (tmp_path / "into" / "model.onnx").is_symlink()


@pytest.mark.parametrize(
    "token", ["hf_\nSECRET", "hf_\r\nX-Other: SECRET", "hf_SECRET\u20ac", "hf SECRET", "hf_\x00SECRET"]
)
def test_a_token_that_is_none_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    with pytest.raises(UsageError, match="HF_TOKEN holds what no token does") as failed:
        Hub(token=token)
    if "\x00" not in token:
        monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(UsageError, match="HF_TOKEN holds what no token does"):
            Hub.from_environment()
    assert "SECRET" not in str(failed.value)


@pytest.mark.parametrize(
    "endpoint", ["huggingface.co", "ftp://host", "https://", "https://me:secret@host", "https://host:x"]
)
def test_an_endpoint_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(UsageError, match="HF_ENDPOINT must be") as failed:
        Hub.from_environment()
    assert "secret" not in str(failed.value)


def test_the_environment_says_where_the_hub_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Hub.from_environment() == Hub("https://huggingface.co")
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/hub/")
    monkeypatch.setenv("HF_TOKEN", " secret\n")
    monkeypatch.setenv("HF_HUB_OFFLINE", "yes")
    hub = Hub.from_environment()
    assert hub == Hub("https://mirror.example/hub", token="secret", offline=True)
    assert "secret" not in repr(hub)
