"""What beta does."""

import torch

from vaelib import latent, plots, weights
from vaelib.explorer_assets import BETAS, load_betas
from vaelib.explorers.widgets import PRIOR, Explorer, canvas, figure, png, square_box


def beta_explorer(beta: float = 1) -> Explorer:
    """Seven trained VAEs that differ in beta alone: samples, what each latent costs, the codes.

    beta: which of 0, 0.1, 0.5, 1, 2, 4, 8 is shown first. The page fetches the decoder of a model
    when the slider reaches it; everything else is in one file (``tools/codes.py``).
    """
    betas = list(BETAS.values())
    if beta not in betas:
        raise ValueError(f"beta is one of {', '.join(f'{b:g}' for b in betas)}; got {beta}")
    tensors, position = load_betas(), betas.index(beta)
    boxes = [_cloud_box(codes) for codes in tensors["codes"]]
    shown = canvas(
        "betas", position=position, names=list(BETAS), betas=betas, boxes=boxes,
        colours=plots.DIGIT_COLORS,
    )  # fmt: skip
    slider = {"description": "β", "options": [f"{b:g}" for b in betas], "index": position}
    text = (
        f"Beta explorer: at β = {beta:g} ten samples of the prior, what each of 16 latents costs, "
        "and the codes of test digits on the two that cost most."
    )
    of = {key: tensors[key][position] for key in tensors if key not in ("labels", "z")}
    drawn = {**of, "labels": tensors["labels"].long(), "box": boxes[position]}
    name = list(BETAS)[position]
    draw = lambda: still(latent.decode_images(weights.load(name), tensors["z"]), beta, drawn)  # noqa: E731
    return Explorer({"position": slider}, shown, draw, text)


def still(samples: torch.Tensor, beta: float, shown: dict) -> bytes:
    """``samples`` (10, 1, 28, 28), bars of KL and codes of one model; shown: its share of
    :func:`vaelib.explorer_assets.load_betas`, and its ``box``."""
    drawn = figure(7.2, 6)
    above, below = drawn.subfigures(2, 1, height_ratios=[2, 3])
    plots.pictures(samples, columns=5, ax=above.subplots())
    bars, plane = below.subplots(1, 2)
    colours = [plots.BLUE if used else plots.ORANGE for used in shown["active"]]
    kl = shown["kl"]
    bars.bar(range(1, len(kl) + 1), kl.clamp_min(0.07).numpy(), color=colours)
    bars.set(title="what each latent costs", xticks=[1, 4, 8, 12, 16])
    bars.set(xlabel="latent, sorted", ylabel="KL (nats)")
    first, second = (shown["latents"].int() + 1).tolist()
    codes, box = shown["codes"].float(), shown["box"]
    plots.codes(codes, shown["labels"], ax=plane, size=6, title="codes of test digits")
    plane.set(xlim=box[:2], ylim=box[2:], xlabel=f"$z_{{{first}}}$", ylabel=f"$z_{{{second}}}$")
    rate, distortion, active = (float(shown[key].sum()) for key in ("rate", "distortion", "active"))
    says = f"rate {rate:.1f} nats, distortion {distortion:.1f} nats, {active:g} active"
    drawn.suptitle(f"β = {beta:g}: {says}")
    return png(drawn)


def _cloud_box(codes: torch.Tensor) -> list[float]:
    """The prior's square where nearly all codes lie in it, otherwise one that holds them all."""
    inside = (codes.abs() <= PRIOR[1]).all(1).float().mean()
    return PRIOR if inside > 0.98 else square_box(codes)
