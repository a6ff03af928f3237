"""Pretrained weights by name: where timm keeps them, fetched into the caches that timm uses.

With open_clip's own download and that of presets the only place of the encoders that opens a connection, and
only for weights that somebody asked for by name.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seealike.encoders.cache import file_sha256, is_sha256
from seealike.encoders.weights import WeightsFile
from seealike.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from timm.models import PretrainedCfg

# What the hub's repositories call their weights, best first.
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_CONNECT_S = 10.0
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.")


def pretrained_weights(model: str, record: PretrainedCfg) -> WeightsFile:
    """Fetch a model's pretrained weights, or find them in the cache of an earlier time.

    Args:
        model: what people call the model, for messages.
        record: what timm knows of it.

    Raises:
        EncoderError: there are none, or none on this machine and no way to fetch them.
    """
    if record.hf_hub_id:
        where = f"hub {record.hf_hub_id}"
        path, digest = _checked(model, lambda force: _from_hub(record, force=force), _digest_of_blob)
    elif record.url:
        where = record.url
        path, digest = _checked(model, lambda force: _from_url(record.url, force=force), _digest_in_name)
    else:
        raise EncoderError(f"timm has no pretrained weights for {model}; give them with weights=FILE")
    return WeightsFile(path, digest, source=f"timm, {where}", licence=record.license or "unknown")


def _checked(model: str, fetch: Callable[[bool], str], expected: Callable[[str], str]) -> tuple[str, str]:
    """Fetch a file, once more if it is not what its name says; return its path and its digest."""
    for force in (False, True):
        try:
            path = fetch(force)
        except Exception as exc:
            raise EncoderError(
                f"no weights for {model} on this machine, and they cannot be downloaded ({_reason(exc)}); "
                "connect to the network once, or give them with weights=FILE"
            ) from exc
        digest = file_sha256(path)
        if digest.startswith(expected(path)):
            return path, digest
    raise EncoderError(
        f"the weights downloaded for {model} are damaged: {path} has another SHA-256; try again"
    )


def _from_hub(record: PretrainedCfg, *, force: bool) -> str:
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    repository, _, named = record.hf_hub_id.partition("@")
    revision = named or None
    names = (record.hf_hub_filename,) if record.hf_hub_filename else _HUB_FILES
    for name in names:
        cached = None if force else try_to_load_from_cache(repository, name, revision=revision)
        if isinstance(cached, str):
            return cached
    if not constants.HF_HUB_OFFLINE:
        _check_reachable(constants.ENDPOINT)
    for name in names:
        try:
            with _quiet("huggingface_hub"):
                path: str = hf_hub_download(
                    repository, name, revision=revision, library_name="timm", force_download=force
                )
        except LocalEntryNotFoundError:  # the hub did not answer: another name would fare no better
            raise
        except EntryNotFoundError:
            continue
        return path
    raise FileNotFoundError(f"{repository} has no {' and no '.join(names)}")


def _check_reachable(endpoint: str) -> None:
    """Fail at once where nobody listens: the hub's client tries for half a minute."""
    import urllib.request  # slow to import, and seldom needed
    from urllib.parse import urlsplit

    url = urlsplit(endpoint)
    if url.hostname and not urllib.request.getproxies():
        port = url.port or (443 if url.scheme == "https" else 80)
        socket.create_connection((url.hostname, port), timeout=_CONNECT_S).close()


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Keep a library's warnings from the terminal: what fails becomes an error of one line."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _from_url(url: str, *, force: bool) -> str:
    import torch

    folder = os.path.join(torch.hub.get_dir(), "checkpoints")
    path = os.path.join(folder, os.path.basename(url))
    if force or not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        torch.hub.download_url_to_file(url, path, _digest_in_name(path))
    return path


def _digest_of_blob(path: str) -> str:
    """The hub's cache links to a file named after its SHA-256; empty where it does not."""
    name = os.path.basename(os.path.realpath(path))
    return name if is_sha256(name) else ""


def _digest_in_name(path: str) -> str:
    """The start of the SHA-256 that such files carry in their names, or nothing."""
    found = _HASH_IN_NAME.search(os.path.basename(path))
    return found[1] if found else ""


def _reason(exc: BaseException) -> str:
    while exc.__cause__ is not None:
        exc = exc.__cause__
    text = " ".join(str(exc).split())
    return f"{text[:160]}..." if len(text) > 160 else text or type(exc).__name__
