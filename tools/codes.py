"""Write the codes that the explorers' maps draw, vaelib/weights/*.codes.safetensors.

They come from the shipped weights; with them go ten test images for readers to choose from, what
chapter 8's slider over beta shows, and the faces of chapter 10's attribute mixer, which this draws.
With names as arguments only their codes are written; without, every model that a chapter's explorer
shows. A file that came from the weights as they are now is left alone.
"""

import sys
from functools import cache

from vaelib import avatars, data, weights
from vaelib import explorer_assets as assets

NAMES = ["ae-mnist-2d", "vae-mnist-2d"]


@cache
def test_images() -> data.Images:
    return data.mnist().test


def main(names: list[str]) -> None:
    there, written = weights.available(), []
    if not (assets.STATIC / "digits.safetensors").is_file():
        written.append(assets.save_digits(test_images()))
    if set(assets.BETAS) <= set(there) and not assets.betas_are_current():
        written.append(assets.save_betas(test_images()))
    if assets.FACE_MODEL in there and not assets.mixer_is_current():
        written.append(assets.save_mixer(avatars.faces(assets.MIXER_FACES)))
    for name in names:
        if not assets.codes_are_current(name):
            written.append(assets.save_codes(name, test_images()))
    for path in written:
        print(f"codes: {path.name}, {path.stat().st_size / 1000:.0f} kB")
    if not written:
        print("codes: all current")


if __name__ == "__main__":
    main(sys.argv[1:] or [name for name in NAMES if name in weights.available()])
