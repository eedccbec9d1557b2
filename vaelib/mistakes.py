"""Mistakes found in published code, each as a formula that stands where the right one belongs.

The one list of them: the checkers of :mod:`vaelib.exercises` know wrong answers by it, and a page
can show each by its name. ``MISTAKES["mean over pixels"].loss`` is a loss that
:func:`vaelib.training.fit` takes; a mistake in the sampling goes into the model instead, by
``MISTAKES["variance as sigma"].model(vae)``. Each symptom was seen beside the right loss, on two
seeds: 512 images of MNIST, 2 latents, 16 hidden units, beta 1 (50 for latents out of use).
"""

import json
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vaelib.losses import LossTerms, bernoulli_nll, kl_divergence
from vaelib.models import VAE, Output

# The places of a VAE where these mistakes sit, and what belongs there.
RIGHT = {
    "reconstruction": bernoulli_nll,  # (logits, x) -> (N,)
    "kl": kl_divergence,  # (mu, log_var) -> (N,)
    "sample": lambda mu, log_var, epsilon: mu + (log_var / 2).exp() * epsilon,
    "picture": torch.sigmoid,  # logits -> pixels in [0, 1]
}


@dataclass(frozen=True)
class Mistake:
    """part: where it sits, a key of RIGHT; formula: what stands there, called like the right one.

    sentence, question: what a checker says. source: where it was published. symptom: what one sees.
    afterwards: training is right, and the mistake is in what is read off the trained model.
    """

    name: str
    part: str
    formula: Callable[..., Tensor]
    sentence: str
    question: str
    source: str
    symptom: str
    afterwards: bool = False

    def at(self, part: str) -> Callable[..., Tensor]:
        """What this program has at ``part``: its wrong formula, or else the right one."""
        return self.formula if part == self.part else RIGHT[part]

    def loss(self, output: Output, x: Tensor, beta: float) -> LossTerms:
        """What this program minimises, and what it reports as the two terms of it; (N,) each."""
        nll = self.at("reconstruction")(output.logits, x).expand(len(x))
        kl = self.at("kl")(output.mu, output.log_var)
        return LossTerms(nll + beta * kl, nll, kl)

    def model(self, vae: VAE) -> VAE:
        """``vae`` as this program samples it; encoder and decoder are the same objects."""

        def sample(mu, log_var, generator=None):
            zero = torch.zeros_like(mu)  # the very epsilon that the right model would draw
            return self.at("sample")(mu, log_var, vae.reparameterise(zero, zero, generator))

        wrong = copy(vae)
        wrong.reparameterise = sample
        return wrong


def _kl(body: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda mu, log_var: 0.5 * (mu**2 - 1 + body(log_var.exp(), log_var)).sum(1)


_FORMULAS = {
    "mean over pixels": lambda logits, x: bernoulli_nll(logits, x) / x[0].numel(),
    "sum over the batch": lambda logits, x: bernoulli_nll(logits, x).sum(),
    "sigmoid twice": lambda logits, x: bernoulli_nll(logits.sigmoid(), x),
    "pixels up to 255": lambda logits, x: (
        bernoulli_nll(logits, x) - 254 * (logits * x).sum((1, 2, 3))
    ),
    "sigma for sigma squared": _kl(lambda var, log_var: var.sqrt() - log_var),
    "sigma for sigma squared, twice": _kl(lambda var, log_var: var.sqrt() - log_var / 2),
    "sign of the KL": lambda mu, log_var: -kl_divergence(mu, log_var),
    "mean over the latents": lambda mu, log_var: kl_divergence(mu, log_var) / mu.shape[1],
    "log variance as sigma": lambda mu, log_var, epsilon: mu + log_var * epsilon,
    "variance as sigma": lambda mu, log_var, epsilon: mu + log_var.exp() * epsilon,
    "one epsilon for the batch": lambda mu, log_var, e: mu + (log_var / 2).exp() * e[:1],
    "no sampling at evaluation": lambda mu, log_var, epsilon: mu,
    "no sigmoid": lambda logits: logits,
}
_TEXTS = json.loads(Path(__file__).with_name("mistakes.json").read_text(encoding="utf-8"))
MISTAKES = {name: Mistake(name, formula=_FORMULAS[name], **told) for name, told in _TEXTS.items()}
