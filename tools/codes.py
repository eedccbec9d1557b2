"""Write the codes that the explorers' maps draw, vaelib/weights/*.codes.safetensors.

They come from the shipped weights; with them go ten test images for readers to choose from, what
chapter 8's slider over beta shows, and the faces of chapter 10's attribute mixer, which this draws.
With names as arguments only their codes are written; without, every model that a chapter's explorer
shows. A file that came from the weights as they are now is left alone.
"""

import io
import sys
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import weight_files
from vaelib import avatars, data, latent, losses, metrics, weights
from vaelib import explorer_assets as assets
from vaelib.files import write_aside

NAMES = ["ae-mnist-2d", "vae-mnist-2d"]
BETA_POINTS = 600  # codes of each of the seven models of beta: seven maps in one file
# Held-out faces of seed 0: each attribute on some and not on others, every skin tone, and hair that
# is never the colour of the skin.
MIXED = (20141, 20529, 20736, 20946, 20079, 20042, 20632, 20592, 20170, 20941, 20833, 20060)
MIXER_FACES = 2000  # training faces behind the feature vectors, the same as in chapter 10
MAP_POINTS = 2000  # codes on a map: enough to see the cloud, and 30 KB


# --- codes for the maps ---------------------------------------------------------------------------


def save_codes(name: str, images: data.Images) -> Path:
    """Keep the codes that the shipped model ``name`` gives the first 2,000 of ``images``; the
    metadata names the encoder they came from, so that a stale file is found out."""
    codes = latent.encode_images(weights.load(name), images[:MAP_POINTS])
    tensors = {"mu": codes.mu.half(), "z": codes.z.half(), "labels": codes.labels.to(torch.uint8)}
    if codes.log_var is not None:
        tensors["sigma"] = codes.sigma.half()
    return write(assets.codes_path(name), tensors, {"encoder": _encoder_sha256(name)})


def codes_are_current(name: str) -> bool:
    """Whether the model ``name`` has a file of codes, and its encoder is the one they came from."""
    return _came_from(assets.codes_path(name), {"encoder": _encoder_sha256(name)})


# --- digits to choose from ------------------------------------------------------------------------


def save_digits(images: data.Images, folder: Path = assets.STATIC) -> Path:
    """Keep one picture of each digit, the first among ``images``: what a reader chooses from.

    uint8 ``pixels`` (10, 1, 28, 28); the metadata's ``rows`` say which of ``images`` they are.
    MNIST is by LeCun and Cortes, CC BY-SA 3.0.
    """
    rows = [int((images.labels == digit).nonzero()[0]) for digit in range(10)]
    return write(folder / "digits.safetensors", {"pixels": images.pixels[rows]}, {"rows": rows})


# --- the models of the slider over beta -----------------------------------------------------------


def save_betas(images: data.Images, folder: Path = assets.STATIC) -> Path:
    """Keep what :func:`vaelib.explore.load_betas` gives, of ``images`` as in chapter 8; the
    metadata names the weights it came from."""
    rows = [_figures_of(weights.load(name), images) for name in assets.BETAS]
    tensors = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    tensors["labels"] = images.labels[:BETA_POINTS].to(torch.uint8)
    tensors["z"] = latent.sample_prior(2000, 16)[:10].clone()  # the first ten of chapter 8's
    return write(folder / "betas.safetensors", tensors, {"weights": _betas_sha256()})


def _figures_of(model: torch.nn.Module, images: data.Images) -> dict[str, torch.Tensor]:
    codes = latent.encode_images(model, images)
    kl = metrics.nats_of_latents(codes)
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
    return _came_from(assets.STATIC / "betas.safetensors", {"weights": _betas_sha256()})


def _betas_sha256() -> list[str]:
    return [
        _sha256(f"{name}.{part}coder.safetensors") for name in assets.BETAS for part in ("en", "de")
    ]


# --- faces to mix ---------------------------------------------------------------------------------


def save_mixer(train: data.Faces, folder: Path = assets.STATIC) -> Path:
    """Keep what :func:`vaelib.explore.load_mixer` gives, of the held-out faces ``MIXED``;
    the feature vectors are those among ``train``.

    In place of the pictures there is ``png`` (bytes,), one sheet with a row for each face. The
    metadata names the attributes, in order, and the weights and the recipe of the drawings that it
    came from. Drawing needs DiceBear; reading the file does not.
    """
    model = weights.load(assets.FACE_MODEL)
    traits = [avatars.traits(0, row) for row in MIXED]
    faces = np.stack([avatars.draw(avatars.options(*each)) for each in traits])
    flipped = [avatars.counterfactual(MIXED, name).pixels.numpy() for name in avatars.NAMES]
    pixels, has = torch.from_numpy(faces), torch.tensor([each[0] for each in traits])
    mu = latent.encode_images(model, train).mu
    vectors = [latent.feature_vector(mu, train.has(name)) for name in avatars.NAMES]
    tensors = {
        "mu": latent.encode_images(model, data.Faces(pixels, has, avatars.NAMES)).mu.half(),
        "has": has.to(torch.uint8),
        "vectors": torch.stack(vectors).half(),
        "png": _png_sheet(np.stack([faces, *flipped], axis=1)),
    }
    return write(folder / "mixer.safetensors", tensors, {"names": avatars.NAMES, **_face_sources()})


def mixer_is_current() -> bool:
    """Whether the file of :func:`save_mixer` came from today's weights and drawings."""
    return _came_from(assets.STATIC / "mixer.safetensors", _face_sources())


def _png_sheet(tiles: np.ndarray) -> torch.Tensor:
    """uint8 (rows, columns, 3, H, W) as the bytes of one PNG file; alike ones lie side by side."""
    rows, columns, channels, height, width = tiles.shape
    sheet = tiles.transpose(0, 3, 1, 4, 2).reshape(rows * height, columns * width, channels)
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, format="png", optimize=True)
    return torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)


def _face_sources() -> dict[str, str]:
    return {"encoder": _encoder_sha256(assets.FACE_MODEL), "drawn_by": avatars.recipe()}


# --- noise to carry to faces ----------------------------------------------------------------------


def save_flow(held_out: data.Faces, folder: Path = assets.STATIC) -> Path:
    """Keep what :func:`vaelib.explore.load_flow` gives; the metadata names the weights that
    the latents and the codes came from."""
    codes = latent.encode_images(weights.load(assets.FACE_MODEL), held_out)
    widest = metrics.nats_of_latents(codes).argsort(descending=True)[:2]
    tensors = {
        "noise": latent.sample_prior(100, codes.z.shape[1]).half(),
        "codes": codes.z[:, widest].half(),
        "latents": widest.to(torch.uint8),
    }
    return write(folder / "flow.safetensors", tensors, _face_sources())


def flow_is_current() -> bool:
    """Whether the file of :func:`save_flow` came from today's weights and drawings."""
    return _came_from(assets.STATIC / "flow.safetensors", _face_sources())


# --- digits to train on in the page ---------------------------------------------------------------


def save_training_digits(mnist: data.Mnist, folder: Path = assets.STATIC) -> list[Path]:
    """Keep what the playground trains on: 4,000 training digits, and 1,000 test digits held out.

    Of each digit as many, the first in MNIST's order; seed 0 says how they are mixed. Two files,
    so that the first step need not wait for what is held out. 784 pixels of 4 bits, the levels 0
    to 15: two rows of a picture are one row of bytes, and all bytes are deflated: uint8 ``zlib``
    (bytes,) and ``labels`` (N,). MNIST is by LeCun and Cortes, CC BY-SA 3.0.
    """
    return [
        _save_four_bits(mnist.train, 4000, folder / "train.safetensors"),
        _save_four_bits(mnist.test, 1000, folder / "heldout.safetensors"),
    ]


def _save_four_bits(images: data.Images, count: int, path: Path) -> Path:
    of_each = [(images.labels == digit).nonzero()[: count // 10, 0] for digit in range(10)]
    rows = torch.cat(of_each)[torch.randperm(count, generator=torch.Generator().manual_seed(0))]
    levels = (images.pixels[rows, 0].float() / 17).round().to(torch.uint8)
    packed = levels[:, 0::2] * 16 + levels[:, 1::2]
    content = bytearray(zlib.compress(packed.numpy().tobytes(), 9))
    tensors = {
        "zlib": torch.frombuffer(content, dtype=torch.uint8),
        "labels": images.labels[rows].to(torch.uint8),
    }
    return write(path, tensors, {"seed": 0})


# --- writing --------------------------------------------------------------------------------------


def write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict) -> Path:
    """A safetensors file that :func:`vaelib.weights.read` and the page both read."""
    with write_aside(path) as file:
        file.write(weight_files.pack(tensors, metadata))
    return path


def _came_from(path: Path, sources: dict) -> bool:
    """Whether a file is there, and its metadata names these sources."""
    if not path.is_file():
        return False
    metadata = weights.read(path)[0]
    return all(metadata[key] == of for key, of in sources.items())


def _encoder_sha256(name: str) -> str:
    return _sha256(f"{name}.encoder.safetensors")


def _sha256(file: str) -> str:
    return weights.read(weights.FOLDER / file)[0]["sha256"]


# --- all of them ----------------------------------------------------------------------------------


@cache
def test_images() -> data.Images:
    return data.mnist().test


def main(names: list[str]) -> None:
    there, written = weights.available(), []
    if not (assets.STATIC / "digits.safetensors").is_file():
        written.append(save_digits(test_images()))
    if not (assets.STATIC / "train.safetensors").is_file():
        written += save_training_digits(data.mnist())
    if set(assets.BETAS) <= set(there) and not betas_are_current():
        written.append(save_betas(test_images()))
    if assets.FACE_MODEL in there and not mixer_is_current():
        written.append(save_mixer(avatars.faces(MIXER_FACES)))
    if assets.FACE_MODEL in there and not flow_is_current():
        written.append(save_flow(avatars.faces(1000, start=20_000)))
    for name in names:
        if not codes_are_current(name):
            written.append(save_codes(name, test_images()))
    for path in written:
        print(f"codes: {path.name}, {path.stat().st_size / 1000:.0f} kB")
    if not written:
        print("codes: all current")


if __name__ == "__main__":
    main(sys.argv[1:] or [name for name in NAMES if name in weights.available()])
