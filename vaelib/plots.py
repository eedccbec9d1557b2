"""Every figure helper of the book. Helpers draw what they are given and compute nothing that a
chapter quotes; each takes ``ax=None`` where one axis is enough, and returns what it drew on.
"""

import math
from html import escape

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from torch import Tensor

from vaelib.images import Images
from vaelib.latent import Codes

# Ten colours at least 23 apart (CIE76) for every reader, also with protanopia or deuteranopia, and
# dark enough for white figures on them; every scatter also writes the digit on its cloud. Found by
# a search from Paul Tol's "muted" scheme, whose nearest pair was 4 apart; tests measure it.
DIGIT_COLORS = [
    "#2d3e9a", "#fe7779", "#12853c", "#b80010", "#89bdeb",
    "#9aaa31", "#cd7a9f", "#4481bf", "#752c6a", "#72585a",
]  # fmt: skip
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#767676"


def pictures(
    images: Tensor | Images, columns: int | None = None, titles: list[str] | None = None,
    ax: Axes = None, captions: list[str] | None = None, ink: bool | None = None,
) -> Axes:  # fmt: skip
    """Pictures (N, C, H, W) in [0, 1] laid out in rows of ``columns``; titles name the rows,
    captions the columns.

    ink: whether 1 is black, in pictures of one channel. An :class:`Images` knows it; a bare tensor
    is taken for ink, as digits are: say ``ink=False`` for decoded grey photographs.
    """
    known = isinstance(images, Images)
    ink = ink if ink is not None else images.ink if known else True
    images = images.float() if known else images
    columns = columns or min(len(images), 10)
    rows = -(-len(images) // columns)
    wide = min(9, (1.25 if images.shape[-1] >= 64 else 0.9) * columns)
    turned = max(map(len, captions or [""])) > 8  # longer ones would run into each other
    below = 0.0 if not captions else 0.7 if turned else 0.3
    ax = _axes(ax, (wide, 0.95 * rows * wide / columns + below))
    _show(ax, images, columns, 1, ink)
    height, width = images.shape[2] + 1, images.shape[3] + 1
    _bare(ax)
    if titles:
        ax.set_yticks([height * (row + 0.5) for row in range(rows)], titles)
    if captions:
        how = {"rotation": 25, "ha": "right"} if turned else {}
        places = [width * (column + 0.5) for column in range(columns)]
        ax.set_xticks(places, captions, fontsize=9, **how)
    return ax


def underline(ax: Axes, which: Tensor, columns: int, shape: tuple[int, int] = (28, 28)) -> Axes:
    """A bar under each picture of a :func:`pictures` sheet where ``which`` (N,) is true."""
    height, width = shape
    for i in which.nonzero()[:, 0].tolist():
        bottom, left = (i // columns + 1) * (height + 1) - 2.5, (i % columns) * (width + 1)
        ax.plot([left + 2, left + width - 3], [bottom, bottom], color="#cc0000", lw=2.5)
    return ax


def sheet(
    decoded: Tensor, extent: tuple[float, float, float, float] | None = None,
    ax: Axes = None, ink: bool = True,
) -> Axes:  # fmt: skip
    """Decoded grid (rows, columns, C, H, W) as one seamless sheet; extent labels the axes.

    ink: whether 1 is black, in pictures of one channel.
    """
    rows, columns = decoded.shape[:2]
    ax = _axes(ax, (6, 6 * rows / columns))
    _show(ax, decoded.flatten(0, 1), columns, 0, ink, extent)
    if extent is None:
        _bare(ax)
    else:
        ax.set(xlabel="$z_1$", ylabel="$z_2$")
    return ax


def digit_map(
    digits: Tensor, recognised: Tensor, extent: tuple[float, float, float, float], ax: Axes = None
) -> Axes:
    """A plane painted by judged digit (rows, columns), pale where it is not ``recognised`` (bool,
    same shape). Row 0 is the top. Each digit is written inside its largest recognised patch."""
    from scipy.ndimage import distance_transform_edt

    ax = _axes(ax, (5.5, 5.5))
    rows, columns = digits.shape
    colours = torch.tensor([to_rgb(colour) for colour in DIGIT_COLORS])[digits]
    strength = torch.where(recognised, 0.85, 0.2)[..., None]
    painted = (1 - strength * (1 - colours)).numpy()
    ax.imshow(painted, extent=extent, interpolation="nearest", aspect="auto")
    left, right, bottom, top = extent
    for digit in digits.unique().tolist():
        patch = np.pad(((digits == digit) & recognised).numpy(), 1)  # the frame is an edge too
        depth = distance_transform_edt(patch)[1:-1, 1:-1]
        if depth.max() < 1.5:
            continue  # too thin to write in
        row, column = divmod(int(depth.argmax()), columns)
        ax.text(
            left + (right - left) * (column + 0.5) / columns,
            top - (top - bottom) * (row + 0.5) / rows,
            str(digit), color="white", weight="bold", ha="center", va="center",
        )  # fmt: skip
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    return ax


def codes(
    points: Tensor, labels: Tensor, ax: Axes = None, title: str = "", size: float = 3, limit=5000
) -> Axes:
    """A cloud of 2-D codes (N, 2) coloured by digit, with each digit written at its median."""
    ax = _axes(ax, (5.5, 5.5))
    points, labels = points[:limit], labels[:limit]
    colours = [DIGIT_COLORS[label] for label in labels.tolist()]
    ax.scatter(*points.T, s=size, c=colours, linewidths=0, alpha=0.6, rasterized=True)
    for digit in labels.unique().tolist():
        x, y = points[labels == digit].median(0).values.tolist()
        ax.text(
            x, y, str(digit), color="white", weight="bold", ha="center", va="center",
            clip_on=True,  # a view narrower than the cloud leaves it out, and the layout intact
            bbox={"boxstyle": "circle,pad=0.2", "fc": DIGIT_COLORS[digit], "ec": "white"},
        )  # fmt: skip
    ax.set(xlabel="$z_1$", ylabel="$z_2$", title=title, aspect="equal")
    return ax


def posterior_ellipses(posteriors: Codes, ax: Axes, count: int = 200, sigmas: float = 1) -> Axes:
    """The first ``count`` posteriors as ellipses of ``sigmas`` standard deviations, in latent
    units, coloured by digit."""
    parts = posteriors.mu, posteriors.sigma, posteriors.labels
    for mu, sigma, label in zip(*(part[:count].tolist() for part in parts)):
        style = {"fill": False, "ec": DIGIT_COLORS[label], "lw": 0.8, "alpha": 0.8}
        ax.add_patch(Ellipse(mu, 2 * sigmas * sigma[0], 2 * sigmas * sigma[1], **style))
    return ax


def prior_circles(ax: Axes, sigmas: tuple[float, ...] = (1, 2, 3)) -> Axes:
    """Circles of 1, 2 and 3 standard deviations of the prior N(0, I)."""
    for radius in sigmas:
        ax.add_patch(plt.Circle((0, 0), radius, fill=False, ec="black", lw=0.8, ls="--"))
    return ax


def histogram_against_normal(values: Tensor, ax: Axes = None, label: str = "") -> Axes:
    """Histogram of ``values`` (N,) as a density, with the standard normal density over it."""
    ax = _axes(ax, (5, 3))
    ax.hist(values.numpy(), bins=60, density=True, color=BLUE, alpha=0.6, label=label or None)
    x = torch.linspace(-4, 4, 200)
    ax.plot(x, torch.exp(-(x**2) / 2) / (2 * torch.pi) ** 0.5, color=ORANGE, label="N(0, 1)")
    ax.set(ylabel="density")
    ax.legend(frameon=False)
    return ax


class Table:
    """A small table that prints as text and, in a notebook or on a page, shows as a real one."""

    def __init__(self, columns: list[str], rows: list[list[str]]):
        self.columns, self.rows = columns, rows

    def __repr__(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)

    def _repr_html_(self) -> str:
        def line(cells, tag):
            return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        head, body = line(self.columns, "th"), "".join(line(row, "td") for row in self.rows)
        return f'<table class="table"><thead>{head}</thead><tbody>{body}</tbody></table>'


def kl_integrand(mu: float, log_var: float, ax: Axes = None) -> Axes:
    """The prior N(0, 1), a posterior N(mu, exp(log_var)), and what the KL integrates: shaded,
    q(z) (log q(z) - log p(z)), orange where above zero and blue where below."""
    ax = _axes(ax, (6, 2.6))
    z = torch.linspace(-4.5, 4.5, 901)
    constant = math.log(2 * math.pi)
    log_p = -(z**2 + constant) / 2
    log_q = -((z - mu) ** 2 / math.exp(log_var) + log_var + constant) / 2
    integrand = log_q.exp() * (log_q - log_p)
    ax.plot(z, log_p.exp(), color=GREY, ls="--", label="prior $p(z)$")
    ax.plot(z, log_q.exp(), color="black", label="posterior $q(z|x)$")
    for sign, colour, side in ((1, ORANGE, ">"), (-1, BLUE, "<")):
        where, label = sign * integrand >= 0, f"integrand {side} 0"
        ax.fill_between(z, integrand, where=where, color=colour, alpha=0.5, label=label)
    ax.axhline(0, color="black", lw=0.6)
    ax.set(xlim=(-4.5, 4.5), ylabel="density")
    return ax


def panels(count: int, width: float = 9, height: float = 4.5, **how) -> tuple[Figure, list[Axes]]:
    """A row of ``count`` axes, for figures that compare."""
    how |= {"figsize": (width, height), "layout": "constrained", "squeeze": False}
    figure, axes = plt.subplots(1, count, **how)
    return figure, list(axes[0])


def _show(ax: Axes, images: Tensor, columns: int, gap: int, ink: bool, extent=None) -> None:
    """Draw (N, C, H, W) as one sheet, with ``gap`` pixels of white paper between."""
    n, c, h, w = images.shape
    rows = -(-n // columns)
    white = 0.0 if ink and c == 1 else 1.0
    sheet = torch.full((c, rows * (h + gap) - gap, columns * (w + gap) - gap), white)
    for i, image in enumerate(images):
        top, left = (i // columns) * (h + gap), (i % columns) * (w + gap)
        sheet[:, top : top + h, left : left + w] = image
    sheet, grey = (sheet[0] if c == 1 else sheet.permute(1, 2, 0)), "gray_r" if ink else "gray"
    how = "nearest" if c == 1 else "bilinear"  # digits show their pixels, faces are scaled smoothly
    ax.imshow(sheet.numpy(), grey, vmin=0, vmax=1, extent=extent, interpolation=how)


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    return ax if ax is not None else plt.subplots(figsize=size, layout="constrained")[1]


def _bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
