"""How probable a model finds images that it has not seen: log p(x) by importance sampling.

Chapter 11. Only for a decoder whose p(x|z) is a probability: Bernoulli, and pixels that are 0 or 1.

Shapes: N images, C channels, H x W pixels, K latents, k draws of z for each image.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vaelib.images import above_0, whole
from vaelib.losses import bernoulli_nll, iwae, log_normal, negative_elbo
from vaelib.models import VAE, Gaussian, taking


class Likelihood(NamedTuple):
    """``log_p`` (N,): each image's estimate in nats; ``mean`` of them and ``error``, its standard
    error over images; ``effective`` (N,): how many equal weights the k would be worth, 1 to k."""

    log_p: Tensor
    mean: float
    error: float
    effective: Tensor


def toss(x: Tensor, seed: int = 0) -> Tensor:
    """Binary images: each pixel is 1 with its grey value as the probability, (N, C, H, W)."""
    generator = torch.Generator(x.device).manual_seed(seed)
    return (torch.rand(x.shape, generator=generator, device=x.device) < x).float()


def log_weights(
    model: nn.Module, x: Tensor, k: int, seed: int = 0, batch_size: int = 500, q: Gaussian = None
) -> Tensor:
    """log p(x|z) + log p(z) - log q(z|x) of k draws z from q(z|x) for each image: (k, N), nats.

    Each image has its own generator, so neither ``batch_size`` (codes decoded at once) nor the
    images after it change its draws. q: another posterior than the encoder's.
    Raises ValueError for pixels between 0 and 1, whose cross-entropy is no likelihood.
    """
    return torch.stack(list(_each(model, x, k, seed, batch_size, q)), 1)


def log_likelihood(
    model: nn.Module, x: Tensor, k: int = 5000, seed: int = 0, batch_size: int = 500
) -> Likelihood:
    """log p(x) of binary images by k importance samples each, in nats; on average a lower bound.

    It is :func:`vaelib.losses.iwae` of :func:`log_weights`, which says what is refused and drawn.
    Source: Burda, Grosse and Salakhutdinov 2016, equation 8 and section 5.
    """
    parts = []
    for log_w in _each(model, x, k, seed, batch_size):  # (k, N) weights need not be kept
        log_w = log_w.double()[:, None]
        parts.append(torch.cat([iwae(log_w), effective_draws(log_w)]))
    log_p, effective = torch.stack(parts, 1)
    error = (log_p.var() / len(log_p)).sqrt().item()
    return Likelihood(log_p, log_p.mean().item(), error, effective)


@torch.no_grad()
def _each(model, x, k, seed, batch_size, q=None) -> Iterator[Tensor]:
    """The k log-weights of one image after another."""
    whole(1, k=k, batch_size=batch_size)
    if not isinstance(model, VAE):
        raise TypeError(f"only a VAE has a posterior q(z|x); got {model!r:.60}")
    with taking(model, x):
        q = q or model.encode(x)
    if (grey := (x != 0) & (x != 1)).any():
        raise ValueError(
            f"{grey.double().mean():.1%} of the pixels lie between 0 and 1, where the Bernoulli "
            "decoder's cross-entropy is no probability: toss them first, evaluation.toss(x)."
        )
    zero = torch.zeros((), device=x.device)
    for i, (one, mu, log_var) in enumerate(zip(x, *q)):
        generator = torch.Generator().manual_seed(1_000_003 * seed + i)
        epsilon = torch.randn(k, len(mu), generator=generator).to(x.device)
        z = mu + (log_var / 2).exp() * epsilon
        log_p = torch.cat([-bernoulli_nll(model.decode(part), one.expand(len(part), *one.shape))
                           for part in z.split(batch_size)])  # fmt: skip
        yield log_p + log_normal(z, zero, zero) - log_normal(z, mu, log_var)


def effective_draws(log_w: Tensor) -> Tensor:
    """(sum of w)^2 / sum of w^2 over the k draws: (k, N) -> (N,), from 1 to k."""
    return (2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp()


def refine(
    model: nn.Module, x: Tensor, start: Gaussian = None,
    steps: int = 300, draws: int = 16, lr: float = 0.05, seed: int = 0,
) -> Gaussian:  # fmt: skip
    """The encoder's q(z|x), or ``start``, made better for each image by a climb on its own ELBO.

    The decoder stays as it is. What the bound gains is the amortisation gap, or as much of it as a
    climb from there finds (Cremer, Li and Duvenaud 2018). Pixels may be grey.
    """
    whole(1, steps=steps, draws=draws)
    above_0(lr=lr)
    generator = torch.Generator(x.device).manual_seed(seed)
    q = [part.detach().clone().requires_grad_() for part in start or model.encode(x)]
    optimiser = torch.optim.Adam(q, lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    repeated = x.repeat(draws, 1, 1, 1)
    for _ in range(steps):
        mu, log_var = (part.repeat(draws, 1) for part in q)
        z = model.reparameterise(mu, log_var, generator)
        loss = negative_elbo(model.decode(z), repeated, mu, log_var).loss.sum() / draws
        for part, gradient in zip(q, torch.autograd.grad(loss, q)):
            part.grad = gradient
        optimiser.step()
        schedule.step()
    return Gaussian(*(part.detach() for part in q))
