"""Write the codes that the explorers' maps draw, vaelib/weights/*.codes.safetensors.

They come from the shipped weights; with them go ten test images for readers to choose from, and
what chapter 4's slider over beta shows. With names as arguments only their codes are written;
without, every model that a chapter's explorer shows. A file that came from the weights as they are
now is left alone.
"""

import sys

from vaelib import data, weights
from vaelib import explorer_assets as assets

NAMES = ["ae-mnist-2d", "vae-mnist-2d"]


def main(names: list[str]) -> None:
    stale = [name for name in names if not assets.codes_are_current(name)]
    digits_missing = not (assets.STATIC / "digits.safetensors").is_file()
    betas_there = set(assets.BETAS) <= set(weights.available())
    betas_stale = betas_there and not assets.betas_are_current()
    if not stale and not digits_missing and not betas_stale:
        return print("codes: all current")
    images = data.mnist().test
    if digits_missing:
        print(f"codes: {assets.save_digits(images).name}")
    if betas_stale:
        path = assets.save_betas(images)
        print(f"codes: {path.name}, {path.stat().st_size / 1000:.0f} kB")
    for name in stale:
        path = assets.save_codes(name, images)
        print(f"codes: {path.name}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:] or [name for name in NAMES if name in weights.available()])
