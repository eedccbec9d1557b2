"""The terms of a VAE's loss. Each function returns one number per image, in nats.

Nothing here averages over the batch: only the training loop does (and only it may choose to).
Nothing here knows a model. `log` is the natural logarithm. Derived in chapters 3 and 4.

Shapes: N images, C channels, H x W pixels, K latents.
"""

from math import log, pi
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class LossTerms(NamedTuple):
    """What a training step minimises, and what it is made of; each (N,), in nats.

    loss: the quantity minimised. reconstruction: the decoder's part, -log p(x|z).
    kl: KL(q(z|x) || p(z)), zero for a model without a posterior.
    """

    loss: Tensor
    reconstruction: Tensor
    kl: Tensor


def kl_divergence(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mu, sigma^2) || N(0, 1)) summed over the latents: (N, K), (N, K) -> (N,), nats.

    ``log_var`` is log(sigma^2), not log(sigma). Zero only at mu = 0, log_var = 0.
    Raises ValueError if the shapes differ or are not (N, K).
    Derived in chapter 3; Kingma and Welling 2014, appendix B.
    """
    if mu.shape != log_var.shape or mu.dim() != 2:
        raise ValueError(
            f"mu and log_var are both (N, K); got {tuple(mu.shape)} and {tuple(log_var.shape)}. "
            "For a single image add the first axis: mu[None]."
        )
    return -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(dim=1)


def bernoulli_nll(logits: Tensor, x: Tensor) -> Tensor:
    """-log p(x|z) of a Bernoulli decoder, summed over pixels: (N, ...) -> (N,), nats.

    ``logits`` are log-odds, before any sigmoid; ``x`` is in [0, 1]. For x that is 0 or 1 this is
    a likelihood; for grey pixels it is the cross-entropy that most published VAEs report, whose
    minimum is above zero (chapter 4). Raises ValueError for x outside [0, 1] or not a number.
    """
    _check(logits, x)
    low, high = x.detach().aminmax()
    if not (low >= 0 and high <= 1):  # written so that NaN fails too
        raise ValueError(
            f"pixels of x must lie in [0, 1]; they run from {low:.4g} to {high:.4g}. "
            "Divide 8-bit pixels by 255, and look for NaN if you see one here."
        )
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


def gaussian_nll(mean: Tensor, x: Tensor, sigma: float = 1.0) -> Tensor:
    """-log p(x|z) of a Gaussian decoder of fixed standard deviation: (N, ...) -> (N,), nats.

    ``mean`` is the decoded picture (after any sigmoid). The constant is kept, so the values for
    two sigmas can be compared. Source: chapter 4.
    """
    _check(mean, x)
    if not sigma > 0:
        raise ValueError(f"sigma is a standard deviation, above 0; got {sigma}")
    squares = ((x - mean) ** 2).flatten(1)
    constant = squares.shape[1] * (log(sigma) + log(2 * pi) / 2)
    return squares.sum(1) / (2 * sigma**2) + constant


def mean_squared_error(mean: Tensor, x: Tensor, r_loss_factor: float = 1.0) -> Tensor:
    """``r_loss_factor`` times the mean of squares over pixels: (N, ...) -> (N,).

    Not in nats by itself: with D pixels it equals ``gaussian_nll`` less its constant at
    sigma^2 = D / (2 * r_loss_factor). This is the loss the seed of this book called RMSE.
    """
    _check(mean, x)
    return r_loss_factor * ((x - mean) ** 2).flatten(1).mean(1)


def root_mean_squared_error(mean: Tensor, x: Tensor, r_loss_factor: float = 1.0) -> Tensor:
    """``r_loss_factor`` times the root of each image's mean of squares: (N, ...) -> (N,).

    Not in nats: no density factorising over pixels has this logarithm (chapter 4). The gradient
    of the root is infinite at a perfect picture, hence the tiny floor under it.
    """
    return r_loss_factor * (mean_squared_error(mean, x) + 1e-12).sqrt()


def negative_elbo(
    logits: Tensor,
    x: Tensor,
    mu: Tensor,
    log_var: Tensor | None,
    beta: float = 1.0,
    reconstruction=bernoulli_nll,
) -> LossTerms:
    """reconstruction + beta * KL, one number per image, in nats.

    beta = 1 is the negative evidence lower bound; another beta weights the KL (Higgins et al.
    2017). ``log_var`` is None for an autoencoder: it has no posterior, and its KL is 0.
    ``reconstruction(logits, x)`` is any term of this module. Derived in chapter 3.
    """
    nll = reconstruction(logits, x)
    kl = torch.zeros_like(nll) if log_var is None else kl_divergence(mu, log_var)
    # beta = 0 leaves the KL out altogether: 0 * inf would poison the loss once sigma nears 0.
    loss = nll + beta * kl if beta else nll
    return LossTerms(loss, nll, kl)


def elbo(logits: Tensor, x: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
    """The evidence lower bound of a Bernoulli decoder, (N,), nats: below log p(x) on average.

    One sample of z per image: ``logits`` decode a z drawn from N(mu, sigma^2).
    """
    return -negative_elbo(logits, x, mu, log_var).loss


def log_normal(z: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
    """log N(z; mu, exp(log_var)) summed over the latents: (..., N, K) -> (..., N), nats."""
    return -0.5 * (log(2 * pi) + log_var + (z - mu) ** 2 / log_var.exp()).sum(-1)


def iwae(log_weights: Tensor) -> Tensor:
    """Importance-weighted bound: log-weights (S, N) of S samples -> (N,), nats.

    A log-weight is log p(x|z) + log p(z) - log q(z|x) for z drawn from q(z|x). With S = 1 it is a
    one-sample ELBO; it rises on average with S towards log p(x).
    Source: Burda, Grosse and Salakhutdinov 2016, equation 8.
    """
    if log_weights.dim() != 2:
        raise ValueError(f"log_weights is (samples, N), got {tuple(log_weights.shape)}")
    return torch.logsumexp(log_weights, dim=0) - log(len(log_weights))


def _check(prediction: Tensor, x: Tensor):
    if prediction.shape != x.shape:
        raise ValueError(
            f"prediction and x must have one shape; got {tuple(prediction.shape)} and "
            f"{tuple(x.shape)}. Images are (N, C, H, W): is the channel axis missing?"
        )
