"""Every checker: right answers pass, typical wrong ones are named, stubs are left in peace."""

import json
import math
import re
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy
import pytest
import torch
from torch.distributions import Bernoulli, Beta, Laplace, Normal
from torch.distributions import kl_divergence as torch_kl
from torch.nn import functional as F

from vaelib import exercises, flow, latent, losses
from vaelib.mistakes import MISTAKES
from vaelib.models import seeded


def kl_between(mu_q, log_var_q, mu_p, log_var_p):
    return kl_divergence_sum(
        (mu_q - mu_p) / (log_var_p / 2).exp(), log_var_q - log_var_p
    )  # shifted and scaled so that p is the standard normal


def kl_divergence_sum(mu, log_var):
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(dim=-1)


def gaussian_sample(codes, epsilon):
    factor = torch.linalg.cholesky((codes - codes.mean(0)).T.cov())
    return codes.mean(0) + (factor @ epsilon.T).T


def slerp(start, end, t, angle=None):
    lengths = start.norm(dim=1, keepdim=True), end.norm(dim=1, keepdim=True)
    a, b = start / lengths[0], end / lengths[1]
    angle = torch.acos((a * b).sum(1, keepdim=True)) if angle is None else angle
    along = (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
    return ((1 - t) * lengths[0] + t * lengths[1]) * along


def between(start, end, t):
    return torch.lerp(start, end, t[:, None])


def laplace(mean, x, b):
    return ((x - mean).abs() / b).sum((1, 2, 3)) + mean[0].numel() * math.log(2 * b)


def sigma(log_var):
    return (log_var / 2).exp()


def per_pixel(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none")


def box_muller(u, mu, log_var):
    radius, angle = (-2 * u.log()).sqrt(), 2 * math.pi * torch.rand(u.shape)
    return mu + sigma(log_var) * radius * angle.cos()


def box_muller_by_halves(u, mu, log_var):
    first, second = u.chunk(2)
    radius, angle = (-2 * first.log()).sqrt(), 2 * math.pi * second
    return mu + sigma(log_var) * torch.cat([radius * angle.cos(), radius * angle.sin()])


def symmetric_root(codes, epsilon):
    values, vectors = torch.linalg.eigh(codes.T.cov())
    return codes.mean(0) + epsilon @ (vectors * values.sqrt()) @ vectors.T


def box_muller_epsilon(mu, log_var):
    u = 1 - torch.rand(2, *mu.shape)
    return mu + sigma(log_var) * (-2 * u[0].log()).sqrt() * (2 * math.pi * u[1]).cos()


def by_numpy(mu, log_var):
    epsilon = numpy.random.default_rng().standard_normal(mu.shape)
    return mu + sigma(log_var) * torch.from_numpy(epsilon)


def slerp_by_turning(start, end, t):
    """From start towards the part of end that stands at right angles to it."""
    a, b = F.normalize(start), F.normalize(end)
    cosine = (a * b).sum(1, keepdim=True)
    across = F.normalize(b - cosine * a)
    turn = t * cosine.clamp(-1, 1).acos()
    length = torch.lerp(start.norm(dim=1), end.norm(dim=1), t)
    return length[:, None] * (turn.cos() * a + turn.sin() * across)


def whites_slerp(start, end, t):
    """The form in White 2016: the codes themselves on the arc."""
    angle = (F.normalize(start) * F.normalize(end)).sum(1, keepdim=True).acos()
    return (((1 - t) * angle).sin() * start + (t * angle).sin() * end) / angle.sin()


def fixed_seed(mu, log_var):
    with seeded(3):
        return mu + sigma(log_var) * torch.randn(mu.shape)


def fixed_generator(mu, log_var):
    generator = torch.Generator().manual_seed(3)
    return mu + sigma(log_var) * torch.randn(mu.shape, generator=generator)


def halves(mu):
    """The second half of the images is given the epsilon of the first."""
    return torch.randn(-(-len(mu) // 2), mu.shape[1]).repeat(2, 1)[: len(mu)]


def signs(mu):
    return torch.where(torch.arange(mu.shape[1]) % 2 == 0, 1.0, -1.0)


def last_two_alike(mu):
    epsilon = torch.randn(mu.shape)
    return torch.cat([epsilon[:, :-1], epsilon[:, -2:-1]], dim=1)


def blended(mu, neighbour=1.0):
    """Each latent is N(0, 1), and a part of it is its neighbour."""
    epsilon = torch.randn(mu.shape)
    return (epsilon + neighbour * epsilon.roll(1, 1)) / (1 + neighbour**2) ** 0.5


def log_q(z, mu, log_var):
    return Normal(mu, sigma(log_var)).log_prob(z).sum(1)


def prior(z):
    return Normal(0.0, 1.0).log_prob(z).sum(1)


RIGHT = {
    "laplace_nll": [
        laplace,
        lambda mean, x, b: (
            ((x - mean).abs() / b + torch.log(2 * torch.as_tensor(b))).flatten(1).sum(1)
        ),
        lambda mean, x, b: -Laplace(mean, b).log_prob(x).sum((1, 2, 3)),
        lambda mean, x, b: (F.l1_loss(mean, x, reduction="none") / b + math.log(2 * b)).sum(
            (1, 2, 3)
        ),
    ],
    "normal_from_uniform": [
        lambda u, mu, log_var: mu + sigma(log_var) * 2**0.5 * torch.erfinv(2 * u - 1),
        lambda u, mu, log_var: mu + sigma(log_var) * torch.special.ndtri(u),
        lambda u, mu, log_var: mu + sigma(log_var) * torch.special.ndtri(1 - u),
        lambda u, mu, log_var: mu - sigma(log_var) * torch.special.ndtri(u),
        lambda u, mu, log_var: Normal(mu, sigma(log_var)).icdf(u),
        box_muller,
        box_muller_by_halves,
    ],
    "gaussian_sample": [
        gaussian_sample,
        lambda codes, epsilon: codes.mean(0) + epsilon @ torch.linalg.cholesky(codes.T.cov()).T,
        lambda codes, epsilon: (
            codes.mean(0) + epsilon @ torch.linalg.cholesky(codes.T.cov(correction=0)).T
        ),
        lambda codes, epsilon: (
            codes.mean(0) + epsilon @ torch.linalg.cholesky(codes.T.cov(), upper=True)
        ),
        symmetric_root,
        lambda codes, epsilon: torch.stack(
            [codes.mean(0) + torch.linalg.cholesky(codes.T.cov()) @ row for row in epsilon]
        ),
    ],
    "bernoulli_nll": [
        lambda logits, x: (F.softplus(logits) - x * logits).sum((1, 2, 3)),
        lambda logits, x: per_pixel(logits, x).flatten(1).sum(1),
        lambda logits, x: (
            -(x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)).sum((1, 2, 3))
        ),
        lambda logits, x: (logits.clamp_min(0) - x * logits + (-logits.abs()).exp().log1p()).sum(
            (1, 2, 3)
        ),
        lambda logits, x: -Bernoulli(logits=logits, validate_args=False).log_prob(x).sum((1, 2, 3)),
    ],
    "reparameterise": [
        lambda mu, log_var: mu + log_var.exp().sqrt() * torch.randn(mu.shape),
        lambda mu, log_var: mu + sigma(log_var) * torch.randn_like(mu),
        lambda mu, log_var: mu - sigma(log_var) * torch.randn_like(mu),
        lambda mu, log_var: Normal(mu, sigma(log_var)).rsample(),
        lambda mu, log_var: mu + sigma(log_var) * torch.randn(mu.T.shape).T,
        lambda mu, log_var: torch.addcmul(mu, sigma(log_var), torch.normal(0, 1, mu.shape)),
        box_muller_epsilon,
        by_numpy,
    ],
    "kl_divergence": [
        kl_divergence_sum,
        lambda mu, log_var: -0.5 * (1 + log_var - mu.pow(2) - log_var.exp()).sum(-1),
        lambda mu, log_var: torch_kl(Normal(mu, sigma(log_var)), Normal(0.0, 1.0)).sum(1),
        lambda mu, log_var: (
            (mu.norm(dim=1) ** 2 + (log_var.exp() - log_var).sum(1) - mu.shape[1]) / 2
        ),
        lambda mu, log_var: (sigma(log_var) ** 2 / 2 + mu**2 / 2 - 1 / 2 - log_var / 2).sum(1),
    ],
    "kl_between": [
        kl_between,
        lambda mq, lq, mp, lp: torch_kl(Normal(mq, sigma(lq)), Normal(mp, sigma(lp))).sum(1),
        lambda mq, lq, mp, lp: 0.5 * (lp - lq - 1 + (lq.exp() + (mq - mp) ** 2) / lp.exp()).sum(1),
        lambda mq, lq, mp, lp: (
            (lp - lq) / 2 + (lq.exp() + (mp - mq).square()) * (-lp).exp() / 2 - 0.5
        ).sum(1),
    ],
    "slerp": [
        slerp,
        slerp_by_turning,
        lambda start, end, t: latent.interpolate(start, end, 11, spherical=True)[round(10 * t)],
        lambda start, end, t: slerp(end, start, 1 - t),
    ],
    "feature_vector": [
        lambda mu, has: mu[has == 1].mean(0) - mu[has == 0].mean(0),
        lambda mu, has: mu[has].mean(0) - mu[~has].mean(0),
        lambda mu, has: has.float() @ mu / has.sum() - (~has).float() @ mu / (~has).sum(),
        lambda mu, has: mu[has].sum(0) / has.sum() - mu[~has].sum(0) / (len(has) - has.sum()),
        lambda mu, has: latent.feature_vector(mu, has),
    ],
    "log_weights": [
        lambda nll, z, mu, log_var: prior(z) - nll - log_q(z, mu, log_var),
        lambda nll, z, mu, log_var: (
            ((z - mu) ** 2 / log_var.exp() + log_var - z**2).sum(1) / 2 - nll
        ),
    ],
    "flow_matching_target": [
        lambda epsilon, z, t: torch.stack([torch.lerp(epsilon, z, t[:, None]), z - epsilon]),
        lambda epsilon, z, t: torch.stack([epsilon + (t * (z - epsilon).T).T, z - epsilon]),
    ],
    "midpoint_step": [
        lambda x, t, h, velocity: x + h * velocity(x + h / 2 * velocity(x, t), t + h / 2),
        lambda x, t, h, velocity: flow.way(lambda y, s: h * velocity(y, t + h * s), x, 1)[
            -1
        ],  # on a clock of its own
    ],
}
# Checker -> wrong answers, each with a part of the sentence that it must be told.


def heavy(shape) -> torch.Tensor:
    """Draws of mean 0 and variance 1, a few more of them far out than a normal variable has."""
    return torch.distributions.StudentT(16.0).sample(shape) * math.sqrt(14 / 16)


def light(shape) -> torch.Tensor:
    """The same with none beyond 2.3 standard deviations of the normal variable it was cut from."""
    ends = torch.special.ndtr(torch.tensor([-2.3, 2.3]))
    draws = torch.special.ndtri(torch.lerp(*ends, torch.rand(shape)))
    return draws / draws.std()


def of_values(n: int, shape) -> torch.Tensor:
    """The normal variable in n steps, each as probable: thousandths, of variance 1."""
    steps = torch.special.ndtri((torch.arange(n) + 0.5) / n)
    return (steps / steps.std()).round(decimals=3)[torch.randint(n, shape)]


def each_twice(mu):
    """Every epsilon is given to two images, wherever they are."""
    return torch.randn(len(mu) // 2, mu.shape[1]).repeat(2, 1)[torch.randperm(len(mu))]


def slightly_askew(shape) -> torch.Tensor:
    """Mean 0, variance 1 and as many draws far out as a normal variable has, but askew."""
    beta = Beta(2.5, 7.0)
    askew = (beta.sample(shape) - beta.mean) / beta.stddev
    return torch.where(torch.rand(shape) < 0.6, askew, torch.randn(shape))


def in_the_first_alone(mu, other):
    """A normal epsilon, but for the first latent's."""
    return torch.cat([other(mu[:, :1]), torch.randn(mu[:, 1:].shape)], dim=1)


def moved_by(mu, log_var, factor):
    """A right sample, and what reaches mu of a gradient is this times the right one."""
    return mu.detach() + factor * (mu - mu.detach()) + sigma(log_var) * torch.randn(mu.shape)


WRONG = {
    "flow_matching_target": [
        (lambda e, z, t: torch.stack([between(z, e, t), z - e]), "have changed places"),
        (lambda e, z, t: torch.stack([between(z, e, t), e - z]), "from the code to noise"),
        (lambda e, z, t: torch.stack([between(e, z, t), e - z]), "points back"),
        (lambda e, z, t: torch.stack([between(e, z, t), z - between(e, z, t)]), "that is left"),
        (lambda e, z, t: torch.stack([between(e, z, t), between(e, z, t) - e]), "has gone"),
        (lambda e, z, t: torch.stack([e, z - e]), "stays where the noise is"),
        (lambda e, z, t: torch.stack([between(e, z, t), z]), "the code itself"),
        (lambda e, z, t: torch.stack([z - e, between(e, z, t)]), "other order"),
        (lambda e, z, t: (between(e, z, t), z - e), "returned a tuple"),
    ],
    "midpoint_step": [
        (lambda x, t, h, v: x + h * v(x, t), "Euler's step"),
        (lambda x, t, h, v: x + h / 2 * v(x + h / 2 * v(x, t), t + h / 2), "half the step"),
        (lambda x, t, h, v: x + h * v(x + h / 2 * v(x, t), t), "the time of the start"),
        (lambda x, t, h, v: x + h * v(x, t + h / 2), "from the start"),
        (lambda x, t, h, v: x + h * v(x + h * v(x, t), t + h), "the end of the step"),
        (lambda x, t, h, v: x + h / 2 * (v(x, t) + v(x + h * v(x, t), t + h)), "Heun"),
        (lambda x, t, h, v: v(x + h / 2 * v(x, t), t + h / 2), "the velocity halfway"),
        (lambda x, t, h, v: x + 0.5 * v(x + 0.25 * v(x, t), t + 0.25), "should come from"),
        (
            lambda x, t, h, v: x + h / 2 * v(x, t) + h * v(x + h / 2 * v(x, t), t + h / 2),
            "step from halfway",
        ),
    ],
    "log_weights": [
        (lambda nll, z, mu, log_var: -nll - log_q(z, mu, log_var), "prior is missing"),
        (lambda nll, z, mu, log_var: prior(z) - nll, "q is missing"),
        (lambda nll, z, mu, log_var: log_q(z, mu, log_var) - nll - prior(z), "changed places"),
        (lambda nll, z, mu, log_var: prior(z) - nll + log_q(z, mu, log_var), "wrong sign"),
        (lambda nll, z, mu, log_var: prior(z) + nll - log_q(z, mu, log_var), "Which sign"),
        (lambda nll, z, mu, log_var: prior(z) - nll - log_q(z, mu, 2 * log_var), "log sigma."),
        (
            lambda nll, z, mu, log_var: prior(z) - nll - log_q(z, mu, log_var) - log_var.sum(1) / 2,
            "lost its 1 / sigma",
        ),
        (lambda nll, z, mu, log_var: -nll - losses.kl_divergence(mu, log_var), "mean of it over z"),
        (
            lambda nll, z, mu, log_var: (prior(z) - nll - log_q(z, mu, log_var)).exp(),
            "weight itself",
        ),
    ],
    "feature_vector": [
        (lambda mu, has: mu[~has].mean(0) - mu[has].mean(0), "points the other way"),
        (lambda mu, has: F.normalize(mu[has].mean(0) - mu[~has].mean(0), dim=0), "length is 1"),
        (lambda mu, has: mu[has].mean(0), "Where does one start from"),
        (lambda mu, has: mu[has].mean(0) - mu.mean(0), "the mean of everybody"),
        (lambda mu, has: mu[has].sum(0) - mu[~has].sum(0), "subtracted sums"),
        (lambda mu, has: mu[has].mean(1), "Over which axis"),
        (lambda mu, has: mu[has].mean() - mu[~has].mean(), "one number in all"),
        (
            lambda mu, has: (mu * has[:, None]).mean(0) - (mu * ~has[:, None]).mean(0),
            "zeros count in a mean",
        ),
        (lambda mu, has: mu[has].sum(0) / 3 - mu[~has].sum(0) / 5, "should come from"),
        (
            lambda mu, has: 8 * (mu[has].sum(0) / 3 - mu[~has].sum(0) / 5) / len(mu),
            "should come from",
        ),
        (lambda mu, has: mu[:8][has[:8]].mean(0) - mu[~has].mean(0), "should come from"),
        (lambda mu, has: mu[has].mean(0) + mu[~has].mean(0), "values are wrong"),
    ],
    "laplace_nll": [
        (lambda mean, x, b: (x - mean).abs().sum((1, 2, 3)) / b, "constant is missing"),
        (
            lambda mean, x, b: (x - mean).abs().sum((1, 2, 3)) / b + math.log(2 * b),
            "there once",
        ),
        (lambda mean, x, b: laplace(mean, x, b) - mean[0].numel() * math.log(2), "2 is missing"),
        (
            lambda mean, x, b: laplace(mean, x, b) - 2 * mean[0].numel() * math.log(2 * b),
            "wrong sign",
        ),
        (lambda mean, x, b: -laplace(mean, x, b), "or its negative"),
        (lambda mean, x, b: laplace(mean, x, b) / mean[0].numel(), "Which beta would that be"),
        (
            lambda mean, x, b: (
                (x - mean).abs().mean((1, 2, 3)) / b + mean[0].numel() * math.log(2 * b)
            ),
            "and the constant is not",
        ),
        (
            lambda mean, x, b: (
                (x - mean).abs().sum((1, 2, 3)) * b + mean[0].numel() * math.log(2 * b)
            ),
            "b multiplies",
        ),
        (lambda mean, x, b: losses.gaussian_nll(mean, x, b), "a Gaussian, with squares"),
        (
            lambda mean, x, b: (x - mean).sum((1, 2, 3)) / b + mean[0].numel() * math.log(2 * b),
            "kept their signs",
        ),
        (lambda mean, x, b: laplace(mean, x, b).sum(), "summed over the batch"),
        (lambda mean, x, b: laplace(mean, x, b).mean(), "averaged over the batch"),
        (lambda mean, x, b: (x - mean).abs() / b + math.log(2 * b), "one number per pixel"),
        (lambda mean, x, b: (x - mean).abs().sum((1, 2, 3)), "values are wrong"),
        (lambda mean, x, b: laplace(mean, x, 0.3), "should come from"),
        (
            lambda mean, x, b: (x - mean).abs().sum((1, 2, 3)) / b + 30 * math.log(2 * b),
            "should come from",
        ),
        (
            lambda mean, x, b: (x - mean).abs().sum((1, 2, 3)) / b + 30 * math.log(0.6),
            "should come from",
        ),
        (lambda mean, x, b: laplace(mean, x, b) + torch.log(b), "must be Tensor, not float"),
    ],
    "normal_from_uniform": [
        (lambda u, mu, log_var: mu + (log_var / 2).exp() * u, "uniform numbers went in"),
        (lambda u, mu, log_var: mu + (log_var / 2).exp() * torch.special.ndtr(u), "the CDF of u"),
        (lambda u, mu, log_var: mu + log_var.exp() * torch.special.ndtri(u), "is the variance"),
        (lambda u, mu, log_var: torch.special.ndtri(u), "N(0, 1)"),
        (lambda u, mu, log_var: mu + sigma(log_var) * (u - 0.5), "still uniform"),
        (lambda u, mu, log_var: mu + sigma(log_var) * 12**0.5 * (u - 0.5), "too few"),
        (lambda u, mu, log_var: mu + sigma(log_var) * torch.randn(mu.shape), "look at u"),
        (
            lambda u, mu, log_var: (
                mu + sigma(log_var) * torch.tensor(numpy.random.randn(*mu.shape))
            ),
            "Where does chance enter",
        ),
        (lambda u, mu, log_var: mu + sigma(log_var) * u.logit() * 3**0.5 / math.pi, "too many"),
        (lambda u, mu, log_var: mu + sigma(log_var) * (2 * u - 1).sign(), "only 2 different"),
        (lambda u, mu, log_var: sigma(log_var) * torch.special.ndtri(1 - u), "no mu in this"),
        (
            lambda u, mu, log_var: mu + sigma(log_var) * torch.special.ndtri(u[:, :1]),
            "All latents",
        ),
    ],
    "bernoulli_nll": [
        (lambda logits, x: F.binary_cross_entropy_with_logits(logits, x), "pixels and over images"),
        (
            lambda logits, x: F.binary_cross_entropy_with_logits(
                logits.sigmoid(), x, reduction="none"
            ).sum((1, 2, 3)),
            "sigmoid twice",
        ),
        (
            lambda logits, x: F.binary_cross_entropy_with_logits(logits, x, reduction="sum"),
            "summed over the batch",
        ),
        (
            lambda logits, x: F.binary_cross_entropy_with_logits(logits, x, reduction="none"),
            "one number per pixel",
        ),
        (
            lambda logits, x: F.binary_cross_entropy_with_logits(logits, x, reduction="none").mean(
                (1, 2, 3)
            ),
            "averaged over the pixels",
        ),
        (lambda logits, x: -losses.bernoulli_nll(logits, x), "or its negative"),
        (lambda logits, x: ((logits.sigmoid() - x) ** 2).sum((1, 2, 3)), "values are wrong"),
        (
            lambda logits, x: (
                -(x * logits.sigmoid().log() + (1 - x) * (1 - logits.sigmoid()).log())
            ).sum((1, 2, 3)),
            "at logits of 200",
        ),
        (
            lambda logits, x: F.binary_cross_entropy(logits.sigmoid(), x, reduction="none").sum(
                (1, 2, 3)
            ),
            "at logits of 200",
        ),
        (
            lambda logits, x: per_pixel(logits.sigmoid().clamp(1e-7, 1 - 1e-7).logit(), x).sum(
                (1, 2, 3)
            ),
            "at logits of 200",
        ),
        (
            lambda logits, x: (logits.exp().log1p() - x * logits).sum((1, 2, 3)),
            "at logits of 200",
        ),
        (lambda logits, x: logits.flatten(1)[:, 0].log() * torch.nan, "not a number"),
        (
            lambda logits, x: per_pixel(logits, x).sum((1, 2, 3)).mean(),
            "averaged over the batch",
        ),
        (
            lambda logits, x: (logits + (-logits).exp().log1p() - x * logits).sum((1, 2, 3)),
            "at logits of 200",
        ),
        (lambda logits, x: 30 * per_pixel(logits, x).mean((1, 2, 3)), "should come from"),
        (lambda logits, x: 4 * per_pixel(logits, x).mean(0).sum() * torch.ones(4), "wrong"),
        (lambda logits, x: per_pixel(logits, x.round()).sum((1, 2, 3)), "values are wrong"),
        (
            lambda logits, x: -(x * logits.log() + (1 - x) * (1 - logits).log()).sum((1, 2, 3)),
            "no sigmoid",
        ),
    ],
    "gaussian_sample": [
        (lambda codes, epsilon: gaussian_sample(codes, epsilon) - codes.mean(0), "mean is missing"),
        (lambda codes, epsilon: codes.mean(0) + epsilon @ codes.T.cov(), "by the covariance"),
        (
            lambda codes, epsilon: codes.mean(0) + epsilon @ torch.linalg.cholesky(codes.T.cov()),
            "transposed",
        ),
        (lambda codes, epsilon: codes.mean(0) + epsilon * codes.std(0), "correlation"),
        (lambda codes, epsilon: codes.mean(0) + epsilon * codes.var(0), "by its variance"),
        (lambda codes, epsilon: codes.mean(0) + epsilon, "Where is the spread"),
        (
            lambda codes, epsilon: gaussian_sample(codes, epsilon)[:2],
            "shape is (2, 3), expected (4, 3), for inputs of shape (40, 3)",
        ),
        (lambda codes, epsilon: gaussian_sample(codes, torch.randn(epsilon.shape)), "chance"),
        (
            lambda codes, epsilon: gaussian_sample(codes[:50], epsilon),
            "should come from",
        ),
        (
            lambda codes, epsilon: (
                codes.mean(0) + epsilon @ torch.linalg.cholesky(codes.T @ codes / len(codes)).T
            ),
            "around 0",
        ),
        (
            lambda codes, epsilon: (
                codes.mean(0) + epsilon @ torch.linalg.cholesky(codes.T.corrcoef()).T
            ),
            "correlation matrix",
        ),
    ],
    "reparameterise": [
        (lambda mu, log_var: mu + log_var.exp() * torch.randn(mu.shape), "is the variance"),
        (lambda mu, log_var: mu + log_var * torch.randn(mu.shape), "is log_var itself"),
        (lambda mu, log_var: mu + log_var / 2 * torch.randn(mu.shape), "still a logarithm"),
        (lambda mu, log_var: mu + log_var.exp() / 2 * torch.randn(mu.shape), "Where does the half"),
        (lambda mu, log_var: mu + (-log_var / 2).exp() * torch.randn(mu.shape), "turned round"),
        (lambda mu, log_var: mu + (log_var / 3).exp() * torch.randn(mu.shape), "spread wrongly"),
        (lambda mu, log_var: mu + log_var.sqrt() * torch.randn(mu.shape), "not numbers"),
        (lambda mu, log_var: mu, "still a point"),
        (lambda mu, log_var: (log_var / 2).exp() * torch.randn(mu.shape), "no mu in this"),
        (lambda mu, log_var: mu + (log_var / 2).exp() * torch.rand(mu.shape), "spread wrongly"),
        (lambda mu, log_var: mu + (log_var / 2).exp() * (1 + torch.randn(mu.shape)), "around mu"),
        (lambda mu, log_var: mu + (log_var / 2).exp() * torch.randn(mu.shape[1]), "Every image"),
        (lambda mu, log_var: mu + (log_var / 2).exp() * torch.randn(len(mu), 1), "All latents"),
        (lambda mu, log_var: mu + (log_var / 2).exp(), "Every image"),
        (lambda mu, log_var: mu + (log_var / 2).exp() * heavy(mu.shape), "many draws lie far out"),
        (lambda mu, log_var: mu + (log_var / 2).exp() * light(mu.shape), "few draws lie far out"),
        (
            lambda mu, log_var: torch.distributions.Normal(mu, (log_var / 2).exp()).sample(),
            "no gradient reaches mu",
        ),
        (
            lambda mu, log_var: mu + (log_var / 2).exp().detach() * torch.randn(mu.shape),
            "no gradient reaches log_var",
        ),
        (
            lambda mu, log_var: mu.detach() + sigma(log_var) * torch.randn(mu.shape),
            "no gradient reaches mu",
        ),
        (
            lambda mu, log_var: moved_by(mu, log_var, torch.arange(mu.shape[1]) % 2),
            "but their gradient in mu is not",
        ),
        (lambda mu, log_var: moved_by(mu, log_var, 1.0015), "but their gradient in mu is not"),
        (lambda mu, log_var: mu.sum(1), "The shape is (20000,)"),
        # One latent alone is wrong, or all are by little.
        (
            lambda mu, log_var: (
                mu * (torch.arange(mu.shape[1]) > 0) + sigma(log_var) * torch.randn(mu.shape)
            ),
            "around mu",
        ),
        (
            lambda mu, log_var: (
                mu + sigma(log_var) * in_the_first_alone(mu, lambda m: 1.2 * torch.randn(m.shape))
            ),
            "spread wrongly",
        ),
        (
            lambda mu, log_var: mu + sigma(log_var) * in_the_first_alone(mu, torch.zeros_like),
            "Every image",
        ),
        (
            lambda mu, log_var: (
                mu + sigma(log_var) * in_the_first_alone(mu, lambda m: slightly_askew(m.shape))
            ),
            "draws lie far out",
        ),
        (
            lambda mu, log_var: in_the_first_alone(mu, lambda m: 1.5 * torch.randn(m.shape)),
            "spread wrongly",
        ),
        (
            lambda mu, log_var: mu * (torch.arange(mu.shape[1]) > 0) + torch.randn(mu.shape),
            "spread wrongly",
        ),
        (lambda mu, log_var: mu + torch.randn(mu.shape), "spread wrongly"),
        (lambda mu, log_var: mu + 1.08 * sigma(log_var) * torch.randn(mu.shape), "spread wrongly"),
        (lambda mu, log_var: 0.15 + torch.randn(mu.shape), "spread wrongly"),
        (lambda mu, log_var: torch.randn(mu.shape), "draws of N(0, 1)"),
        (lambda mu, log_var: mu + 0.15 + sigma(log_var) * torch.randn(mu.shape), "around mu"),
        (lambda mu, log_var: 0.15 + sigma(log_var) * torch.randn(mu.shape), "around mu"),
        (lambda mu, log_var: mu + sigma(log_var) * of_values(99, mu.shape), "only 99 different"),
        (lambda mu, log_var: mu + sigma(log_var) * of_values(100, mu.shape), "Every image"),
        (lambda mu, log_var: mu + sigma(log_var) * each_twice(mu), "Every image"),
        (lambda mu, log_var: mu + sigma(log_var) * 12**0.5 * (torch.rand(mu.shape) - 0.5), "few"),
        (lambda mu, log_var: mu + sigma(log_var) * torch.randn(mu.shape).sign(), "only 2 diff"),
        (
            lambda mu, log_var: mu + sigma(log_var) * Laplace(0.0, 0.5**0.5).sample(mu.shape),
            "too many",
        ),
        (lambda mu, log_var: mu + sigma(log_var) * (torch.rand(mu.shape).log() + 1), "too many"),
        (fixed_seed, "the same numbers"),
        (fixed_generator, "the same numbers"),
        (lambda mu, log_var: mu + sigma(log_var) * halves(mu), "Every image"),
        (
            lambda mu, log_var: (
                mu + sigma(log_var) * torch.randn(5000, mu.shape[1]).repeat(4, 1)[: len(mu)]
            ),
            "Every image",
        ),
        (
            lambda mu, log_var: mu + sigma(log_var) * torch.randn(len(mu), 1) * signs(mu),
            "All latents",
        ),
        (lambda mu, log_var: mu + sigma(log_var) * last_two_alike(mu), "All latents"),
        (lambda mu, log_var: mu + sigma(log_var) * blended(mu), "know of each other"),
        (lambda mu, log_var: mu + sigma(log_var) * blended(mu, 0.1), "know of each other"),
        (
            lambda mu, log_var: mu + sigma(log_var) * in_the_first_alone(mu, halves),
            "Every image",
        ),
        (lambda mu, log_var: mu + sigma(log_var.mean(0)) * torch.randn(mu.shape), "spread"),
        (lambda mu, log_var: mu + sigma(log_var[:1]) * torch.randn(mu.shape), "spread"),
        (lambda mu, log_var: mu[:1] + sigma(log_var) * torch.randn(mu.shape), "around mu"),
        (lambda mu, log_var: mu + sigma(log_var) * torch.randn(20_000, 3), "stopped with"),
    ],
    "kl_divergence": [
        (lambda mu, log_var: 2 * kl_divergence_sum(mu, log_var), "twice the KL"),
        (lambda mu, log_var: -kl_divergence_sum(mu, log_var), "sign"),
        (lambda mu, log_var: kl_divergence_sum(mu, log_var).sum(), "summed over the batch"),
        (lambda mu, log_var: kl_divergence_sum(mu, log_var).mean(), "averaged over the batch"),
        (lambda mu, log_var: kl_divergence_sum(mu, log_var) / mu.shape[1], "over the latents"),
        (lambda mu, log_var: kl_divergence_sum(mu.T, log_var.T), "Which axis"),
        (lambda mu, log_var: kl_divergence_sum(mu, 2 * log_var), "log_var as log sigma"),
        (lambda mu, log_var: kl_divergence_sum(mu, log_var / 2), "twice"),
        (
            lambda mu, log_var: -0.5 * (1 + log_var - mu**2 - (log_var / 2).exp()).sum(1),
            "Sigma stands where sigma squared belongs",
        ),
        (
            lambda mu, log_var: 0.5 * (log_var + (1 + mu**2) / log_var.exp() - 1).sum(1),
            "KL(prior || posterior)",
        ),
        (lambda mu, log_var: kl_divergence_sum(mu[:2], log_var[:2]), r"shape is (2,)"),
        (lambda mu, log_var: torch.full((4,), torch.nan), "not a number"),
        (
            lambda mu, log_var: kl_divergence_sum(mu, log_var).masked_fill(
                torch.arange(len(mu)) == 0, torch.nan
            ),
            "not a number",
        ),
        (lambda mu, log_var: kl_divergence_sum(mu, log_var) + 0.1, "4 of 4 values"),
        (lambda mu, log_var: "0.5 * mu**2", "returned a str"),
        (lambda mu, log_var: mu @ log_var, "stopped with RuntimeError"),
        (lambda mu: mu, "stopped with TypeError"),
        (
            lambda mu, log_var: 0.5 * (mu**2 + log_var.exp() - log_var).sum(1) - 1.5,
            "should come from",
        ),
        (
            lambda mu, log_var: torch.stack([kl_divergence_sum(mu, log_var)[i] for i in range(4)]),
            "shape",
        ),
        (lambda mu, log_var: 0.5 * (mu**2 + log_var.exp() - 1 + log_var).sum(1), "log sigma"),
        (lambda mu, log_var: (mu**2 + log_var.exp() - log_var / 2 - 0.5).sum(1), "1/2"),
        (
            lambda mu, log_var: 0.5 * (mu**2 + log_var.exp() - 1 + (log_var / 2) ** 2).sum(1),
            "square of the logarithm",
        ),
        (lambda mu, log_var: 0.5 * (mu**2 + log_var.exp() - log_var).sum(1), "The 1 is missing"),
        (lambda mu, log_var: 0.5 * (mu**2 - 1).sum(1), "exponential is missing"),
        (
            lambda mu, log_var: 0.5 * (mu + log_var.exp() - 1 - log_var).sum(1),
            exercises.SENTENCES["mu is not squared"],
        ),
        (
            lambda mu, log_var: 0.5 * (mu**2 + log_var.exp() - 1 - log_var),
            exercises.SENTENCES["one number per latent"],
        ),
        (
            lambda mu, log_var: 0.5 * (mu**2 + log_var.exp() - 1 - log_var).mean(),
            "mean over everything",
        ),
    ],
    "kl_between": [
        (
            lambda mq, lq, mp, lp: (
                0.5 * (lp - lq - 1 + lq.exp() / lp.exp() + (mq - mp) ** 2 / lq.exp()).sum(1)
            ),
            "in units of q's spread",
        ),
        (
            lambda mq, lq, mp, lp: (
                0.5 * (lp - lq - 1 + (lq.exp() + mq**2 - mp**2) / lp.exp()).sum(1)
            ),
            "difference of squares",
        ),
        (lambda mq, lq, mp, lp: kl_between(mp, lp, mq, lq), "KL(p || q)"),
        (lambda mq, lq, mp, lp: kl_divergence_sum(mq, lq), "does not look at p"),
        (lambda mq, lq, mp, lp: kl_divergence_sum(mq - mp, lq - lp), "units of p's"),
        (lambda mq, lq, mp, lp: kl_between(mq, lq, mp, lp).sum(), "summed over the batch"),
        (
            lambda mq, lq, mp, lp: kl_divergence_sum(mq, lq) - kl_divergence_sum(mp, lp),
            "difference of two KLs",
        ),
        (lambda mq, lq, mp, lp: 2 * kl_between(mq, lq, mp, lp), "twice the KL"),
        (lambda mq, lq, mp, lp: -kl_between(mq, lq, mp, lp), MISTAKES["sign of the KL"].question),
        (lambda mq, lq, mp, lp: kl_between(mq, lq, mp, lp) / 3, "over the latents"),
        (
            lambda mq, lq, mp, lp: (
                0.5 * (lp - lq + (lq.exp() + (mq - mp) ** 2) / lp.exp()).sum(1) - 1.5
            ),
            "should come from",
        ),
        (lambda mq, lq, mp, lp: kl_between(mq, lq, mp[:1], lp[:1]), "values are wrong"),
    ],
    "slerp": [
        (lambda start, end, t: (1 - t) * start + t * end, "straight path"),
        (lambda start, end, t: slerp(end, start, t), "from end to start"),
        (lambda start, end, t: F.normalize(slerp(start, end, t)), "has length 1"),
        (
            lambda start, end, t: (
                F.normalize(slerp(start, end, t)) * start.norm(dim=1, keepdim=True)
            ),
            "stays that of start",
        ),
        (
            lambda start, end, t: (
                slerp(start, end, t)
                * torch.sin(
                    torch.acos((F.normalize(start) * F.normalize(end)).sum(1, keepdim=True))
                )
            ),
            "below the fraction line",
        ),
        (
            lambda start, end, t: (
                F.normalize((1 - t) * start + t * end)
                * ((1 - t) * start.norm(dim=1) + t * end.norm(dim=1))[:, None]
            ),
            "constant speed",
        ),
        (
            lambda start, end, t: slerp(start, end, t, (start * end).sum(1, keepdim=True).acos()),
            "codes of any length",
        ),
        (
            lambda start, end, t: slerp(
                start, end, t, (start * end).sum(1, keepdim=True).clamp(-1, 1).acos()
            ),
            "codes of any length",
        ),
        (
            lambda start, end, t: slerp(
                start, end, t, (F.normalize(start) * F.normalize(end)).sum().acos()
            ),
            "one angle for the whole batch",
        ),
        (
            lambda start, end, t: latent.interpolate(start, end, 11, spherical=True)[4],
            "values are wrong",
        ),
        (lambda start, end, t: torch.full_like(start, torch.nan), "not a number"),
        (lambda start, end, t: slerp(start, end, 0.3), "stands still"),
        (lambda start, end, t: slerp(start, end, 0.5), "values are wrong"),
        (whites_slerp, "White"),
        (lambda start, end, t: slerp(start, end, t)[:, :2], "shape is"),
        (lambda start, end, t: slerp(start, end, t**2), "values are wrong"),
    ],
}


def checker(name):
    return getattr(exercises, f"check_{name}")


@cache
def said_to(name, k) -> str:
    """What a checker says to the k-th of its wrong answers; each is asked once."""
    verdict = checker(name)(WRONG[name][k][0])
    assert not verdict
    assert verdict.state == "wrong"
    return verdict.message


def test_every_checker_is_tested():
    names = {name.removeprefix("check_") for name in vars(exercises) if name.startswith("check_")}
    assert names == set(RIGHT) == set(WRONG)
    assert all(len(answers) >= 3 for answers in WRONG.values())


def each(answers):
    return [(name, answer) for name, several in answers.items() for answer in several]


def converted(inputs, change):
    return [change(i) if isinstance(i, torch.Tensor) else i for i in inputs]


@pytest.mark.parametrize(("name", "answer"), each(RIGHT))
def test_a_right_answer_passes(name, answer):
    verdict = checker(name)(answer)
    assert verdict, verdict
    assert repr(verdict) == "Right."


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_in_double_precision_passes(name):
    def in_double(*inputs):
        return RIGHT[name][0](
            *converted(inputs, lambda i: i.double() if i.is_floating_point() else i)
        )

    assert checker(name)(in_double)


@pytest.mark.parametrize("name", ["reparameterise", "normal_from_uniform"])
@pytest.mark.parametrize("seed", range(5))
def test_a_right_sampler_passes_whatever_its_luck(name, seed):
    generator = torch.Generator().manual_seed(seed)

    def lucky(*inputs):
        mu, log_var = inputs[-2:]
        if name == "normal_from_uniform":
            order = torch.randperm(len(mu), generator=torch.Generator().manual_seed(seed))
            return mu + sigma(log_var) * torch.special.ndtri(inputs[0][order])
        return mu + sigma(log_var) * torch.randn(mu.shape, generator=generator)

    assert checker(name)(lucky)


@pytest.mark.parametrize("name", RIGHT)
def test_an_answer_that_changes_its_inputs_is_judged_by_what_it_returns(name):
    def spoils(*inputs):
        result = RIGHT[name][0](*inputs)
        converted(inputs, lambda i: i.zero_())
        return result

    assert checker(name)(spoils)


@pytest.mark.parametrize(
    ("name", "k"), [(name, k) for name, answers in WRONG.items() for k in range(len(answers))]
)
def test_a_wrong_answer_is_told_what_is_wrong(name, k):
    assert WRONG[name][k][1] in said_to(name, k)


def nearly(epsilon, z, t):
    """Right but for what float32 may lose: a relative error, and an absolute one near 0."""
    return RIGHT["flow_matching_target"][0](epsilon, z, t) * (1 + 5e-5) + 9e-6


def test_what_float32_loses_is_forgiven_and_not_counted_and_more_is_not():
    assert exercises.check_flow_matching_target(nearly)

    def one_is_off(*inputs):
        values = nearly(*inputs)
        values[0, 0, 0] += 1
        return values

    assert "1 of 24 values are wrong" in exercises.check_flow_matching_target(one_is_off).message
    verdict = exercises.check_kl_divergence(lambda *inputs: kl_divergence_sum(*inputs) * 1.0003)
    assert "4 of 4 values are wrong" in verdict.message


def test_of_a_spread_that_nobody_foresaw_two_are_said_each_with_its_log_var():
    asked = []

    def cube_root(mu, log_var):
        asked.append(log_var[0].tolist())
        return mu + (log_var / 3).exp() * torch.randn(mu.shape)

    said = exercises.check_reparameterise(cube_root).message
    told = re.findall(r"by (\S+) where (?:log_var|it) is (-?\d+\.\d+)", said)
    (one, at_one), (two, at_two) = [[float(number) for number in pair] for pair in told]
    assert [at_one, at_two] == pytest.approx([asked[0][0], asked[0][2]])
    assert [one, two] == pytest.approx([math.exp(at_one / 3), math.exp(at_two / 3)], rel=0.05)


def _raises(*_):
    raise NotImplementedError


@pytest.mark.parametrize("name", RIGHT)
def test_no_two_inputs_are_alike_and_their_axes_cannot_be_taken_for_one_another(name):
    """Nor can a size of the first case be built in: the last one has none of them."""
    cases = []

    def listening(*inputs):
        cases.append([one.clone() for one in inputs if isinstance(one, torch.Tensor)])
        return RIGHT[name][0](*inputs)

    assert checker(name)(listening)
    seen = [*cases]
    assert checker(name)(listening)
    for case, again in zip(seen, cases[len(seen) :], strict=True):
        assert all(map(torch.equal, case, again)), "the numbers are the same each time"
        assert not [1 for one, other in combinations(case, 2) if torch.equal(one, other)]
    if name == "bernoulli_nll":
        seen.pop()  # of logits that are far off
    for case in seen:
        assert all(len(set(one.shape)) == one.ndim for one in case)
    if name not in ("reparameterise", "normal_from_uniform"):  # theirs are two kinds of image
        for one, other in zip(seen[0], seen[-1], strict=True):
            assert not [n for n, m in zip(one.shape, other.shape, strict=True) if n == m]


@pytest.mark.parametrize(
    ("off", "where"),
    [
        (torch.tensor([0.1, 0.2, 0.3, 0.1]), "4 of 4 values are wrong, too large."),
        (torch.tensor([-0.1, 0, -0.3, 0]), "2 of 4 values are wrong, too small."),
        (torch.tensor([-0.1, 0, 0, 0.1]), "2 of 4 values are wrong, now too large, now too small."),
    ],
)
def test_of_a_mistake_that_nobody_foresaw_it_is_said_how_many_values_are_off_and_to_which_side(
    off, where
):
    verdict = exercises.check_kl_divergence(lambda *inputs: kl_divergence_sum(*inputs) + off)
    assert where in verdict.message


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("stub", [None, lambda *_: None, lambda *_: ..., _raises])
def test_a_stub_is_left_in_peace(name, stub):
    verdict = checker(name)(stub)
    assert not verdict
    assert verdict.state == "not attempted"
    assert repr(verdict) == "not attempted yet"


@pytest.mark.parametrize("name", RIGHT)
def test_no_sentence_gives_the_answer_away(name):
    """Neither a right value nor a line of code stands in what a wrong answer is told."""
    said = [said_to(name, k) for k in range(len(WRONG[name]))]
    assert not [message for message in said if "**" in message or "0.5 *" in message]
    if name not in ("reparameterise", "normal_from_uniform"):  # these tell the spread that they saw
        assert not [message for message in said if re.search(r"\d\.\d", message)]
    assert len(set(said)) > 2, "each mistake has its own sentence"


# --- the catalogue ----------------------------------------------------------------------------

CHECKED_BY = {
    "reconstruction": (
        "bernoulli_nll",
        lambda mistake: mistake.formula,
    ),
    "kl": ("kl_divergence", lambda mistake: mistake.formula),
    "sample": (
        "reparameterise",
        lambda mistake: lambda mu, log_var: mistake.formula(mu, log_var, torch.randn(mu.shape)),
    ),
    "picture": (  # whoever takes logits for pixels takes them for probabilities
        "bernoulli_nll",
        lambda mistake: (
            lambda logits, x: (
                -(x * mistake.formula(logits).log() + (1 - x) * (1 - mistake.formula(logits)).log())
            ).sum((1, 2, 3))
        ),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=list(MISTAKES))
def test_the_checkers_name_each_mistake_of_the_catalogue_in_its_words(mistake):
    name, answer = CHECKED_BY[mistake.part]
    assert checker(name)(answer(mistake)).message == f"{mistake.sentence} {mistake.question}"


def sources() -> tuple[str, str]:
    """The checkers' code, and what they say."""
    code = Path(exercises.__file__)
    return code.read_text("utf-8"), code.with_name("sentences.json").read_text("utf-8")


def test_no_checker_lists_a_mistake_of_the_catalogue_again():
    for source in sources():
        assert [m.name for m in MISTAKES.values() if m.sentence in source] == []


def test_every_sentence_is_said_by_a_checker_and_none_hides_one_of_the_catalogue():
    code, said = sources()
    answers = "\n".join(said_to(name, k) for name in WRONG for k in range(len(WRONG[name])))
    assert [
        name for name, sentence in json.loads(said).items()
        if "{" not in sentence and sentence not in answers
    ] == [], "a wrong answer above should earn it"  # fmt: skip
    assert [name for name in json.loads(said) if f'"{name}"' not in code] == []
    assert not json.loads(said).keys() & MISTAKES.keys()
