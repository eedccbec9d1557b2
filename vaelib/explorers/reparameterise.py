"""How a sample is made."""

import math

import torch
from matplotlib.figure import Figure
from torch import Tensor

from vaelib import latent, losses, plots, weights
from vaelib.explorers.widgets import Explorer, canvas, posterior, slider


def reparameterisation_explorer(
    name: str = "vae-mnist-2d", digit: int = 0, epsilon: tuple[float, float] = (1.0, -0.5)
) -> Explorer:
    """How a sample is made: choose an image and move epsilon; z = mu + sigma * epsilon is decoded.

    name: a shipped VAE with a 2-D code and a file of codes; digit: which of ten test images is
    chosen first; epsilon: where the sliders start, within -3 to 3. Chapter 3 derives it.
    """
    shown = posterior(name, digit)
    starts = {"epsilon1": float(epsilon[0]), "epsilon2": float(epsilon[1])}
    drawn = canvas("reparameterise", name=name, image=digit, colours=plots.DIGIT_COLORS, **starts)
    sliders = {at: slider(label, starts[at], -3, 3) for at, label in zip(starts, ("ε₁", "ε₂"))}
    text = f"Reparameterisation: an image of a {digit}, its posterior, and a sample of it, decoded."
    return Explorer(sliders, drawn, lambda figure: still(figure, name, *shown, epsilon), text)


def still(
    figure: Figure, name: str, picture: Tensor, mu: Tensor, sigma: Tensor, epsilon=(0.0, 0.0),
    exact=False,
) -> None:  # fmt: skip
    """A posterior ``mu``, ``sigma`` (2,) with one sample in it, and ``picture`` (1, C, H, W) beside
    what is decoded at mu and at the sample; on the plane the ``exact`` posterior, or not."""
    model, z = weights.load(name), mu + sigma * torch.tensor(epsilon)
    decoded = latent.decode_images(model, torch.stack([mu, z]))
    figure.set_size_inches(7.2, 3.4)
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
    plane.plot(*zip(mu.tolist(), z.tolist()), "o-", color="black")
    plane.set(title="q(z|x), and z in it", xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
    plots.pictures(torch.cat([picture, decoded]), columns=3, ax=sheet)
    sheet.set_title("x, decoded $\\mu$, decoded $z$")
