"""No picture stops a run, and a decoder that dies takes only its own picture with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from tests.pictures import picture
from tests.robustness.corpus import Sample, corpus, encoded
from tests.robustness.saboteur import ordered
from tests.seeds import SEED

from seealike.errors import SeealikeError
from seealike.images import DecodeLimits, DecodePool, DecodeTask, decode
from seealike.images.pool.process import worker_command
from seealike.types import Preprocessing, SkipReason

ROOT = Path(__file__).resolve().parents[2]
PREPROCESSING = Preprocessing(40, 32, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
LIMITS = DecodeLimits()
STALL_S = 2.0
"""A small picture takes milliseconds; on a machine that is busy with other things, longer."""
PATIENCE_S = 120.0
SABOTEUR = worker_command("tests.robustness.saboteur")
posix = pytest.mark.skipif(os.name == "nt", reason="signals and limits of POSIX")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux limits memory hard")

Verdicts = dict[int, tuple[str, str]]


def verdicts_of(pool: DecodePool, tasks: Sequence[DecodeTask]) -> Verdicts:
    """What became of every token; fails when one is missing or comes twice."""
    found: list[tuple[int, tuple[str, str]]] = []
    for batch in pool.decode(tasks):
        for row, decoded in enumerate(batch.pictures):
            found.append((decoded.token, ("decoded", batch.pixels[row].tobytes().hex())))
        found += [(failure.token, (failure.reason.value, failure.detail)) for failure in batch.refused]
        batch.release()
    assert sorted(token for token, _ in found) == sorted(task.token for task in tasks)
    return dict(found)


def written(samples: Sequence[Sample], folder: Path) -> list[DecodeTask]:
    tasks = []
    for token, sample in enumerate(samples):
        path = folder / sample.name
        path.write_bytes(sample.data)
        tasks.append(DecodeTask(token, path=str(path)))
    return tasks


def saboteurs(*, workers: int = 1, batch_size: int = 8, limits: DecodeLimits = LIMITS) -> DecodePool:
    return DecodePool(
        PREPROCESSING,
        workers=workers,
        batch_size=batch_size,
        buffers=2 * workers + 1,
        limits=limits,
        worker_command=SABOTEUR,
    )


def crowd(order: str, at: int = 3, count: int = 12) -> list[DecodeTask]:
    """Sound pictures, with one among them that has an order."""
    pictures = [encoded(picture(number), "PNG") for number in range(count)]
    pictures[at] = ordered(pictures[at], order)
    return [DecodeTask(token, data=data) for token, data in enumerate(pictures)]


def expected(tasks: Sequence[DecodeTask], but: int) -> Verdicts:
    return {
        task.token: (
            "decoded",
            decode(task.data or b"", PREPROCESSING, LIMITS).pixels.tobytes().hex(),
        )
        for task in tasks
        if task.token != but
    }


def test_every_file_of_the_made_corpus_gets_the_right_verdict_for_any_number_of_workers(
    tmp_path: Path,
) -> None:
    samples = corpus()
    tasks = written(samples, tmp_path)
    seen = []
    for workers, batch_size in ((1, 16), (3, 5)):
        with DecodePool(PREPROCESSING, workers=workers, batch_size=batch_size, buffers=workers + 2) as pool:
            seen += [verdicts_of(pool, tasks), verdicts_of(pool, tasks[::-1])]
    assert all(verdicts == seen[0] for verdicts in seen)
    wrong = {
        sample.name: verdict
        for sample, (verdict, detail) in ((samples[token], seen[0][token]) for token in seen[0])
        if not (sample.may_decode if verdict == "decoded" else verdict in sample.reasons and detail)
    }
    assert not wrong


@pytest.mark.parametrize(
    ("order", "reason", "detail"),
    [
        ("exit", SkipReason.DECODER_CRASHED, "exit code 3"),
        ("exit-0", SkipReason.DECODER_CRASHED, "exit code 0"),
        ("babble", SkipReason.DECODER_CRASHED, "senseless"),
        pytest.param("segfault", SkipReason.DECODER_CRASHED, "SIGSEGV", marks=posix),
        pytest.param("abort", SkipReason.DECODER_CRASHED, "SIGABRT", marks=posix),
        pytest.param("spin", SkipReason.DECODER_TIMEOUT, "CPU time", marks=posix),
        pytest.param("hog", SkipReason.OUT_OF_MEMORY, "memory", marks=linux),
        pytest.param("hog-natively", SkipReason.DECODER_CRASHED, "", marks=linux),
    ],
)
def test_a_decoder_that_fails_costs_its_own_picture_only(order: str, reason: SkipReason, detail: str) -> None:
    tasks = crowd(order)
    # Nothing but spinning may meet the limit of time: filling the memory takes a while on a slow machine.
    limits = DecodeLimits(cpu_s=1.0 if order == "spin" else 60.0, memory_bytes=100_000_000)
    with saboteurs(limits=limits) as pool:
        verdicts = verdicts_of(pool, tasks)
    blamed, why = verdicts.pop(3)
    assert blamed == reason.value
    assert detail in why
    assert verdicts == expected(tasks, but=3)


def test_a_decoder_that_waits_forever_is_ended_by_the_clock_and_called_stalled() -> None:
    tasks = crowd("sleep", at=0, count=3)
    with saboteurs(limits=DecodeLimits(wall_s=STALL_S)) as pool:
        verdicts = verdicts_of(pool, tasks)
    assert verdicts.pop(0)[0] == SkipReason.STALLED.value
    assert verdicts == expected(tasks, but=0)


def test_a_decoder_that_waits_once_is_tried_again_and_costs_nothing(tmp_path: Path) -> None:
    tasks = crowd(f"sleep-once {tmp_path / 'slept'}", at=0, count=3)
    with saboteurs(limits=DecodeLimits(wall_s=STALL_S)) as pool:
        assert verdicts_of(pool, tasks) == expected(tasks, but=-1)
        assert pool.thumbnail(ordered(encoded(picture(1), "PNG"), "none"), 10)
    assert (tmp_path / "slept").exists()


@posix
def test_a_decoding_process_that_is_paused_costs_no_picture(tmp_path: Path) -> None:
    tasks = crowd(f"pause-once {tmp_path / 'paused'}", at=1, count=4)
    with saboteurs(limits=DecodeLimits(wall_s=STALL_S)) as pool:
        assert verdicts_of(pool, tasks) == expected(tasks, but=-1)
    assert (tmp_path / "paused").exists()


@posix
def test_nothing_is_blamed_for_the_time_in_which_all_processes_stood_still() -> None:
    """Pictures take a quarter of the limit; two pauses of several limits, decoders the first to wake up."""
    main = MainProcess("nap", wall_s=2.0, rounds=12)
    try:
        for _ in range(2):
            whole = psutil.Process(main.popen.pid)
            group = [whole, *whole.children()]
            for process in group:
                process.suspend()
            time.sleep(5.0)
            for process in reversed(group):
                process.resume()
            time.sleep(0.5)
        out, complaints = main.popen.communicate(timeout=PATIENCE_S)
    finally:
        main.popen.kill()
    assert main.popen.returncode == 0, complaints
    assert not [line for line in out.splitlines() if b"refused" in line]


def test_a_whole_batch_of_crashing_pictures_is_listed_one_by_one() -> None:
    tasks = [DecodeTask(token, data=ordered(encoded(picture(token), "PNG"), "exit")) for token in range(4)]
    with saboteurs() as pool:
        verdicts = verdicts_of(pool, tasks)
    assert {verdict for verdict, _ in verdicts.values()} == {SkipReason.DECODER_CRASHED.value}


def test_a_process_that_dies_once_by_accident_costs_nothing(tmp_path: Path) -> None:
    tasks = crowd(f"once {tmp_path / 'died'}")
    with saboteurs() as pool:
        verdicts = verdicts_of(pool, tasks)
    assert (tmp_path / "died").exists()
    assert verdicts == expected(tasks, but=-1)


def test_what_libraries_print_does_not_reach_the_pool(capfd: pytest.CaptureFixture[str]) -> None:
    tasks = crowd("print")
    with saboteurs() as pool:
        assert verdicts_of(pool, tasks) == expected(tasks, but=-1)
    assert capfd.readouterr() == ("", "")


def test_a_decoding_process_loads_no_heavy_library() -> None:
    with saboteurs() as pool:
        assert verdicts_of(pool, crowd("confess"))[3] == ("corrupt", "loaded: nothing")


@linux
def test_a_process_that_has_grown_is_replaced() -> None:
    with saboteurs(batch_size=1) as pool:
        pool.decode_one(DecodeTask(0, data=encoded(picture(1), "PNG")))
        before = pool.process_ids
        verdicts_of(pool, crowd("grow", count=4))
        pool.decode_one(DecodeTask(0, data=encoded(picture(1), "PNG")))
        assert pool.process_ids != before


def test_a_query_that_kills_its_decoder_is_refused_and_the_next_one_answered() -> None:
    sound = encoded(picture(1), "PNG")
    with saboteurs() as pool:
        (refusal,) = pool.decode_one(DecodeTask(0, data=ordered(sound, "exit"))).refused
        assert refusal.reason is SkipReason.DECODER_CRASHED
        truth = decode(sound, PREPROCESSING, DecodeLimits())
        assert np.array_equal(pool.decode_one(DecodeTask(0, data=sound)).pixels[0], truth.pixels)


def test_processes_that_cannot_start_are_one_clear_error_and_few_attempts(tmp_path: Path) -> None:
    log = tmp_path / "starts"
    code = f"import sys; open({str(log)!r}, 'a').write('x'); sys.exit('no pixels today')"
    pool = DecodePool(
        PREPROCESSING,
        workers=2,
        batch_size=2,
        buffers=5,
        worker_command=[sys.executable, "-I", "-S", "-c", code],
    )
    with pool, pytest.raises(SeealikeError, match="no pixels today"):
        verdicts_of(pool, crowd("none"))
    assert 1 <= len(log.read_text()) <= 20


def test_an_interpreter_that_does_not_exist_is_one_clear_error() -> None:
    pool = DecodePool(PREPROCESSING, workers=1, batch_size=2, buffers=2, worker_command=["/nowhere/python"])
    with pool, pytest.raises(SeealikeError, match="/nowhere/python"):
        pool.decode_one(DecodeTask(0, data=b"x"))


_MAIN = """
import sys
from tests.robustness.test_hostile_pictures import crowd, saboteurs
from seealike.images import DecodeLimits
with saboteurs(workers=2, batch_size=2, limits=DecodeLimits(wall_s={wall_s})) as pool:
    try:
        for batch in pool.decode(crowd({order!r}) * {rounds}):
            print(*pool.process_ids, flush=True)
            for failure in batch.refused:
                print("refused", failure, flush=True)
            batch.release()
    except KeyboardInterrupt:
        sys.exit(130)
"""


class MainProcess:
    """A Python process that decodes with two processes, in a session of its own."""

    def __init__(self, order: str, wall_s: float = 60.0, rounds: int = 2000) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", _MAIN.format(order=order, wall_s=wall_s, rounds=rounds)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.decoders: list[psutil.Process] = []
        assert self.popen.stdout is not None
        while len(self.decoders) < 2:
            line = self.popen.stdout.readline()
            assert line, "the main process ended early"
            with contextlib.suppress(psutil.NoSuchProcess):  # replaced meanwhile; the next line says by which
                self.decoders = [psutil.Process(int(pid)) for pid in line.split()]

    def survivors(self) -> list[psutil.Process]:
        """Decoding processes that still run; they are ended here."""
        _, alive = psutil.wait_procs(self.decoders, timeout=PATIENCE_S)
        for process in alive:
            process.kill()
        return list(alive)


@posix
@pytest.mark.parametrize(("order", "wall_s"), [("none", 60.0), ("sleep", 1.0)])
def test_decoding_processes_do_not_outlive_a_killed_main_process(order: str, wall_s: float) -> None:
    main = MainProcess(order, wall_s)
    main.popen.kill()
    assert not main.survivors()
    main.popen.communicate()


@posix
def test_ctrl_c_ends_everything_without_a_word_from_the_decoders() -> None:
    main = MainProcess("none")
    os.killpg(main.popen.pid, signal.SIGINT)
    _, complaints = main.popen.communicate(timeout=PATIENCE_S)
    assert main.popen.returncode == 130
    assert complaints == b""
    assert not main.survivors()


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["made", "collected"])
def test_a_whole_hostile_collection_gets_the_same_verdicts_every_time(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if kind == "made":
        samples = [sample for number in range(12) for sample in corpus(SEED + number)]
        files = [replace(sample, name=f"{row}-{sample.name}") for row, sample in enumerate(samples)]
        tasks = written(files, tmp_path)
    else:
        paths = sorted((request.getfixturevalue("shared_data") / "data" / "hostile" / "files").iterdir())
        tasks = [DecodeTask(token, path=str(path)) for token, path in enumerate(paths)]
    seen, peaks = [], []
    for workers in (1, 3):
        with DecodePool(PREPROCESSING, workers=workers, batch_size=16, buffers=workers + 2) as pool:
            for _ in range(2):
                seen.append(verdicts_of(pool, tasks))
                peaks += [psutil.Process(pid).memory_info().rss for pid in pool.process_ids]
    assert all(verdicts == seen[0] for verdicts in seen)
    known = {reason.value for reason in SkipReason} | {"decoded"}
    assert {verdict for verdict, _ in seen[0].values()} <= known
    decoded = sum(verdict == "decoded" for verdict, _ in seen[0].values())
    assert decoded > len(tasks) / 8
    assert not [verdict for verdict, _ in seen[0].values() if verdict.startswith("decoder_")]
    assert max(peaks) < 120_000_000
