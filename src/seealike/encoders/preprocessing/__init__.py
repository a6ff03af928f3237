"""How the files beside a model on a hub say that pictures are prepared, as ``Preprocessing``.

Every exporter has a form of its own. Each is read by the rules of those who made it, strictly: a key
or a value that is not known is refused by name, for whoever guesses gets vectors that are quietly worse.
"""

from __future__ import annotations

import json
import posixpath

from seealike.encoders.preprocessing import open_clip, steps, timm, transformers
from seealike.encoders.stated import Stated, WrongError
from seealike.errors import EncoderError
from seealike.types import Preprocessing

_READERS = {
    "preprocessor_config.json": transformers.prepared,
    "preprocess_cfg.json": open_clip.prepared,
    "preprocess.json": steps.prepared,
    "open_clip_config.json": open_clip.of_config,
}
_TIMM, _TIMM_KEY = "config.json", "pretrained_cfg"  # other projects call other things so
NAMES = (*_READERS, _TIMM)
"""What such files are called, the first found counts."""


def preprocessing_of(path: str, content: bytes) -> Preprocessing | None:
    """What the file called ``path`` says; None where that is not about pictures.

    Raises:
        EncoderError: it cannot be read, or says something that is not known.
    """
    name = posixpath.basename(path)
    try:
        stated = Stated(json.loads(content))
        if name == _TIMM:
            return timm.prepared(Stated(stated.found[_TIMM_KEY])) if stated.says(_TIMM_KEY) else None
        return _READERS[name](stated)
    except (ValueError, RecursionError) as exc:
        raise EncoderError(f"{path} is no JSON") from exc
    except WrongError as exc:
        raise EncoderError(
            f"{path}: {exc}; say how pictures are prepared by size=, resize=, fit=, interpolation= and norm="
        ) from exc
