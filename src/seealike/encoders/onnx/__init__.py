"""ONNX files: what is in them, how each is used as an encoder, and OpenVINO, which runs them."""
