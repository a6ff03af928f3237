"""Files of hubs that say how pictures are prepared, as their makers' own tools write them."""

from __future__ import annotations

from typing import Any

CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
_USUAL = {
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
}
_IMAGENET = {**_USUAL, "image_mean": IMAGENET_MEAN, "image_std": IMAGENET_STD}
_HALF = {**_USUAL, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
_CLIP = {
    **_USUAL,
    "image_processor_type": "CLIPImageProcessor",
    "image_mean": CLIP_MEAN,
    "image_std": CLIP_STD,
    "do_center_crop": True,
}


def square(side_px: int) -> dict[str, int]:
    return {"height": side_px, "width": side_px}


PROCESSORS: dict[str, dict[str, Any]] = {
    "CLIP": {**_CLIP, "size": {"shortest_edge": 224}, "crop_size": square(224)},
    "CLIP, as it was written of old": {
        **{key: value for key, value in _CLIP.items() if key != "image_processor_type"},
        "feature_extractor_type": "CLIPFeatureExtractor",
        "size": 224,
        "crop_size": 224,
    },
    "CLIP that does not say that it crops": {
        **{key: value for key, value in _CLIP.items() if key != "do_center_crop"},
        "size": {"shortest_edge": 256},
        "crop_size": square(240),
    },
    "CLIP on the scale of bytes": {
        **_CLIP,
        "do_rescale": False,
        "image_mean": [120.0, 110.0, 100.0],
        "image_std": [60.0, 50.0, 40.0],
        "size": {"shortest_edge": 224},
        "crop_size": square(224),
    },
    "CLIP that only rescales": {
        **_CLIP,
        "do_normalize": False,
        "size": {"shortest_edge": 256},
        "crop_size": square(256),
    },
    "SigLIP": {**_HALF, "image_processor_type": "SiglipImageProcessor", "size": square(224)},
    "SigLIP 2": {**_HALF, "image_processor_type": "SiglipImageProcessor", "resample": 2, "size": square(256)},
    "ViT": {**_HALF, "image_processor_type": "ViTImageProcessor", "resample": 2, "size": 224},
    "ViT, quick": {**_HALF, "image_processor_type": "ViTImageProcessorFast", "size": square(384)},
    "DINOv2": {
        **_IMAGENET,
        "image_processor_type": "BitImageProcessor",
        "do_center_crop": True,
        "size": {"shortest_edge": 256},
        "crop_size": square(224),
    },
    "DINOv3": {
        **_IMAGENET,
        "image_processor_type": "DINOv3ViTImageProcessorFast",
        "resample": 2,
        "size": square(256),
        "do_center_crop": None,
        "crop_size": None,
        "default_to_square": True,
        "data_format": "channels_first",
        "device": None,
        "disable_grouping": None,
        "return_tensors": None,
    },
    "ConvNext": {
        **_IMAGENET,
        "image_processor_type": "ConvNextImageProcessor",
        "size": {"shortest_edge": 224},
        "crop_pct": 0.875,
    },
    "ConvNext, large": {
        **_IMAGENET,
        "image_processor_type": "ConvNextImageProcessor",
        "size": {"shortest_edge": 384},
        "crop_pct": None,
    },
    "EfficientNet": {
        **_IMAGENET,
        "image_processor_type": "EfficientNetImageProcessor",
        "do_center_crop": True,
        "size": square(346),
        "crop_size": square(289),
        "include_top": False,
        "rescale_offset": False,
    },
    "EfficientNet around nothing": {
        **_HALF,
        "image_processor_type": "EfficientNetImageProcessor",
        "do_normalize": False,
        "resample": 1,
        "rescale_factor": 0.00784313725490196,
        "rescale_offset": True,
        "size": square(260),
        "include_top": False,
    },
}

OPEN_CLIP: dict[str, dict[str, Any]] = {
    "shortest": {
        "size": [224, 224],
        "mode": "RGB",
        "mean": CLIP_MEAN,
        "std": CLIP_STD,
        "interpolation": "bicubic",
        "resize_mode": "shortest",
        "fill_color": 0,
    },
    "squash": {
        "size": 256,
        "mode": "RGB",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "resize_mode": "squash",
        "fill_color": 0,
    },
    "no scaling": {
        "size": [256, 256],
        "mode": "RGB",
        "mean": [0, 0, 0],
        "std": [1, 1, 1],
        "interpolation": "bilinear",
        "resize_mode": "shortest",
        "fill_color": 0,
    },
    "only means and deviations": {"size": 224, "mean": CLIP_MEAN, "std": CLIP_STD},
}

TIMM: dict[str, dict[str, Any]] = {
    mode: {
        "tag": "a1_in1k",
        "custom_load": False,
        "input_size": [3, 224, 224],
        "test_input_size": [3, 288, 288],
        "fixed_input_size": False,
        "interpolation": "bilinear" if mode == "squash" else "bicubic",
        "crop_pct": share,
        "test_crop_pct": 1.0,
        "crop_mode": mode,
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "num_classes": 1000,
        "pool_size": [7, 7],
        "first_conv": "conv1",
        "classifier": "fc",
        "license": "apache-2.0",
    }
    for mode, share in (("center", 0.95), ("squash", 0.9), ("border", 1.0))
}

STEPS: list[dict[str, Any]] = [
    {"type": "convert_rgb", "force_background": "white"},
    {"type": "resize", "size": 235, "interpolation": "bicubic", "max_size": None, "antialias": True},
    {"type": "center_crop", "size": [224, 224]},
    {"type": "maybe_to_tensor"},
    {"type": "normalize", "mean": IMAGENET_MEAN, "std": IMAGENET_STD},
]
