"""Arithmetic with faces."""

import io

import numpy as np
import torch
from PIL import Image

from vaelib import avatars, latent, plots, weights
from vaelib.explorer_assets import FACE_MODEL, STATIC
from vaelib.explorers.widgets import Explorer, canvas, slider
from vaelib.images import attribute_index, whole

ALPHA = 2.0  # the sliders reach from minus this to this


def attribute_mixer(
    face: int = 0, alphas: dict[str, float] | None = None, morph: float = 0.0
) -> Explorer:
    """A face's code plus alpha times the feature vector of each attribute, decoded in the page.

    face: which of 12 held-out faces is chosen first; alphas: attribute -> where its slider starts,
    within -2 to 2, 0 for those not named; morph: from 0, the face, to 1, a second one that the
    reader chooses; first it is the next. Where exactly one attribute is flipped the same face drawn
    so, its counterfactual, is shown beside. Chapter 10 derives it; ``tools/codes.py`` writes the
    file with the faces.

    Raises ValueError for a face, attribute, alpha or morph that there is not.
    """
    tensors = load_mixer()
    count = len(tensors["mu"])
    whole(0, count - 1, face=face)
    values = dict.fromkeys(avatars.NAMES, 0.0)
    for name, alpha in (alphas or {}).items():
        attribute_index(name, avatars.NAMES)
        values[name] = float(alpha)
    other = (face + 1) % count
    shown = canvas("mixer", name=FACE_MODEL, face=face, other=other, morph=float(morph), **values)
    sliders = {name: slider(readable(name), a, -ALPHA, ALPHA, 0.1) for name, a in values.items()}
    sliders["morph"] = slider("Morph", morph, 0, 1)
    moved = [f"{readable(name)} {alpha:+g}" for name, alpha in values.items() if alpha]
    if morph:
        moved.insert(0, f"morphed by {morph:g} into face {other}")
    text = (
        f"Attribute mixer: face {face} as drawn and as decoded; decoded again with "
        f"{', '.join(moved) or 'no attribute moved'}."
    )

    def still(figure):
        figure.set_size_inches(7.2, 2.2)
        z = (1 - morph) * tensors["mu"][face] + morph * tensors["mu"][other]
        z_new = z + torch.tensor(list(values.values())) @ tensors["vectors"]
        flipped = _flipped(tensors["has"][face], list(values.values()), morph)
        codes = torch.stack([tensors["mu"][face], z_new])
        decoded = latent.decode_images(weights.load(FACE_MODEL), codes)
        pictures = [tensors["pictures"][face, 0], *decoded]
        titles = ["$x$", "$x$ decoded", "$z_{new}$ decoded", "drawn so"]
        if flipped is not None:
            pictures.append(tensors["pictures"][face, 1 + flipped])
        axes = figure.subplots(1, 4)
        for ax in axes:
            ax.axis("off")
        for ax, title, pixels in zip(axes, titles, pictures):
            plots.pictures(pixels[None], ax=ax)
            ax.set_title(title)

    return Explorer(sliders, shown, still, text)


def _flipped(has: torch.Tensor, alphas: list[float], morph: float) -> int | None:
    """The one attribute that is moved, and to its other side: a counterfactual of it is drawn."""
    moved = [k for k, alpha in enumerate(alphas) if alpha]
    flips = not morph and len(moved) == 1 and (alphas[moved[0]] > 0) != bool(has[moved[0]])
    return moved[0] if flips else None


def readable(attribute: str) -> str:
    """The name of an attribute as a slider shows it: Blond_Hair -> Blond hair."""
    return attribute.replace("_", " ").capitalize()


def load_mixer() -> dict[str, torch.Tensor]:
    """What the attribute mixer of chapter 10 shows beside the decoder of ``vae-avatars``, float32.

    Of 12 held-out faces ``mu`` (12, K) and ``has`` (12, 7); ``vectors`` (7, K), the feature vector
    of each attribute; ``pictures`` (12, 8, 3, 64, 64) in [0, 1], each face as drawn and then its
    counterfactual in each attribute. WeightsError where the file is not there.
    """
    tensors = weights.read(STATIC / "mixer.safetensors")[1]
    sheet = np.asarray(Image.open(io.BytesIO(tensors.pop("png").numpy().tobytes())))
    tiles = torch.tensor(sheet).unflatten(0, (-1, avatars.SIZE)).unflatten(2, (-1, avatars.SIZE))
    pictures = tiles.permute(0, 2, 4, 1, 3).float() / 255
    return {**{key: value.float() for key, value in tensors.items()}, "pictures": pictures}
