"""Two towers in one space, for pictures and texts: any text tower as ONNX, and the models of open_clip."""
