"""What the explorers show: files written by tools, read here in Python and by the page alike.

Each is a safetensors file in the form of :mod:`vaelib.weights`: the codes of a model beside its
weights, all else in ``vaelib/static``. ``tools/codes.py`` and ``tools/replay.py`` write them.
"""

import io
import os
from pathlib import Path

import numpy as np
import torch

from vaelib import avatars, weights

STATIC = Path(__file__).parent / "static"
BETAS = {f"beta-{beta}".replace(".", "p"): beta for beta in (0, 0.1, 0.5, 1, 2, 4, 8)}
FACE_MODEL, FLOW = "vae-avatars", "flow-avatars"
_TOOL = "python tools/codes.py"


def asset(path: str) -> Path:
    """The file behind an address below the book's ``_static/``, its numbers whole.

    FileNotFoundError for another address, WeightsError for a file that is damaged."""
    folder, _, name = str(path).partition("/")
    folders = {"vaelib": STATIC, "weights": weights.FOLDER}
    if folder in folders and name in os.listdir(folders[folder]):
        if name.endswith(".safetensors"):
            weights.read(folders[folder] / name)
        return folders[folder] / name
    raise FileNotFoundError(f"{path} is no file of vaelib {'/, '.join(folders)}/")


def _read(path: Path, why: str) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise weights.WeightsError(f"{path.name} is missing: {why}, or install vaelib again.")
    return weights.read(path)[1]


def codes_path(name: str) -> Path:
    """Where the codes of the model ``name`` are kept."""
    return weights.FOLDER / f"{name}.codes.safetensors"


def load_codes(name: str) -> dict[str, torch.Tensor]:
    """Of 2,000 test images float16 ``mu`` and ``z`` (N, 2) by the model ``name``, ``sigma`` (N, 2)
    for a VAE, and uint8 ``labels`` (N,). WeightsError where its file is not there."""
    path = codes_path(name)
    if not path.is_file():
        weights.recipe(name)  # an unknown name is the likelier mistake, and has its own message
    return _read(path, f"the explorer draws its map from it. In a clone run `{_TOOL} {name}`")


def load_digits() -> tuple[torch.Tensor, list[int]]:
    """Pictures (10, 1, 28, 28) in [0, 1], one of each digit, and which test images they are."""
    metadata, tensors = weights.read(STATIC / "digits.safetensors")
    return tensors["pixels"].float() / 255, metadata["rows"]


def load_betas() -> dict[str, torch.Tensor]:
    """What the explorer of chapter 8 shows of its M = 7 models beside their decoders.

    Of all test images: float32 ``kl`` (M, 16), the mean KL of each latent in nats, sorted; uint8
    ``active`` (M, 16), in that order; float32 ``rate`` and ``distortion`` (M,) of one sampled code
    an image. Of the first 600: float16 ``codes`` (M, 600, 2), sampled, on the two ``latents``
    (M, 2) that cost most, and ``labels`` (600,). Float32 ``z`` (10, 16): draws from the prior.
    """
    return weights.read(STATIC / "betas.safetensors")[1]


def load_mixer() -> dict[str, torch.Tensor]:
    """What the attribute mixer of chapter 10 shows beside the decoder of ``vae-avatars``, float32.

    Of 12 held-out faces ``mu`` (12, K) and ``has`` (12, 7); ``vectors`` (7, K), the feature vector
    of each attribute; ``pictures`` (12, 8, 3, 64, 64) in [0, 1], each face as drawn and then its
    counterfactual in each attribute. WeightsError where the file is not there.
    """
    path = STATIC / "mixer.safetensors"
    tensors = _read(path, f"the attribute mixer shows its faces. In a clone run `{_TOOL}`")
    from PIL import Image

    sheet = np.asarray(Image.open(io.BytesIO(tensors.pop("png").numpy().tobytes())))
    tiles = torch.tensor(sheet).unflatten(0, (-1, avatars.SIZE)).unflatten(2, (-1, avatars.SIZE))
    pictures = tiles.permute(0, 2, 4, 1, 3).float() / 255
    return {**{key: value.float() for key, value in tensors.items()}, "pictures": pictures}


def load_replay() -> dict[str, torch.Tensor]:
    """What ``tools/replay.py`` recorded of two trainings, ``ae.*`` and ``vae.*``: codes (frames, N,
    2), pictures uint8 (frames, 5, 28, 28), held-out loss (frames,); and what both share: steps
    (frames,), labels (N,), originals uint8 (5, 28, 28)."""
    return weights.read(STATIC / "replay.safetensors")[1]


def load_flow() -> dict[str, torch.Tensor]:
    """What the explorer of chapter 12 shows beside its weights: float32 ``noise`` (100, 32), and of
    1,000 held-out faces ``codes`` (1000, 2) on the two ``latents`` (2,) that cost most."""
    tensors = weights.read(STATIC / "flow.safetensors")[1]
    return {name: of.long() if name == "latents" else of.float() for name, of in tensors.items()}
