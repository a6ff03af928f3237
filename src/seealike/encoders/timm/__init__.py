"""Any timm model by name: exported once and run like any ONNX file on CPUs, run in torch on CUDA."""
