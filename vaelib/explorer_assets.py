"""What several explorers show: files written by tools, read here in Python and by the page alike.

Safetensors files as of :mod:`vaelib.weights`, beside the weights or in ``vaelib/static``, from
``tools/codes.py`` and ``tools/replay.py``. What one explorer alone shows is read in its own file.
"""

import os
from pathlib import Path

import torch

from vaelib import weights

STATIC = Path(__file__).parent / "static"
BETAS = {f"beta-{beta}".replace(".", "p"): beta for beta in (0, 0.1, 0.5, 1, 2, 4, 8)}
FACE_MODEL, FLOW = "vae-avatars", "flow-avatars"


def asset(path: str) -> Path:
    """The file behind an address below the book's ``_static/``, its numbers whole; else
    FileNotFoundError, or WeightsError for a file that is damaged."""
    folder, _, name = str(path).partition("/")
    folders = {"vaelib": STATIC, "weights": weights.FOLDER}
    if folder in folders and name in os.listdir(folders[folder]):
        if name.endswith(".safetensors"):
            weights.read(folders[folder] / name)
        return folders[folder] / name
    raise FileNotFoundError(f"{path} is no file of vaelib {'/, '.join(folders)}/")


def codes_path(name: str) -> Path:
    """Where the codes of the model ``name`` are kept."""
    return weights.FOLDER / f"{name}.codes.safetensors"


def load_codes(name: str) -> dict[str, torch.Tensor]:
    """Of 2,000 test images float16 ``mu`` and ``z`` (N, 2) by the model ``name``, ``sigma`` (N, 2)
    for a VAE, and uint8 ``labels`` (N,). WeightsError where its file is not there."""
    path = codes_path(name)
    if not path.is_file():
        weights.recipe(name)  # an unknown name is the likelier mistake, and has its own message
    return weights.read(path)[1]


def load_digits() -> tuple[torch.Tensor, list[int]]:
    """Pictures (10, 1, 28, 28) in [0, 1], one of each digit, and which test images they are."""
    metadata, tensors = weights.read(STATIC / "digits.safetensors")
    return tensors["pixels"].float() / 255, metadata["rows"]
