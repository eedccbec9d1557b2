"""What every model that the book speaks of is trained on, by which loss and with which numbers.

``targets`` gives the recipes as plain data. A recipe is hashed; the hash is stored in the file that
it made, and decides whether to train again. ``train_weights.py`` does the training.
"""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vaelib import avatars, data
from vaelib.losses import (
    LossTerms,
    bernoulli_nll,
    iwae,
    kl_divergence,
    log_normal,
    negative_elbo,
)
from vaelib.models import Architecture, Output
from vaelib.training import Config, Loss, elbo_loss, priced_loss

# The network of the digits with a code of two numbers: encoder and decoder each fit in 300 kB, for
# the reader's browser. One recipe for all, so that what differs is what the experiment changes.
POCKET = {"latent_dim": 2, "encoder_hidden": (142, 128, 128), "decoder_hidden": (128, 128, 142)}
LONG = Config(epochs=60, batch_size=128, lr=2.5e-3)
SEEDS = (0, 1, 2)
# The constant sigma: the VAE's own median. On 10,000 training images kept back its bound was better
# than that of .1 (138.9 against 140.7 nats after 20 epochs).
CONSTANT = 0.03
BERNOULLI = "Bernoulli on grey pixels"


@dataclass(frozen=True)
class Digits:
    """How a model of MNIST is trained: `loss` says in words what `make_loss` does; `start` names
    the model it is trained on from, instead of fresh weights. Of chapter 11: images, how many of
    the first training images, if not all; tossed: each pixel is 0 or 1, drawn anew at each visit;
    draws: of z for each image; average: decay of the mean of the weights that is kept; warps: of
    which copies the encoder learns too; scored: of how many tossed test images log p(x) is taken,
    and by how many draws; curve: the epochs after which the test bound is noted."""

    architecture: Architecture
    config: Config
    loss: str = f"{BERNOULLI} + beta * KL, z sampled"
    make_loss: Callable[[], Loss] = lambda: elbo_loss
    start: str | None = None
    images: int | None = None
    tossed: bool = False
    draws: int = 1
    average: float | None = None
    warps: dict[str, float] | None = None
    scored: tuple[int, int] | None = None
    curve: tuple[int, ...] = ()

    def seeds(self, name: str) -> dict[str, "Digits"]:
        """`name` for seed 0, and `name-1`, `name-2`."""
        start = self.start
        return {
            numbered(name, seed): replace(
                self,
                config=replace(self.config, seed=seed),
                start=numbered(start, seed) if start else None,
            )
            for seed in SEEDS
        }


def numbered(name: str, seed: int) -> str:
    return f"{name}-{seed}" if seed else name


def step(kind: str, noise=0.0, beta=1.0, **price) -> Digits:
    """A network of the experiment of chapter 4."""
    network = Architecture(kind=kind, noise=noise, **POCKET)
    if not price:
        return Digits(network, replace(LONG, beta=beta))
    words = " and ".join(name for name, charged in price.items() if charged)
    return Digits(
        network,
        replace(LONG, beta=beta),
        f"{BERNOULLI} + beta * the part of the KL for {words}, z sampled",
        lambda: priced_loss(**price),
    )


EXPERIMENT = {
    "ae-mnist-2d": step("ae", beta=0.0),
    "noise-mnist-2d": step("ae", noise=0.5, beta=0.0),
    "sigma-mnist-2d": step("vae", beta=0.0),
    "sigma-priced-mnist-2d": step("vae", mu=False, sigma=True),
    "mu-priced-mnist-2d": step("vae", mu=True, sigma=False),
    "constant-mnist-2d": step("ae", noise=CONSTANT, mu=True, sigma=False),
    "vae-mnist-2d": step("vae"),
}


def squares_loss(of_squares: Callable[[Tensor], Tensor]) -> Loss:
    """A loss of chapter 7: ``of_squares`` takes the squared errors (N, D) of a batch and gives one
    number per image, or one for all."""

    def loss(output: Output, x: Tensor, beta: float) -> LossTerms:
        nll = of_squares((output.logits.sigmoid() - x).square().flatten(1)).expand(len(x))
        kl = kl_divergence(output.mu, output.log_var)
        return LossTerms(nll + beta * kl, nll, kl)

    return loss


# Chapter 8: one network with 16 latents, one weight of the KL after another; and from the network
# of beta 1 on to the larger ones, since a fresh network may stop at fewer latents than pay.
WIDE = Architecture(latent_dim=16, encoder_hidden=(128, 128), decoder_hidden=(128, 128))
SWEEP = Config(epochs=40, batch_size=256, lr=3e-3)
BETAS = {"0": 0.0, "0p1": 0.1, "0p5": 0.5, "1": 1.0, "2": 2.0, "4": 4.0, "8": 8.0}
COLD = {f"beta-{name}": Digits(WIDE, replace(SWEEP, beta=beta)) for name, beta in BETAS.items()}
WARM = {
    f"beta-{name}-from-{first}": Digits(
        WIDE, replace(SWEEP, beta=BETAS[name]), start=f"beta-{first}"
    )
    for name, first in (("1", "0p5"), ("2", "1"), ("4", "1"), ("8", "1"))
}
# Its rivals, as long as the first training and the second together: no change of beta at all,
# and a beta that rises from 0 over the first half.
TWICE = replace(SWEEP, epochs=2 * SWEEP.epochs)
RIVALS = {
    f"beta-{name}-{kind}": Digits(WIDE, replace(TWICE, beta=BETAS[name], warmup_epochs=warmup))
    for name, kind, warmup in (("1", "long", 0), ("8", "long", 0), ("8", "warmup", SWEEP.epochs))
}

# Chapter 7: the same network with squared errors, by three losses that people use.
LEARNED = "half the pixels * log of the batch's mean of squares"
ACCIDENTS = {
    name: Digits(WIDE, SWEEP, f"{loss} + beta * KL, z sampled", partial(squares_loss, of_squares))
    for name, loss, of_squares in (
        ("squares-mean", "mean of squares", lambda squares: squares.mean(1)),
        ("squares-1000", "1000 * mean of squares", lambda squares: 1000 * squares.mean(1)),
        ("squares-learned", LEARNED, lambda squares: squares[0].numel() / 2 * squares.mean().log()),
    )
}

# Chapter 11. The network of Burda et al. 2016, section 5, with one layer of latents, but SiLU where
# they have tanh, and 60 epochs where they have 3,280. Their loss for k draws; for one, the ELBO.
ONE_LAYER = Architecture(latent_dim=50, encoder_hidden=(200, 200), decoder_hidden=(200, 200))
TOSSED = "Bernoulli on tossed pixels + beta * KL, z sampled"
BOUND = "minus the importance-weighted bound on tossed pixels"
NOTED = (1, 3, 10, 20, 40, 60)


def bound_loss(output: Output, x: Tensor, beta: float) -> LossTerms:
    """Minus the bound of as many draws as ``output`` (k * N rows) has for each image of ``x``."""
    nll = bernoulli_nll(output.logits, x.repeat(len(output.z) // len(x), 1, 1, 1))
    zero = torch.zeros(())
    prior = log_normal(output.z, zero, zero)
    log_w = prior - nll - log_normal(output.z, output.mu, output.log_var)
    bound = -iwae(log_w.view(-1, len(x)))
    kl = kl_divergence(output.mu[: len(x)], output.log_var[: len(x)])
    return LossTerms(bound, bound - kl, kl)


BURDA = {
    name: Digits(
        ONE_LAYER, Config(epochs=60, batch_size=100, lr=2e-3), loss, make_loss,
        tossed=True, draws=draws, curve=NOTED,
    )
    for name, draws, loss, make_loss in (
        ("one-layer-vae", 1, TOSSED, lambda: elbo_loss),
        ("one-layer-iwae", 5, BOUND, lambda: bound_loss),
    )
}  # fmt: skip
# How many latents: seed 0 alone, as long as CROWDS, whose 60,000 is the VAE with 50. And the VAEs
# of the deeper network of chapter 4, briefly trained, which light few latents whatever there are.
LATENTS = {
    f"latents-{latents}-{kind}": Digits(
        replace(ONE_LAYER, kind=kind, latent_dim=latents),
        Config(epochs=20, batch_size=100, lr=2e-3, beta=float(kind == "vae")),
        TOSSED,
        tossed=True,
        scored=(1000, 500) if kind == "vae" else None,
    )
    for latents in (2, 5, 10, 20, 50)
    for kind in ("ae", "vae")
    if (latents, kind) != (50, "vae")
}
BRIEF = {
    f"brief-{latents}-vae": Digits(
        Architecture(**{**POCKET, "latent_dim": latents}),
        Config(epochs=15, batch_size=256, lr=3e-3),
        TOSSED,
        tossed=True,
        scored=(1000, 500),
    )
    for latents in (2, 5, 10, 20, 50)
}
# Equally many steps, however few images.
CROWDS = {
    f"images-{images}": Digits(
        ONE_LAYER,
        Config(epochs=20 * 60_000 // images, batch_size=100, lr=2e-3),
        TOSSED,
        images=images,
        tossed=True,
        scored=(1000, 500),
        curve=tuple(part * 60_000 // images for part in (1, 2, 4, 8, 14, 20)),
    )
    for images in (1000, 10_000, 60_000)
}
# The 2-D VAE whose encoder learns of warped copies too, which the decoder does not; degrees, pixels
# and shares, each the largest, but of the bend the standard deviation at 5 x 5 points. And its
# rival without them.
WARPS = {"turn": 12.0, "shift": 1.0, "scale": 0.12, "shear": 0.15, "bend": 1.0}
TAUGHT = {
    name: Digits(Architecture(**POCKET), replace(LONG, lr=3e-3), average=0.999, warps=warps)
    for name, warps in (("taught-2d", WARPS), ("averaged-2d", None))
}


class Tossed(data.Images):
    """Grey images whose pixels are tossed anew at each visit."""

    def batches(self, batch_size, generator=None):
        coin = generator or torch.Generator().manual_seed(0)
        for x, labels in super().batches(batch_size, generator):
            yield (torch.rand(x.shape, generator=coin) < x).float(), labels


def warp(x: Tensor, generator: torch.Generator, *, turn, shift, scale, shear, bend) -> Tensor:
    """Each image turned, moved, scaled, sheared and bent a little, (N, C, H, W)."""
    pixel = 2 / x.shape[-1]  # a grid runs from -1 to 1

    def within(size: float, *shape: int) -> Tensor:
        return size * (2 * torch.rand(len(x), *shape, generator=generator) - 1)

    angle, sheared = within(math.radians(turn)), within(shear)
    rows = [angle.cos(), sheared - angle.sin(), angle.sin(), angle.cos()]
    linear = torch.stack(rows, 1).view(-1, 2, 2) * (1 + within(scale, 1, 1))
    moved = torch.cat([linear, within(shift * pixel, 2, 1)], 2)
    grid = F.affine_grid(moved, x.shape, align_corners=False)
    knots = bend * pixel * torch.randn(len(x), 2, 5, 5, generator=generator)
    smooth = F.interpolate(knots, x.shape[-2:], mode="bicubic", align_corners=True)
    grid = grid + smooth.permute(0, 2, 3, 1)
    return F.grid_sample(x, grid, align_corners=False).clamp(0, 1)


class Trainee(nn.Module):
    """A VAE as :func:`fit` sees it where one pass with one draw is not all."""

    def __init__(self, vae: nn.Module, digits: Digits):
        super().__init__()
        self.vae, self.digits = vae, digits
        if digits.average:  # in a list, so that its weights are not trained
            mean = get_ema_multi_avg_fn(digits.average)
            self.average = [AveragedModel(vae, multi_avg_fn=mean)]

    def forward(self, x: Tensor, generator: torch.Generator) -> Output:
        if self.digits.average:
            self.average[0].update_parameters(self.vae)
        self.seen = x
        if self.digits.warps:
            self.seen = torch.cat([x, warp(x, generator, **self.digits.warps)])
        posterior = self.vae.encode(self.seen)
        mu, log_var = (part.repeat(self.digits.draws, 1) for part in posterior)
        z = self.vae.reparameterise(mu, log_var, generator)
        logits = self.vae.decode(z[: len(x) * self.digits.draws])
        if self.digits.warps:  # these teach the encoder alone
            fixed = {name: value.detach() for name, value in self.vae.decoder.named_parameters()}
            warped = torch.func.functional_call(self.vae.decoder, fixed, z[len(x) :])
            logits = torch.cat([logits, warped])
        return Output(logits, z, mu, log_var)

    def loss(self, output: Output, x: Tensor, beta: float) -> LossTerms:
        """The mean of an image's ELBO and its copy's, or the recipe's own loss."""
        if not self.digits.warps:
            return self.digits.make_loss()(output, x, beta)
        terms = negative_elbo(output.logits, self.seen, output.mu, output.log_var, beta)
        return LossTerms(*(term.view(2, -1).mean(0) for term in terms))


DIGITS = {
    name: digits
    for group in (EXPERIMENT, COLD, WARM, RIVALS, ACCIDENTS, BURDA)
    for first, one in group.items()
    for name, digits in one.seeds(first).items()
} | {
    "vae-mnist-20d": Digits(
        Architecture(latent_dim=20, decoder="conv", decoder_hidden=(64, 48)),
        Config(epochs=50, batch_size=128, lr=3e-3),
    ),
    **TAUGHT,
    **LATENTS,
    **BRIEF,
    **CROWDS,
}
for name in BURDA:  # log p(x) by 5,000 draws: of seed 0 of all test images, of the others of 2,500
    for seed, count in zip(SEEDS, (10_000, 2500, 2500), strict=True):
        each = numbered(name, seed)
        DIGITS[each] = replace(DIGITS[each], scored=(count, 5000))
# Only these ship. Of the others the package has what they score.
SHIPPED = {*EXPERIMENT, *COLD, "vae-mnist-20d", *BURDA, "taught-2d"}
JUDGE = {
    "epochs": 10, "batch_size": 128, "lr": 2e-3, "seed": 0,
    "spoiled": 0.3, "blur": 1.5, "shift": 2,
}  # fmt: skip

# Chapter 10: one network for the drawn faces.
FACE = Architecture(
    latent_dim=32, encoder="conv", decoder="conv", encoder_hidden=(32, 64, 96, 128),
    decoder_hidden=(128, 96, 48, 32), decoder_dense=(128,), image_shape=(3, 64, 64),
)  # fmt: skip
TRAINING_FACES, HELD_OUT_FACES = 20_000, 2_000  # the first so many of seed 0, and the next
# Small batches: a face is a few parts that are there or not, and many small steps find them.
FACES = {"vae-avatars": (Config(epochs=24, batch_size=32, lr=1.5e-3), 0.3, TRAINING_FACES)}
FACE_JUDGE = {
    "epochs": 5, "batch_size": 128, "lr": 2e-3, "seed": 0,
    "spoiled": 0.3, "blur": 1.0, "shift": 0,
}  # fmt: skip
FACE_NETWORK = {"image_shape": (3, 64, 64), "outputs": len(avatars.NAMES)}
# A second one, of another seed and build: what one judge helped to choose, the other reports.
FACE_JUDGES = {
    "judge-avatars": (FACE_JUDGE, {"channels": (32, 64, 96)}),
    "judge-avatars-2": ({**FACE_JUDGE, "seed": 1}, {"channels": (24, 48, 64)}),
}

# Chapter 12: flows from noise to the codes of a VAE that is trained.
FLOW = {"depth": 4, "batch_size": 512, "lr": 2e-3, "average": 0.998, "untold": 0.3, "seed": 0}
FLOWS = {
    "flow-avatars": ("vae-avatars", {**FLOW, "attributes": 7, "width": 384, "steps": 12_000}),
    "flow-mnist-20d": ("vae-mnist-20d", {**FLOW, "attributes": 0, "width": 256, "steps": 6000}),
}


def targets() -> dict[str, dict]:
    """Name -> recipe: all that decides the weights, as plain data. Not ``scored``: after a change
    of it, ``train_weights.py --score``; nor ``curve``, which is noted while training."""
    source = {"data": "MNIST, 60,000 training images", "md5": data.MNIST_MD5}
    recipes = {"judge-mnist": {**source, "judge": JUDGE}}
    for name, digits in DIGITS.items():
        recipes[name] = {
            **source,
            "architecture": digits.architecture.asdict(),
            "config": asdict(digits.config),
            "loss": digits.loss,
        }
        if digits.start:
            recipes[name]["start"] = recipe_hash(recipes[digits.start])
        for field in ("images", "tossed", "average", "warps"):
            if value := getattr(digits, field):
                recipes[name][field] = value
        if digits.draws > 1:
            recipes[name]["draws"] = digits.draws
    source = {"data": "vaelib.avatars, faces from 0 of seed 0", "drawn_by": avatars.recipe()}
    for name, (judge, build) in FACE_JUDGES.items():
        recipes[name] = {
            **source,
            "faces": TRAINING_FACES,
            "judge": judge,
            "network": FACE_NETWORK | build,
        }
    for name, (config, sigma, count) in FACES.items():
        recipes[name] = {
            **source,
            "faces": count,
            "architecture": FACE.asdict(),
            "config": asdict(config),
            "loss": "Gaussian decoder of one sigma for all pixels + beta * KL, z sampled",
            "sigma": sigma,
        }
    for name, (vae, arguments) in FLOWS.items():
        start = {"vae": vae, "start": recipe_hash(recipes[vae]), "training": arguments}
        of = {key: recipes[vae][key] for key in ("data", "md5", "drawn_by") if key in recipes[vae]}
        recipes[name] = of | start
    return json.loads(json.dumps(recipes))  # tuples become lists, as they do in a file


def recipe_hash(recipe: dict) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
