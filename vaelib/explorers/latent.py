"""Two models under one point of the plane."""

import torch
from matplotlib.figure import Figure

from vaelib import latent, plots, weights
from vaelib.explorer_assets import load_codes
from vaelib.explorers.widgets import KINDS, PRIOR, Explorer, canvas, code_box, draw_map, slider


def latent_explorer(
    left: str = "ae-mnist-2d", right: str | None = "vae-mnist-2d",
    z: tuple[float, float] = (0.0, 0.0), cdf: bool = False, zoom: bool = False,
) -> Explorer:  # fmt: skip
    """Two models under one point of the plane: move it, and both decode it.

    left, right: names of shipped models with a 2-D code and a file of codes (``tools/codes.py``);
    ``right=None`` shows one model alone. z: where the point starts. cdf: start with each axis
    through the normal CDF. zoom: start with all maps at the prior's scale, -4 to 4.

    Each map shows the codes of 2,000 test images, by itself on its own scale, drawn to hold them
    all; a VAE's loupe shows the one-sigma ellipse of each image near the point. Through the CDF the
    codes are sampled, as chapter 9 explains. The sliders reach as far as the widest map.
    """
    names = [name for name in (left, right) if name is not None]
    kinds = [KINDS[weights.recipe(name)["architecture"]["kind"]] for name in names]
    panes = [{"name": n, "title": k, "box": code_box(n)} for n, k in zip(names, kinds)]
    corners = [PRIOR] if zoom else [pane["box"] for pane in panes]
    low, high = min(map(min, corners)), max(map(max, corners))
    shown = canvas(
        "latent", panes=panes, colours=plots.DIGIT_COLORS, z1=float(z[0]), z2=float(z[1]), cdf=cdf,
        zoom=zoom, low=low, high=high,
    )  # fmt: skip
    z1, z2 = (slider(f"z{i}", at, low, high, limits=("low", "high")) for i, at in zip("₁₂", z))
    titles = " and ".join(f"{pane['title']} ({pane['name']})" for pane in panes)
    text = f"Latent explorer: codes of test images, and the picture decoded at one point. {titles}."
    drawn = [{**pane, "box": PRIOR} if zoom else pane for pane in panes]
    return Explorer({"z1": z1, "z2": z2}, shown, lambda figure: still(figure, drawn, z), text)


def still(figure: Figure, panes: list[dict], z: tuple[float, float]) -> None:
    """Of each pane, ``name``, ``title``, ``box``: its map with ``z``, and what is decoded there."""
    figure.set_size_inches(3.6 * len(panes), 5)
    axes = figure.subplots(2, len(panes), squeeze=False, height_ratios=[2, 1])
    for (above, below), pane in zip(axes.T, panes):
        draw_map(above, load_codes(pane["name"]), pane["box"], z, pane["title"])
        decoded = latent.decode_images(weights.load(pane["name"]), torch.tensor([z]).float())
        plots.pictures(decoded, ax=below)
        below.set_title(f"decoded at ({z[0]:g}, {z[1]:g})", fontsize="small")
