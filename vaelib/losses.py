"""The terms of a VAE's loss. Each function returns one number per image, in nats.

Nothing here averages over the batch: only the training loop does (and only it may choose to).
Nothing here knows a model. `log` is the natural logarithm. Derived in chapters 5 to 7.

Shapes: N images, C channels, H x W pixels, K latents.
"""

from math import log, pi
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vaelib.images import above_0, at_least_0


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
    Derived in chapter 5; Kingma and Welling 2014, appendix B.
    """
    if mu.shape != log_var.shape or mu.dim() != 2:
        raise ValueError(
            f"mu and log_var are both (N, K); got {tuple(mu.shape)} and {tuple(log_var.shape)}. "
            "For a single image add the first axis: mu[None]."
        )
    mu, log_var = _single(mu), _single(log_var)
    return -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(dim=1)


def kl_parts(mu: Tensor, log_var: Tensor) -> tuple[Tensor, Tensor]:
    """The two prices in the KL, (N,) each, nats: mu^2 / 2, and (sigma^2 - 1 - log sigma^2) / 2.

    The first is for being far from 0, the second for a sigma other than 1; neither is below 0, and
    together they are :func:`kl_divergence`. Chapter 4 charges them one at a time.
    """
    mu, log_var = _single(mu), _single(log_var)
    return mu.square().sum(1) / 2, (log_var.exp() - 1 - log_var).sum(1) / 2


def bernoulli_nll(logits: Tensor, x: Tensor) -> Tensor:
    """-log p(x|z) of a Bernoulli decoder, summed over pixels: (N, ...) -> (N,), nats.

    ``logits`` are log-odds, before any sigmoid; ``x`` is in [0, 1]. For x that is 0 or 1 this is
    a likelihood; for grey pixels it is the cross-entropy that most published VAEs report, whose
    minimum is above zero (chapter 7). Raises ValueError for x outside [0, 1] or not a number.
    """
    logits, x = _check(logits, x)
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
    two sigmas can be compared. Source: chapter 7.
    """
    mean, x = _check(mean, x)
    above_0(sigma=sigma)
    squares = ((x - mean) ** 2).flatten(1)
    constant = squares.shape[1] * (log(sigma) + log(2 * pi) / 2)
    return squares.sum(1) / (2 * sigma**2) + constant


def mean_squared_error(mean: Tensor, x: Tensor, r_loss_factor: float = 1.0) -> Tensor:
    """``r_loss_factor`` times the mean of squares over pixels: (N, ...) -> (N,).

    Not in nats by itself: with D pixels it equals ``gaussian_nll`` less its constant at
    sigma^2 = D / (2 * r_loss_factor). This is the loss the seed of this book called RMSE.
    """
    mean, x = _check(mean, x)
    return r_loss_factor * ((x - mean) ** 2).flatten(1).mean(1)


def root_mean_squared_error(mean: Tensor, x: Tensor, r_loss_factor: float = 1.0) -> Tensor:
    """``r_loss_factor`` times the root of each image's mean of squares: (N, ...) -> (N,).

    Not in nats: no density factorising over pixels has this logarithm (chapter 7). The gradient
    of the root is infinite at a perfect picture, hence the tiny floor under it.
    """
    return r_loss_factor * (mean_squared_error(mean, x) + 1e-12).sqrt()


def continuous_bernoulli_nll(logits: Tensor, x: Tensor) -> Tensor:
    """-log p(x|z) of a continuous Bernoulli decoder: (N, ...) -> (N,), nats.

    A density on [0, 1] whose logarithm is the cross-entropy's plus the constant that makes it
    integrate to one, logits / tanh(logits / 2). Being a density it may exceed 1, so this may be
    below 0. Its mean is not sigmoid(logits). Source: Loaiza-Ganem and Cunningham 2019; chapter 7.
    """
    logits, x = _check(logits, x)
    size = logits.abs().clamp_min(1e-2)  # 0 / 0 at 0, where the series takes over
    log_constant = torch.where(
        logits.abs() < 1e-2, log(2) + logits**2 / 12, (size / (size / 2).tanh()).log()
    )
    return bernoulli_nll(logits, x) - log_constant.flatten(1).sum(1)


# Negative log-likelihood over the sum of each error at scale 1, and the power of 1 / scale in it.
_NATS_PER_ERROR = {
    "squared error": (1 / 2, 2),  # Gaussian, scale sigma: 1 / (2 sigma^2)
    "absolute error": (1.0, 1),  # Laplace, scale b: 1 / b
    "cross-entropy": (1.0, 0),  # Bernoulli, for pixels that are 0 or 1
    "continuous Bernoulli": (1.0, 0),
    "RMSE per image": None,  # depends on the residual
}


def effective_beta(
    error: str, pixels: int, *, reduction: str, r_loss_factor: float = 1.0,
    kl_weight: float = 1.0, latents_averaged: int = 1, scale: float = 1.0,
    rmse: float | None = None,
) -> float:  # fmt: skip
    """The weight of the KL once the reconstruction is a summed negative log-likelihood.

    The code in question minimises, per image,
    ``r_loss_factor * reduction(error over pixels) + kl_weight * KL``. Divided by whatever turns its
    first term into -log p(x|z), that is -log p(x|z) + beta * KL plus a constant; this is beta.

    error: "squared error" (a Gaussian decoder of standard deviation ``scale``), "absolute error" (a
    Laplace decoder, b = ``scale``), "cross-entropy" (Bernoulli, a likelihood only for pixels that
    are 0 or 1), "continuous Bernoulli", or "RMSE per image". pixels: D = C * H * W, all channels.
    reduction: "sum" or "mean" over the pixels; the root already holds its own mean, so it takes
    "mean". latents_averaged: K where the code takes the mean of the KL over its K latents.

    "RMSE per image" is compared with the Gaussian by its gradient, which depends on how large the
    residual is, so it needs ``rmse``, the root of that image's mean squared error. (As a spherical
    density of its own its beta is kl_weight.) "RMSE per batch", one root over all images, is no sum
    over images and so no likelihood: it is refused. Raises ValueError for a setting without a beta.
    Source: chapter 7.
    """
    if error == "RMSE per batch":
        raise ValueError(
            "a root pooled over the batch is no sum over images, so it is no likelihood and has no "
            "beta: take the root of each image, or better the mean of squares."
        )
    if error not in _NATS_PER_ERROR:
        raise ValueError(f"error is one of {', '.join(_NATS_PER_ERROR)}; got {error!r}")
    if reduction not in ("sum", "mean"):
        raise ValueError(f"reduction is 'sum' or 'mean' over the pixels, got {reduction!r}")
    above_0(pixels=pixels, r_loss_factor=r_loss_factor, scale=scale)
    above_0(latents_averaged=latents_averaged)
    at_least_0(kl_weight=kl_weight)
    if error == "RMSE per image":
        if reduction != "mean" or rmse is None or not rmse > 0:
            raise ValueError(
                "the root of a mean has another beta for each residual: give reduction='mean' and "
                f"rmse above 0, the residual in question; got {reduction!r} and {rmse}"
            )
        # d(rmse) = d(sum of squares) / (2 D rmse), and the Gaussian has 1 / (2 scale^2).
        nats, weight = 1 / (2 * scale**2), r_loss_factor / (2 * pixels * rmse)
    else:
        nats, power = _NATS_PER_ERROR[error]
        if scale != 1 and not power:
            raise ValueError(f"{error} has no scale, got {scale}")
        nats /= scale**power
        weight = r_loss_factor / (pixels if reduction == "mean" else 1)
    return kl_weight / latents_averaged * nats / weight


def negative_elbo(
    logits: Tensor, x: Tensor, mu: Tensor, log_var: Tensor | None, beta: float = 1.0,
    reconstruction=bernoulli_nll,
) -> LossTerms:  # fmt: skip
    """reconstruction + beta * KL, one number per image, in nats.

    beta = 1 is the negative evidence lower bound; another beta weights the KL (Higgins et al.
    2017). ``log_var`` is None for an autoencoder: it has no posterior, and its KL is 0.
    ``reconstruction(logits, x)`` is any term of this module. Derived in chapter 6.
    """
    at_least_0(beta=beta)
    nll = reconstruction(logits, x)
    kl = torch.zeros_like(nll) if log_var is None else kl_divergence(mu, log_var)
    # beta = 0 leaves the KL out altogether: 0 * inf would poison the loss once sigma nears 0.
    loss = nll + beta * kl if beta else nll
    return LossTerms(loss, nll, kl)


def elbo(logits: Tensor, x: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
    """The evidence lower bound of a Bernoulli decoder, (N,), nats: below log p(x) on average.
    One sample of z per image: ``logits`` decode a z drawn from N(mu, sigma^2)."""
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


def _single(part: Tensor) -> Tensor:
    """In float32 at least: in bfloat16 a small KL is nothing, and a sum off by whole nats."""
    return part.to(torch.promote_types(part.dtype, torch.float32))


def _check(prediction: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    came = [tuple(part.shape) if isinstance(part, Tensor) else part for part in (prediction, x)]
    if came[0] != came[1]:
        raise ValueError(
            f"prediction and x must have one shape; got {came[0]} and {came[1]}. Images are "
            "(N, C, H, W): is the channel axis missing?"
        )
    return _single(prediction), _single(x)
