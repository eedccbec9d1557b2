"""What the explorers show: files written by tools, read here in Python and by the page alike.

Each is a safetensors file in the form of :mod:`vaelib.weights`: the codes of a model beside its
weights, all else in ``vaelib/static``. ``tools/codes.py`` and ``tools/replay.py`` write them; one
that came from a model names its weights' checksums, so that a stale file is found out.
"""

import io
import os
from pathlib import Path

import numpy as np
import torch

from vaelib import avatars, latent, losses, weights
from vaelib.data import Faces, Images
from vaelib.files import write_aside

STATIC = Path(__file__).parent / "static"
BETAS = {
    "beta-0": 0, "beta-0p1": 0.1, "beta-0p5": 0.5, "beta-1": 1, "beta-2": 2, "beta-4": 4,
    "beta-8": 8,
}  # fmt: skip
BETA_POINTS = 600  # codes of each of these models: seven maps in one file
FACE_MODEL = "vae-avatars"
# Held-out faces of seed 0: each attribute on some and not on others, every skin tone, and hair that
# is never the colour of the skin.
MIXED = (20141, 20529, 20736, 20946, 20079, 20042, 20632, 20592, 20170, 20941, 20833, 20060)
MIXER_FACES = 2000  # training faces behind the feature vectors, the same as in chapter 10
MAP_POINTS = 2000  # codes on a map: enough to see the cloud, and 30 KB


def asset(path: str) -> Path:
    """The file behind an address below the book's ``_static/``; FileNotFoundError for others."""
    folder, _, name = path.partition("/")
    folders = {"vaelib": STATIC, "weights": weights.FOLDER}
    if folder in folders and name in os.listdir(folders[folder]):
        return folders[folder] / name
    raise FileNotFoundError(f"{path} is no file of vaelib {'/, '.join(folders)}/")


# --- codes for the maps ---------------------------------------------------------------------------


def codes_path(name: str, folder: Path | None = None) -> Path:
    """Where the codes of the model ``name`` are kept."""
    return (folder or weights.FOLDER) / f"{name}.codes.safetensors"


def save_codes(name: str, images: Images, folder: Path | None = None) -> Path:
    """Encode the first 2,000 of ``images`` with the shipped model ``name`` and keep the codes.

    The file has float16 ``mu`` and ``z`` (N, 2), ``sigma`` (N, 2) for a VAE, and uint8 ``labels``
    (N,); its metadata names the encoder it came from, so that a stale file is found out.
    """
    codes = latent.encode_images(weights.load(name), images[:MAP_POINTS])
    tensors = {"mu": codes.mu.half(), "z": codes.z.half(), "labels": codes.labels.to(torch.uint8)}
    if codes.log_var is not None:
        tensors["sigma"] = codes.sigma.half()
    return write(codes_path(name, folder), tensors, {"encoder": _encoder_sha256(name)})


def codes_are_current(name: str) -> bool:
    """Whether the model ``name`` has a file of codes, and its encoder is the one they came from."""
    path = codes_path(name)
    return path.is_file() and weights.read(path)[0]["encoder"] == _encoder_sha256(name)


def load_codes(name: str) -> dict[str, torch.Tensor]:
    """The codes kept for the model ``name``, as :func:`save_codes` describes them."""
    path = codes_path(name)
    if not path.is_file():
        weights.recipe(name)  # an unknown name is the likelier mistake, and has its own message
        raise weights.WeightsError(
            f"{path.name} is missing: the explorer draws its map from it. In a clone run "
            f"`python tools/codes.py {name}`, or install vaelib again."
        )
    return weights.read(path)[1]


def _encoder_sha256(name: str) -> str:
    return _sha256(f"{name}.encoder.safetensors")


# --- digits to choose from ------------------------------------------------------------------------


def save_digits(images: Images, folder: Path = STATIC) -> Path:
    """Keep one picture of each digit, the first among ``images``: what a reader chooses from.

    uint8 ``pixels`` (10, 1, 28, 28); the metadata's ``rows`` say which of ``images`` they are.
    MNIST is by LeCun and Cortes, CC BY-SA 3.0.
    """
    rows = [int((images.labels == digit).nonzero()[0]) for digit in range(10)]
    return write(folder / "digits.safetensors", {"pixels": images.pixels[rows]}, {"rows": rows})


def load_digits() -> tuple[torch.Tensor, list[int]]:
    """Pictures (10, 1, 28, 28) in [0, 1], one of each digit, and which test images they are."""
    metadata, tensors = weights.read(STATIC / "digits.safetensors")
    return tensors["pixels"].float() / 255, metadata["rows"]


# --- the models of the slider over beta -----------------------------------------------------------


def save_betas(images: Images, folder: Path = STATIC) -> Path:
    """Keep what the explorer of chapter 8 shows of its M = 7 models beside their decoders.

    Of all ``images``, as in chapter 8: float32 ``kl`` (M, 16), the mean KL of each latent in nats,
    sorted; uint8 ``active`` (M, 16), in that order; float32 ``rate`` and ``distortion`` (M,) of one
    sampled code an image. Of the first 600: float16 ``codes`` (M, 600, 2), sampled, on the two
    ``latents`` (M, 2) that cost most, and ``labels`` (600,). Float32 ``z`` (10, 16): draws from the
    prior to decode. The metadata names the weights they came from.
    """
    rows = [_figures_of(weights.load(name), images) for name in BETAS]
    tensors = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    tensors["labels"] = images.labels[:BETA_POINTS].to(torch.uint8)
    tensors["z"] = latent.sample_prior(2000, 16)[:10].clone()  # the first ten of chapter 8's
    return write(folder / "betas.safetensors", tensors, {"weights": _betas_sha256()})


def _figures_of(model: torch.nn.Module, images: Images) -> dict[str, torch.Tensor]:
    codes = latent.encode_images(model, images)
    each = losses.kl_divergence(codes.mu.reshape(-1, 1), codes.log_var.reshape(-1, 1))
    kl = each.reshape(codes.mu.shape).mean(0)
    order = kl.argsort(descending=True)
    with torch.no_grad():
        parts = zip(codes.z.split(1000), images.batches(1000), strict=True)
        errors = [losses.bernoulli_nll(model.decode(z), x) for z, (x, _) in parts]
    return {
        "kl": kl[order],
        "active": (codes.mu.var(0)[order] > 0.01).to(torch.uint8),
        "rate": kl.sum(),
        "distortion": torch.cat(errors).mean(),
        "codes": codes.z[:BETA_POINTS, order[:2]].half(),
        "latents": order[:2].to(torch.uint8),
    }


def betas_are_current() -> bool:
    """Whether the file of :func:`save_betas` is there, and came from today's weights."""
    path = STATIC / "betas.safetensors"
    return path.is_file() and weights.read(path)[0]["weights"] == _betas_sha256()


def load_betas() -> dict[str, torch.Tensor]:
    """What :func:`save_betas` keeps."""
    return weights.read(STATIC / "betas.safetensors")[1]


def _betas_sha256() -> list[str]:
    return [_sha256(f"{name}.{part}coder.safetensors") for name in BETAS for part in ("en", "de")]


# --- faces to mix ---------------------------------------------------------------------------------


def save_mixer(train: Faces, folder: Path = STATIC) -> Path:
    """Keep what the attribute mixer of chapter 10 shows beside the decoder of ``vae-avatars``.

    Of the held-out faces ``MIXED``: float16 ``mu`` (12, K) and uint8 ``has`` (12, 7). Float16
    ``vectors`` (7, K): the :func:`vaelib.latent.feature_vector` of each attribute among ``train``.
    uint8 ``png`` (bytes,): one sheet with a row for each face, the face and then its counterfactual
    in each attribute. The metadata names the attributes, in order, and the weights and the recipe
    of the drawings they came from. Drawing needs DiceBear; reading the file does not.
    """
    model = weights.load(FACE_MODEL)
    traits = [avatars.traits(0, row) for row in MIXED]
    faces = np.stack([avatars.draw(avatars.options(*each)) for each in traits])
    flipped = [avatars.counterfactual(MIXED, name).pixels.numpy() for name in avatars.NAMES]
    pixels, has = torch.from_numpy(faces), torch.tensor([each[0] for each in traits])
    mu = latent.encode_images(model, train).mu
    vectors = [latent.feature_vector(mu, train.has(name)) for name in avatars.NAMES]
    tensors = {
        "mu": latent.encode_images(model, Faces(pixels, has, avatars.NAMES)).mu.half(),
        "has": has.to(torch.uint8),
        "vectors": torch.stack(vectors).half(),
        "png": _png_sheet(np.stack([faces, *flipped], axis=1)),
    }
    return write(
        folder / "mixer.safetensors", tensors, {"names": avatars.NAMES, **_mixer_sources()}
    )


def mixer_is_current() -> bool:
    """Whether the file of :func:`save_mixer` came from today's weights and drawings."""
    path = STATIC / "mixer.safetensors"
    return path.is_file() and _mixer_sources().items() <= weights.read(path)[0].items()


def load_mixer() -> dict[str, torch.Tensor]:
    """What :func:`save_mixer` keeps, in float32, with ``pictures`` (12, 8, 3, 64, 64) in [0, 1] in
    place of the sheet."""
    path = STATIC / "mixer.safetensors"
    if not path.is_file():
        raise weights.WeightsError(
            f"{path.name} is missing: the attribute mixer shows its faces. In a clone run "
            "`python tools/codes.py`, or install vaelib again."
        )
    from PIL import Image

    tensors = weights.read(path)[1]
    sheet = np.asarray(Image.open(io.BytesIO(tensors.pop("png").numpy().tobytes())))
    rows, columns, size = len(MIXED), 1 + len(avatars.NAMES), avatars.SIZE
    tiles = torch.tensor(sheet).reshape(rows, size, columns, size, 3).permute(0, 2, 4, 1, 3)
    pictures = tiles.float() / 255
    return {**{key: value.float() for key, value in tensors.items()}, "pictures": pictures}


def _png_sheet(tiles: np.ndarray) -> torch.Tensor:
    """uint8 (rows, columns, 3, H, W) as the bytes of one PNG file; alike ones lie side by side."""
    from PIL import Image

    rows, columns, channels, height, width = tiles.shape
    sheet = tiles.transpose(0, 3, 1, 4, 2).reshape(rows * height, columns * width, channels)
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, format="png", optimize=True)
    return torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)


def _mixer_sources() -> dict[str, str]:
    return {"encoder": _encoder_sha256(FACE_MODEL), "drawn_by": avatars.recipe()}


# --- two recorded trainings -----------------------------------------------------------------------


def load_replay() -> dict[str, torch.Tensor]:
    """What ``tools/replay.py`` recorded of two trainings, ``ae.*`` and ``vae.*``: codes (frames, N,
    2), pictures uint8 (frames, 5, 28, 28), held-out loss (frames,); and what both share: steps
    (frames,), labels (N,), originals uint8 (5, 28, 28)."""
    return weights.read(STATIC / "replay.safetensors")[1]


# --- writing --------------------------------------------------------------------------------------


def write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict) -> Path:
    """A safetensors file that :func:`vaelib.weights.read` and the page both read."""
    with write_aside(path) as file:
        file.write(weights.pack(tensors, metadata))
    return path


def _sha256(file: str) -> str:
    return weights.read(weights.FOLDER / file)[0]["sha256"]
