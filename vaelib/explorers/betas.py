"""What beta does."""

import torch

from vaelib import latent, plots, weights
from vaelib.explorer_assets import BETAS, STATIC
from vaelib.explorers.widgets import PRIOR, Explorer, canvas, square_box


def beta_explorer(beta: float = 1) -> Explorer:
    """Seven trained VAEs that differ in beta alone: samples, what each latent costs, the codes.

    beta: which of 0, 0.1, 0.5, 1, 2, 4, 8 is shown first. The page fetches the decoder of a model
    when the slider reaches it; everything else is in one file (``tools/codes.py``).
    """
    betas = list(BETAS.values())
    if beta not in betas:
        raise ValueError(f"beta is one of {', '.join(f'{b:g}' for b in betas)}; got {beta}")
    tensors, position = load_betas(), betas.index(beta)
    colours = plots.DIGIT_COLORS
    shown = canvas("betas", position=position, names=list(BETAS), betas=betas, colours=colours)
    slider = {"description": "β", "options": [f"{b:g}" for b in betas], "index": position}
    text = (
        f"Beta explorer: at β = {beta:g} ten samples of the prior, what each of 16 latents costs, "
        "and the codes of test digits on the two that cost most."
    )

    def still(figure):
        figure.set_size_inches(7.2, 6)
        above, below = figure.subfigures(2, 1, height_ratios=[2, 3])
        samples = latent.decode_images(weights.load(list(BETAS)[position]), tensors["z"])
        plots.pictures(samples, columns=5, ax=above.subplots())
        bars, plane = below.subplots(1, 2)
        kl, active = tensors["kl"][position], tensors["active"][position]
        lit = [plots.BLUE if used else plots.ORANGE for used in active]
        bars.bar(range(1, len(kl) + 1), kl.clamp_min(0.07).numpy(), color=lit)
        bars.set(title="what each latent costs", xticks=[1, 4, 8, 12, 16])
        bars.set(xlabel="latent, sorted", ylabel="KL (nats)")
        first, second = (tensors["latents"][position].int() + 1).tolist()
        codes, labels = tensors["codes"][position].float(), tensors["labels"].long()
        plots.codes(codes, labels, ax=plane, size=6, title="codes of test digits")
        # The prior's square where nearly all codes lie in it, otherwise one that holds them all.
        inside = (codes.abs() <= PRIOR[1]).all(1).float().mean()
        box = PRIOR if inside > 0.98 else square_box(codes)
        plane.set(xlim=box[:2], ylim=box[2:], xlabel=f"$z_{{{first}}}$", ylabel=f"$z_{{{second}}}$")
        rate, distortion = (float(tensors[key][position]) for key in ("rate", "distortion"))
        says = f"rate {rate:.1f} nats, distortion {distortion:.1f} nats, {int(active.sum())} active"
        figure.suptitle(f"β = {beta:g}: {says}")

    return Explorer({"position": slider}, shown, still, text)


def load_betas() -> dict[str, torch.Tensor]:
    """What the explorer of chapter 8 shows of its M = 7 models beside their decoders.

    Of all test images: float32 ``kl`` (M, 16), the mean KL of each latent in nats, sorted; uint8
    ``active`` (M, 16), in that order; float32 ``rate`` and ``distortion`` (M,) of one sampled code
    an image. Of the first 600: float16 ``codes`` (M, 600, 2), sampled, on the two ``latents``
    (M, 2) that cost most, and ``labels`` (600,). Float32 ``z`` (10, 16): draws from the prior.
    """
    return weights.read(STATIC / "betas.safetensors")[1]
