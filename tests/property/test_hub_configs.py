"""Whatever a file of a hub says: it is preprocessing that works, or it is refused in one line."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hub_configs import OPEN_CLIP, PROCESSORS, STEPS, TIMM

from seealike.encoders.preprocessing import preprocessing_of
from seealike.errors import EncoderError

NUMBERS = st.integers() | st.floats() | st.sampled_from([0, -1, 1e-320, 1e-9, 1e308, 224, 2**70, 10**400])
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | st.sampled_from(["bicubic", "squash"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["height", "width", "shortest_edge", "longest_edge", "type", "size"]), inner
        )
    ),
    max_leaves=6,
)
GOOD: list[tuple[str, Any]] = [
    *(("preprocessor_config.json", config) for config in PROCESSORS.values()),
    *(("preprocess_cfg.json", config) for config in OPEN_CLIP.values()),
    *(("config.json", {"pretrained_cfg": config}) for config in TIMM.values()),
    ("preprocess.json", {"test": STEPS}),
    ("preprocess.json", {"stages": [*STEPS[:-1], {"type": "rescale", "rescale_factor": 2}, STEPS[-1]]}),
    (
        "open_clip_config.json",
        {"model_cfg": {"vision_cfg": {"image_size": 224}}, "preprocess_cfg": OPEN_CLIP["shortest"]},
    ),
]


def spoilt(draw: st.DrawFn, content: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """The same with one value, somewhere inside, another or gone."""
    if isinstance(content, dict) and content and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(content)))
        if draw(st.booleans()) and not isinstance(content[key], dict | list):
            return {name: value for name, value in content.items() if name != key}
        return {**content, key: spoilt(draw, content[key])}
    if isinstance(content, list) and content and draw(st.integers(0, 5)):
        place = draw(st.integers(0, len(content) - 1))
        return [*content[:place], spoilt(draw, content[place]), *content[place + 1 :]]
    return draw(VALUES)


@st.composite
def configs(draw: st.DrawFn) -> tuple[str, Any]:
    name, content = draw(st.sampled_from(GOOD))
    return name, spoilt(draw, content)


@given(said=configs())
@settings(max_examples=600)
def test_what_a_hub_says_is_preprocessing_or_is_refused_in_one_line(said: tuple[str, Any]) -> None:
    name, content = said
    refusal, made = "", None
    try:
        made = preprocessing_of(f"a/{name}", json.dumps(content).encode())
    except EncoderError as exc:
        refusal = str(exc)
    if made is None:
        assert not refusal or (refusal.startswith(f"a/{name}") and "\n" not in refusal)
        return
    assert 1 <= made.crop_px <= made.resize_px <= 4096
    assert all(map(math.isfinite, (*made.mean, *made.std)))
    assert min(made.std) > 0
