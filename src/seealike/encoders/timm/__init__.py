"""Any timm model by name: exported once and run like any ONNX file on CPUs, run in torch on CUDA."""

from seealike.encoders.timm.export import export_timm_model
from seealike.encoders.timm.model import load_timm_model

__all__ = ["export_timm_model", "load_timm_model"]
