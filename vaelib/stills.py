"""Still pictures of the explorers, as the bytes of PNG files; :class:`vaelib.explore.Explorer` says
when they are seen.

Each draws what it is given, models and what their files hold, and reads no file itself. They make
figures without pyplot: a figure of pyplot's would be shown by the cell a second time.
"""

import io
import math

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from vaelib import latent, losses, plots


def latent_plane(panes: list[dict], z: tuple[float, float]) -> bytes:
    """Of each pane, ``title``, ``box``, ``codes`` and ``model``: its map with the point ``z``, and
    what it decodes there."""
    figure = _figure(3.6 * len(panes), 5)
    axes = figure.subplots(2, len(panes), squeeze=False, height_ratios=[2, 1])
    for (above, below), pane in zip(axes.T, panes, strict=True):
        _map(above, pane["codes"], pane["box"], z, pane["title"])
        decoded = latent.decode_images(pane["model"], torch.tensor([z]))
        plots.pictures(decoded, ax=below)
        below.set_title(f"decoded at ({z[0]:g}, {z[1]:g})", fontsize="small")
    return _png(figure)


def reparameterisation(
    model: nn.Module, picture: Tensor, mu: Tensor, sigma: Tensor, epsilon=(0.0, 0.0), exact=False
) -> bytes:
    """A posterior ``mu``, ``sigma`` (2,) with one sample in it, and ``picture`` (1, C, H, W) beside
    what ``model`` decodes at mu and at the sample; on the plane the ``exact`` posterior, or not."""
    z = mu + sigma * torch.tensor(epsilon)
    decoded = latent.decode_images(model, torch.stack([mu, z]))
    figure = _figure(7.2, 3.4)
    plane, sheet = figure.subplots(1, 2)
    if exact:
        steps = torch.linspace(-8, 8, 81)
        grid = mu + sigma * torch.cartesian_prod(steps, steps)
        log_p_x = -losses.bernoulli_nll(model.decode(grid), picture.expand(len(grid), -1, -1, -1))
        density = (log_p_x - grid.square().sum(1) / 2).softmax(0).reshape(81, 81).T.detach()
        plane.contourf(*(mu + sigma * steps[:, None]).T.numpy(), density.numpy(), cmap="Oranges")
    angle = torch.linspace(0, 2 * math.pi, 100)
    circle = torch.stack([angle.cos(), angle.sin()], 1)
    for reach in (1, 2, 3):
        plane.plot(*(mu + reach * sigma * circle).T.numpy(), color="black", linewidth=1)
    plane.plot(*zip(mu.tolist(), z.tolist(), strict=True), "o-", color="black")
    plane.set(title="q(z|x), and z in it", xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
    plots.pictures(torch.cat([picture, decoded]), columns=3, ax=sheet)
    sheet.set_title("x, decoded $\\mu$, decoded $z$")
    return _png(figure)


def drawn_digit(
    model: nn.Module, picture: Tensor, mu: Tensor, codes: dict[str, Tensor], box: list[float]
) -> bytes:
    """Where ``picture`` (1, C, H, W) lies among ``codes``, at ``mu`` (2,), and what ``model`` makes
    of it."""
    decoded = latent.decode_images(model, mu[None])
    figure = _figure(7.2, 3.6)
    plane, sheet = figure.subplots(1, 2)
    _map(plane, codes, box, mu.tolist(), "its μ among the codes")
    plots.pictures(torch.cat([picture, decoded]), columns=2, ax=sheet)
    sheet.set_title("the image, and its μ decoded")
    return _png(figure)


def training_replay(
    recorded: dict[str, Tensor], frame: int, titles: dict[str, str], boxes: list[list[float]]
) -> bytes:
    """One frame of what :func:`vaelib.explorer_assets.load_replay` gives; titles: kind -> title."""
    figure = _figure(7.2, 4.6)
    axes = figure.subplots(2, 2, height_ratios=[3, 1])
    for (above, below), (kind, title), box in zip(axes.T, titles.items(), boxes, strict=True):
        points = recorded[f"{kind}.codes"][frame].float()
        plots.codes(points, recorded["labels"].long(), ax=above, title=title)
        above.set(xlim=box[:2], ylim=box[2:])
        pictures = torch.cat([recorded["originals"], recorded[f"{kind}.pictures"][frame]])
        plots.pictures(pictures[:, None].float() / 255, columns=5, ax=below)
    figure.suptitle(f"after {int(recorded['steps'][frame])} steps")
    return _png(figure)


def betas(
    model: nn.Module, beta: float, shown: dict[str, Tensor], position: int, box: list[float]
) -> bytes:
    """The model at ``position`` among those of ``shown``, which is what
    :func:`vaelib.explorer_assets.load_betas` gives: samples, bars of KL, codes."""
    samples = latent.decode_images(model, shown["z"])
    figure = _figure(7.2, 6)
    above, below = figure.subfigures(2, 1, height_ratios=[2, 3])
    plots.pictures(samples, columns=5, ax=above.subplots())
    bars, plane = below.subplots(1, 2)
    kl, active = shown["kl"][position], shown["active"][position]
    colours = [plots.BLUE if used else plots.ORANGE for used in active]
    bars.bar(range(1, len(kl) + 1), kl.clamp_min(0.07).numpy(), color=colours)
    bars.set(title="what each latent costs", xticks=[1, 4, 8, 12, 16])
    bars.set(xlabel="latent, sorted", ylabel="KL (nats)")
    codes = shown["codes"][position].float()
    first, second = (shown["latents"][position].int() + 1).tolist()
    plots.codes(codes, shown["labels"].long(), ax=plane, size=6, title="codes of test digits")
    plane.set(xlim=box[:2], ylim=box[2:], xlabel=f"$z_{{{first}}}$", ylabel=f"$z_{{{second}}}$")
    rate, distortion = (float(shown[key][position]) for key in ("rate", "distortion"))
    says = f"rate {rate:.1f} nats, distortion {distortion:.1f} nats, {int(active.sum())} active"
    figure.suptitle(f"β = {beta:g}: {says}")
    return _png(figure)


def attribute_mixer(
    model: nn.Module, codes: Tensor, picture: Tensor, drawn: Tensor | None
) -> bytes:
    """``picture`` (C, H, W), what ``model`` decodes at its code and at the new one, ``codes``
    (2, K), and where there is one the counterfactual ``drawn`` (C, H, W)."""
    decoded = latent.decode_images(model, codes)
    shown = {"$x$": picture, "$x$ decoded": decoded[0], "$z_{new}$ decoded": decoded[1]}
    if drawn is not None:
        shown["drawn so"] = drawn
    figure = _figure(7.2, 2.2)
    axes = figure.subplots(1, 4)
    for ax in axes:
        ax.axis("off")
    for ax, (title, pixels) in zip(axes, shown.items()):
        plots.pictures(pixels[None], ax=ax)
        ax.set_title(title)
    return _png(figure)


def kl(mu: float, log_var: float, nats: float) -> bytes:
    """A prior, a posterior and the integrand of their KL, which is ``nats``."""
    figure = _figure(7.2, 3.6)
    ax = plots.kl_integrand(mu, log_var, ax=figure.subplots())
    ax.set(title=f"mu {mu:g}, log_var {log_var:g}: KL {nats:.3f} nats", xlabel="z")
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    return _png(figure)


def _map(ax: Axes, codes: dict[str, Tensor], box: list[float], point, title: str) -> None:
    """The map of a model's codes with a point on it, as the explorers draw it."""
    plots.codes(codes["mu"].float(), codes["labels"].long(), ax=ax, title=title)
    ax.set(xlim=box[:2], ylim=box[2:])
    ax.plot(*point, "o", color="#ffd400", markeredgecolor="black", markersize=8)


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), dpi=80, layout="constrained")


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
