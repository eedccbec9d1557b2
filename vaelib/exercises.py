"""Checkers for the coded exercises: each one runs your function and names the mistake.

    exercises.check_kl_divergence(my_kl)

A checker returns a :class:`Verdict`, which prints as its sentence and is true only for a right
answer. It says nothing but "not attempted yet" about a stub, and it never prints the right values.

How to add one. Make small inputs whose axes have different lengths, so that a mistake in the axis
shows; compute the right values with the package; list the typical mistakes, each as a sentence
and the values it leads to; hand all that to ``_judge``. Then feed it the wrong answers in
tests/test_exercises.py. A sentence names what happened and asks a question; it does not give the
formula.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vaelib import losses

RIGHT, WRONG, NOT_ATTEMPTED = "right", "wrong", "not attempted"


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a checker found: ``state`` is "right", "wrong" or "not attempted"."""

    state: str
    message: str

    def __bool__(self) -> bool:
        return self.state == RIGHT

    def __repr__(self) -> str:
        return self.message


# --- chapter 1 ------------------------------------------------------------------------------------


def check_bernoulli_nll(answer: Callable | None) -> Verdict:
    """answer(logits, x), both (N, C, H, W) -> the Bernoulli cross-entropy of each image (N,)."""
    logits, x = _normal(4, 1, 3, 5), _normal(4, 1, 3, 5, seed=1).sigmoid()
    right = losses.bernoulli_nll(logits, x)
    twice = F.binary_cross_entropy_with_logits(logits.sigmoid(), x, reduction="none")
    mistakes = {
        "This is the log-likelihood itself. What is minimised: it, or its negative?": -right,
        "You averaged over the pixels. How does the loss of one image depend on how many pixels "
        "it has, if they are independent?": right / 15,
        "The logits went through a sigmoid twice. Does your function for the loss already take "
        "logits?": twice.flatten(1).sum(1),
        _MEAN_OVER_BATCH: right.mean(),
        _SUM_OVER_BATCH: right.sum(),
        "You averaged over pixels and over images. A loss is one number per image.": right.mean()
        / 15,
        "These are still one number per pixel.": losses.bernoulli_nll(
            logits.reshape(-1, 1), x.reshape(-1, 1)
        ).reshape(x.shape),
    }
    return _judge(answer, (logits, x), right, mistakes)


# --- chapter 2 ------------------------------------------------------------------------------------


def check_reparameterise(answer: Callable | None) -> Verdict:
    """answer(mu, log_var, epsilon), all (N, K) -> z (N, K), a sample of N(mu, sigma^2)."""
    mu, log_var, epsilon = _normal(4, 3), _normal(4, 3, seed=1), _normal(4, 3, seed=2)
    mistakes = {
        "You multiplied by the variance. Which has the units of z: sigma or sigma squared?": mu
        + log_var.exp() * epsilon,
        "You multiplied by log_var itself. What does the encoder's second output mean?": mu
        + log_var * epsilon,
        "You halved log_var but it is still a logarithm.": mu + log_var / 2 * epsilon,
        "You took the square root of log_var, which has none where log_var is below 0.": mu
        + log_var.sqrt() * epsilon,
        "You halved the variance. Where does the half go: before the exponential or after?": mu
        + log_var.exp() / 2 * epsilon,
        "This is mu: the code is still a point. Where is epsilon?": mu,
        "There is no mu in this: every image has a code around 0.": (log_var / 2).exp() * epsilon,
        "The sign of log_var is turned round: a large variance gives a small spread.": mu
        + (-log_var / 2).exp() * epsilon,
    }
    return _judge(answer, (mu, log_var, epsilon), mu + (log_var / 2).exp() * epsilon, mistakes)


# --- chapter 3 ------------------------------------------------------------------------------------


def check_kl_divergence(answer: Callable | None) -> Verdict:
    """answer(mu, log_var), both (N, K) -> KL(N(mu, sigma^2) || N(0, 1)) of each image (N,)."""
    mu, log_var = _normal(4, 3), _normal(4, 3, seed=1)
    right = losses.kl_divergence(mu, log_var)
    per_latent = -0.5 * (1 + log_var - mu**2 - log_var.exp())
    # KL(prior || posterior), the other way round.
    reverse = 0.5 * (log_var - 1 + (1 + mu**2) / log_var.exp()).sum(1)
    mistakes = {
        "This is twice the KL: did you drop the 1/2?": 2 * right,
        "This is the KL with its sign turned round. Can a divergence be negative?": -right,
        "Sigma stands where sigma squared belongs. What is exp(log_var): sigma or its square?": -0.5
        * (1 + log_var - mu**2 - (log_var / 2).exp()).sum(1),
        "You read log_var as log sigma. Which of the two is the encoder's output here?": -0.5
        * (1 + 2 * log_var - mu**2 - (2 * log_var).exp()).sum(1),
        "Sigma stands where sigma squared belongs, in both places. What is half of log_var the "
        "logarithm of?": -0.5 * (1 + log_var / 2 - mu**2 - (log_var / 2).exp()).sum(1),
        "The exponential is missing: log_var stands where the variance belongs.": -0.5
        * (1 + log_var - mu**2 - log_var).sum(1),
        "mu is not squared. Should a code at -1 cost less than a code at +1?": -0.5
        * (1 + log_var - mu - log_var.exp()).sum(1),
        "The 1 is missing. What is your KL at mu = 0, log_var = 0?": right + 1.5,
        "This is the other direction: KL(prior || posterior). Under which of the two is the "
        "average taken?": reverse,
        "You averaged over the latents. What happens to the KL of independent parts when they are "
        "put together?": right / 3,
        "You took the mean over everything; a loss is one number per image.": per_latent.mean(),
        "This is one number per latent: the latents have not been put together yet.": per_latent,
        "You summed over the images and kept the latents. Which axis is which in (N, K)?": (
            per_latent.sum(0)
        ),
        _SUM_OVER_BATCH: right.sum(),
        _MEAN_OVER_BATCH: right.mean(),
    }
    return _judge(answer, (mu, log_var), right, mistakes)


def check_kl_between(answer: Callable | None) -> Verdict:
    """answer(mu_q, log_var_q, mu_p, log_var_p), all (N, K) -> KL(q || p) of each image (N,)."""
    q, p = (_normal(4, 3), _normal(4, 3, seed=1)), (_normal(4, 3, seed=2), _normal(4, 3, seed=3))

    def kl(mu_q, log_var_q, mu_p, log_var_p, square=True, scale=True):
        distance = (mu_q - mu_p) ** 2 if square else mu_q**2 - mu_p**2
        distance = distance / log_var_p.exp() if scale else distance
        ratio = log_var_q - log_var_p
        return -0.5 * (1 + ratio - distance - ratio.exp()).sum(1)

    right = kl(*q, *p)
    mistakes = {
        "This is KL(p || q). Under which of the two is the average taken?": kl(*p, *q),
        "This is the KL to the standard normal: your answer does not look at p.": (
            losses.kl_divergence(*q)
        ),
        "The distance between the means is not measured in units of p's standard deviation. Is "
        "one unit far, when p is very wide?": kl(*q, *p, scale=False),
        "The difference of squares is not the square of the difference. What is your distance "
        "between the means -1 and +1?": kl(*q, *p, square=False),
        "This is a difference of two KLs to the standard normal. Can it be negative?": (
            losses.kl_divergence(*q) - losses.kl_divergence(*p)
        ),
        "This is twice the KL: did you drop the 1/2?": 2 * right,
        "This is the KL with its sign turned round. Can a divergence be negative?": -right,
        "The distance between the means is measured in units of q's spread, not of p's.": (
            right + 0.5 * ((q[0] - p[0]) ** 2 * (1 / q[1].exp() - 1 / p[1].exp())).sum(1)
        ),
        "You averaged over the latents. What happens to the KL of independent parts when they are "
        "put together?": right / 3,
        _SUM_OVER_BATCH: right.sum(),
        _MEAN_OVER_BATCH: right.mean(),
    }
    return _judge(answer, (*q, *p), right, mistakes)


# --- what all checkers share ----------------------------------------------------------------------

_SUM_OVER_BATCH = "You summed over the batch. A loss is one number per image."
_MEAN_OVER_BATCH = (
    "You averaged over the batch. That is the training loop's work: here, one number per image."
)


def _normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _judge(
    answer: Callable | None, inputs: tuple[Tensor, ...], right: Tensor, mistakes: dict[str, Tensor]
) -> Verdict:
    """Call ``answer(*inputs)`` and compare: with nothing, with ``right``, with each mistake."""
    if answer is None:
        return Verdict(NOT_ATTEMPTED, "not attempted yet")
    try:
        got = answer(*(given.clone() for given in inputs))
    except NotImplementedError:
        return Verdict(NOT_ATTEMPTED, "not attempted yet")
    except Exception as error:  # the student's own, of whatever kind; it is shown to them
        return Verdict(WRONG, f"Your function stopped with {type(error).__name__}: {error}")
    if got is None or got is ...:
        return Verdict(NOT_ATTEMPTED, "not attempted yet")
    try:
        got = torch.as_tensor(got, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        return Verdict(WRONG, f"Expected a tensor; your function returned a {type(got).__name__}.")
    if _same(got, right):
        return Verdict(RIGHT, "Right.")
    for sentence, values in mistakes.items():
        if _same(got, values):
            return Verdict(WRONG, sentence)
    if got.shape != right.shape:
        return Verdict(
            WRONG,
            f"The shape is {tuple(got.shape)}, expected {tuple(right.shape)}, for inputs of shape "
            f"{tuple(inputs[0].shape)}.",
        )
    if not got.isfinite().all():
        return Verdict(WRONG, "Some values are infinite or not a number.")
    return Verdict(WRONG, _how_far(got, right))


def _same(got: Tensor, values: Tensor) -> bool:
    # Loose enough for an answer computed in float32, and NaN is the same mistake as NaN.
    return got.shape == values.shape and torch.allclose(
        got.detach(), values, rtol=1e-4, atol=1e-5, equal_nan=True
    )


def _how_far(got: Tensor, right: Tensor) -> str:
    """A hint for a mistake that nobody foresaw, without the right values."""
    wrong = ~torch.isclose(got.detach(), right, rtol=1e-4, atol=1e-5)
    side = got.detach()[wrong] > right[wrong]
    where = (
        "too large"
        if side.all()
        else "too small"
        if not side.any()
        else "now too large, now too small"
    )
    return (
        f"Not yet: {int(wrong.sum())} of {wrong.numel()} values are wrong, {where}. Try it on one "
        "case that you can work out on paper."
    )
