"""Mistakes found in published VAEs, each as a formula that stands where the right one belongs.

The one list of them: the checkers of :mod:`vaelib.exercises` know wrong answers by it, and a page
can show each by its name. ``MISTAKES["mean over pixels"].loss`` is a loss that
:func:`vaelib.training.fit` takes; a mistake in the sampling goes into the model instead, by
``MISTAKES["variance as sigma"].model(vae)``. Each symptom was seen beside the right loss, on two
seeds: 512 images of MNIST, 2 latents, 16 hidden units, beta 1 (50 for latents out of use).
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass

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


_LIST = (
    Mistake("mean over pixels", "reconstruction",
        lambda logits, x: bernoulli_nll(logits, x) / x[0].numel(),
        "The loss is averaged over the pixels.", "Does a larger picture cost no more?",
        "y0ast/VAE-Torch, issue 11; keras-team/keras, pull request 3383 (mended)",
        "The KL falls to 0, and every image is decoded to the average of all.",
    ),
    Mistake("sum over the batch", "reconstruction",
        lambda logits, x: bernoulli_nll(logits, x).sum(),
        "The loss is summed over the batch.", "Of how many images is one loss?",
        "SeldonIO/alibi-detect, issue 90; an early holodecml/vae/losses.py of NCAR/holodec-ml",
        "The loss grows with the batch; beta is 1 / batch size, so sigma shrinks and the KL grows.",
    ),
    Mistake("sigmoid twice", "reconstruction",
        lambda logits, x: bernoulli_nll(logits.sigmoid(), x),
        "The logits went through a sigmoid twice.", "Does your function already take logits?",
        "facebookresearch/fvcore, issue 126; avBuffer/UNet3plus_pth, issue 23",
        "The loss stops at about 500 nats or above, where the average of all digits costs 206.",
    ),
    Mistake("pixels up to 255", "reconstruction",
        lambda logits, x: bernoulli_nll(logits, x) - 254 * (logits * x).flatten(1).sum(1),
        "The pixels run to 255.", "Can a probability be 200, or a cross-entropy below 0?",
        "Lasagne/Recipes, issue 54; mlpack/mlpack, issue 3601",
        "The loss falls below 0 and goes on falling, by millions.",
    ),
    Mistake("sigma for sigma squared", "kl", _kl(lambda var, log_var: var.sqrt() - log_var),
        "Sigma stands where sigma squared belongs.", "What is exp(log_var): sigma or its square?",
        "DaehanKim/vgae_pytorch, issue 2 (mended)",
        "A latent that is not used goes to sigma 2, and its KL is reported below 0; else not much.",
    ),
    Mistake("sigma for sigma squared, twice", "kl",
        _kl(lambda var, log_var: var.sqrt() - log_var / 2),
        "Sigma stands where sigma squared belongs, twice.",
        "What is half of log_var the logarithm of?",
        "MIT 6.S191, text of lab 2; pyg-team/pytorch_geometric, pull request 1368 (mended)",
        "Sigma is over a third smaller; the KL reported is 1.5 to 2 nats below the one there is.",
    ),
    Mistake("sign of the KL", "kl", lambda mu, log_var: -kl_divergence(mu, log_var),
        "This is the KL with its sign turned round.", "Can a divergence be negative?",
        "asked for in pytorch/examples, issue 824; reported so in AntixK/PyTorch-VAE, issue 68",
        "The loss falls below 0 and goes on falling, by millions; the codes fly apart.",
    ),
    Mistake("mean over the latents", "kl",
        lambda mu, log_var: kl_divergence(mu, log_var) / mu.shape[1],
        "The KL is averaged over the latents.", "Do two independent parts cost as much as one?",
        "blog.keras.io, Building autoencoders in Keras; keras-team/keras-io, issue 270",
        "beta is 1 / K: sigma shrinks, and the KL that there is grows; a K-th of it is reported.",
    ),
    Mistake("log variance as sigma", "sample", lambda mu, log_var, epsilon: mu + log_var * epsilon,
        "The spread is log_var itself.", "What does the encoder's second output mean?",
        "proposed in twairball/keras_lstm_vae, issue 1",
        "log_var goes to 0: no noise, and no price for it; sampled rightly, the codes are useless.",
    ),
    Mistake("variance as sigma", "sample",
        lambda mu, log_var, epsilon: mu + log_var.exp() * epsilon,
        "The spread is the variance.", "Which has the units of z: sigma or sigma squared?",
        "MIT 6.S191, PyTorch part of lab 2; keras-team/keras, pull request 9972",
        "Codes spread by exp(log_var), a third less; the KL is that of the wider exp(log_var / 2).",
    ),
    Mistake("one epsilon for the batch", "sample",
        lambda mu, log_var, epsilon: mu + (log_var / 2).exp() * epsilon[:1],
        "Every image of the batch was given the same epsilon.",
        "How many numbers does a batch of N codes with K latents need?",
        "keras-team/keras, pull request 7036, where the reviewer saw it",
        "The loss of 32 images jumps four times as far from draw to draw; training is slower.",
    ),
    Mistake("no sampling at evaluation", "sample", lambda mu, log_var, epsilon: mu,
        "This is mu: the code is still a point.", "Where is epsilon?",
        "pytorch/examples, pull request 419, by Kingma: not the ELBO (mended)",
        "The loss reported is about a nat lower, and no longer a bound.", afterwards=True),
    Mistake("no sigmoid", "picture", lambda logits: logits,
        "There is no sigmoid: logits were taken for pixels.", "Between what is a logit?",
        "FluxML/model-zoo, pull request 289 (mended)",
        "Nine of ten pixels lie outside [0, 1]: a picture nearly without grey.", afterwards=True),
)  # fmt: skip
MISTAKES = {mistake.name: mistake for mistake in _LIST}
