"""Draw the README's picture from the shipped weights: python tools/picture.py

Both networks decode the same points, spread as N(0, I) would spread them. Writes
chapters/images/plane.png.
"""

import io

import matplotlib
from PIL import Image

from project import ROOT
from vaelib import latent, plots, weights

MODELS = {"autoencoder": "ae-mnist-2d", "variational autoencoder": "vae-mnist-2d"}


def main() -> None:
    matplotlib.use("Agg")
    grid = latent.quantile_grid(15)
    figure, axes = plots.panels(2, height=4.8)
    for ax, (title, name) in zip(axes, MODELS.items()):
        plots.sheet(latent.manifold(weights.load(name), grid), ax=ax)
        ax.set_title(title)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=110)
    path = ROOT / "chapters" / "images" / "plane.png"
    path.parent.mkdir(exist_ok=True)
    Image.open(drawn).convert("L").quantize(16).save(path, optimize=True)  # 16 greys: a third
    print(f"{path.relative_to(ROOT)}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
