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

from vaelib import latent, losses
from vaelib.models import seeded

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


# --- the normal distribution ----------------------------------------------------------------------


def check_normal_from_uniform(answer: Callable | None) -> Verdict:
    """answer(u, mu, log_var), all (N, K), u in (0, 1) -> draws of N(mu, sigma^2), (N, K)."""
    z, mu, log_var = _normal(4, 3), _normal(4, 3, seed=1), _normal(4, 3, seed=2)
    u = torch.special.ndtr(z)
    sigma = (log_var / 2).exp()
    mistakes = {
        "This is the CDF of u. You have u already: which way leads back to z?": mu
        + sigma * torch.special.ndtr(u),
        "The uniform numbers went in as they are. What distribution has mu + sigma * u?": mu
        + sigma * u,
        "u was moved to (-1/2, 1/2), but it is still uniform.": mu + sigma * (u - 0.5),
        "These are draws of N(0, 1). Where are mu and sigma?": z,
        "You multiplied by the variance. Which has the units of z: sigma or sigma squared?": mu
        + log_var.exp() * z,
        "You multiplied by log_var itself. What is it the logarithm of?": mu + log_var * z,
        "There is no mu in this.": sigma * z,
    }
    return _judge(answer, (u, mu, log_var), mu + sigma * z, mistakes)


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


def check_gaussian_sample(answer: Callable | None) -> Verdict:
    """answer(codes (N, K), epsilon (M, K)) -> samples (M, K) of the Gaussian fitted to ``codes``,
    by the Cholesky factor of their covariance."""
    codes = _normal(50, 3) @ _normal(3, 3, seed=1) + _normal(3, seed=2)
    epsilon = _normal(4, 3, seed=3)
    mean, covariance = codes.mean(0), codes.T.cov()
    factor = torch.linalg.cholesky(covariance)
    mistakes = {
        "The mean is missing: your samples lie around 0.": epsilon @ factor.T,
        "You multiplied by the covariance. Which has the units of a code: it, or its factor?": mean
        + epsilon @ covariance,
        "The factor is transposed. Row by row, is L times epsilon the same as epsilon times L?": (
            mean + epsilon @ factor
        ),
        "Each column has the right spread, but the columns do not know of each other. Where is "
        "the correlation?": mean + epsilon * codes.std(0),
        "You scaled each column by its variance. Which has the units of a code?": mean
        + epsilon * codes.var(0),
        "These are the numbers you were given, moved by the mean. Where is the spread?": mean
        + epsilon,
    }
    return _judge(answer, (codes, epsilon), mean + epsilon @ factor.T, mistakes)


# --- chapter 2 ------------------------------------------------------------------------------------


def check_reparameterise(answer: Callable | None) -> Verdict:
    """answer(mu, log_var), both (N, K) -> z (N, K), one sample of N(mu, sigma^2) for each image."""
    mu = torch.tensor([3.0, -1.0, 0.5], dtype=torch.float64).repeat(20_000, 1).requires_grad_()
    log_var = torch.tensor([-3.0, 0.5, 1.5], dtype=torch.float64).repeat(20_000, 1).requires_grad_()
    with seeded(0):  # the student draws from the global generator, and each time alike
        z, early = _call(answer, (mu, log_var), mu.shape)
    if early is not None:
        return early
    deviation = z.detach() - mu.detach()
    if deviation.abs().max() == 0:
        return Verdict(WRONG, "This is mu: the code is still a point. Where is epsilon?")
    if deviation[:, 0].std() < 1e-6:
        return Verdict(
            WRONG,
            "Every image of the batch was given the same epsilon. How many numbers does a batch of "
            "N codes with K latents need?",
        )
    if torch.corrcoef(deviation.T)[0, 1].abs() > 0.9:
        return Verdict(
            WRONG,
            "All latents of an image were given the same epsilon. How many numbers does a batch of "
            "N codes with K latents need?",
        )
    if sentence := _wrong_spread(z.detach(), mu[0].detach(), log_var[0].detach()):
        return Verdict(WRONG, sentence)
    gradients = [None, None]
    if z.requires_grad:
        gradients = torch.autograd.grad(z.sum(), (mu, log_var), allow_unused=True)
    for name, gradient, expected in zip(
        ("mu", "log_var"), gradients, (torch.ones_like(deviation), deviation / 2), strict=True
    ):
        if gradient is None or not gradient.any():
            return Verdict(
                WRONG,
                f"The samples are right, but no gradient reaches {name}: which step of yours cut "
                "it off? The encoder would learn nothing from the reconstruction.",
            )
        if not torch.allclose(gradient, expected, atol=1e-3):
            return Verdict(WRONG, f"The samples are right, but their gradient in {name} is not.")
    return Verdict(RIGHT, "Right.")


def _wrong_spread(z: Tensor, mu: Tensor, log_var: Tensor) -> str | None:
    """What mistake the mean and the standard deviation of the samples betray, if any."""
    if not z.isfinite().all():
        return "Some samples are not numbers. Is there a root of something below 0?"
    sigma = (log_var / 2).exp()
    spreads = {
        "The spread is the variance. Which has the units of z: sigma or sigma squared?": sigma**2,
        "The spread is log_var itself. What does the encoder's second output mean?": log_var.abs(),
        "You halved log_var but it is still a logarithm.": log_var.abs() / 2,
        "You halved the variance. Where does the half go: before the exponential or after?": (
            sigma**2 / 2
        ),
        "The sign of log_var is turned round: a large variance gives a small spread.": 1 / sigma,
    }
    if ((z.std(0) / sigma).log().abs() > 0.05).any():
        for sentence, spread in spreads.items():
            if ((z.std(0) / spread).log().abs() < 0.05).all():
                return sentence
        return (
            f"The samples spread wrongly: by {z.std(0)[0]:.2g} where log_var is {log_var[0]:g}, "
            f"by {z.std(0)[2]:.2g} where it is {log_var[2]:g}."
        )
    if (z.mean(0).abs() < 0.1).all():
        return "There is no mu in this: every image has a code around 0."
    if ((z.mean(0) - mu).abs() > 0.1).any():
        return "The samples do not lie around mu. Is the mean of your epsilon 0?"
    return None


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


# --- chapter 4 ------------------------------------------------------------------------------------


def check_laplace_nll(answer: Callable | None) -> Verdict:
    """answer(mean, x, b), (N, C, H, W) twice and a number -> -log p(x|z) of a Laplace decoder of
    scale b for each image (N,), constant included."""
    mean, x = _normal(4, 2, 3, 5), _normal(4, 2, 3, 5, seed=1)
    b = torch.tensor(0.3, dtype=torch.float64)
    off, count = (x - mean).abs().flatten(1).sum(1), 30
    right = off / b + count * (2 * b).log()
    squares = ((x - mean) ** 2).flatten(1).sum(1)
    mistakes = {
        "The constant is missing. Does your density integrate to one, whatever b is?": off / b,
        "The constant stands there once, for a picture of many pixels. How many densities are "
        "multiplied?": off / b + (2 * b).log(),
        "A 2 is missing in the constant. Which half of the density did you integrate?": (
            off / b + count * b.log()
        ),
        "The constant has the wrong sign. Is the narrower density the higher one at its middle, or "
        "the lower?": off / b - count * (2 * b).log(),
        "This is the log-likelihood itself. What is minimised: it, or its negative?": -right,
        "You averaged over the pixels. Which beta would that be?": right / count,
        "The error is averaged over the pixels and the constant is not.": (
            off / count / b + count * (2 * b).log()
        ),
        "b multiplies where it should divide. Does a wide density punish a large error more?": (
            off * b + count * (2 * b).log()
        ),
        "This is a Gaussian, with squares. Which density has an absolute value in its exponent?": (
            squares / (2 * b**2) + count * (b * (2 * torch.pi) ** 0.5).log()
        ),
        "The errors have kept their signs, and cancel.": (
            (x - mean).flatten(1).sum(1) / b + count * (2 * b).log()
        ),
        "These are still one number per pixel.": (x - mean).abs() / b + (2 * b).log(),
        _SUM_OVER_BATCH: right.sum(),
        _MEAN_OVER_BATCH: right.mean(),
    }
    return _judge(answer, (mean, x, b), right, mistakes)


# --- chapter 5 ------------------------------------------------------------------------------------


def check_slerp(answer: Callable | None) -> Verdict:
    """answer(start, end, t), codes (N, K) twice and a number -> the spherical path at t (N, K)."""
    start, end, t = _normal(4, 3), _normal(4, 3, seed=5), torch.tensor(0.3, dtype=torch.float64)
    lengths = start.norm(dim=1, keepdim=True), end.norm(dim=1, keepdim=True)
    a, b = start / lengths[0], end / lengths[1]
    angle = (a * b).sum(1, keepdim=True).acos()
    length = (1 - t) * lengths[0] + t * lengths[1]

    def arc(t, angle, a=a, b=b):
        return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()

    line = (1 - t) * start + t * end
    dot = (start * end).sum(1, keepdim=True)
    mistakes = {
        "This is the straight path. Where is its middle, seen from the origin?": line,
        "This path goes from end to start. Where should it be at t = 0?": (
            ((1 - t) * lengths[1] + t * lengths[0]) * arc(1 - t, angle)
        ),
        "The directions are right, but every point has length 1. How long are start and end?": arc(
            t, angle
        ),
        "The length stays that of start. Does the path arrive at end?": lengths[0] * arc(t, angle),
        "You put the codes themselves on the arc, not their directions. The ends are right; does "
        "the length go evenly from one to the other?": arc(t, angle, start, end),
        "The sum of the two sines is not yet a direction: what is missing below the fraction "
        "line?": length * arc(t, angle) * angle.sin(),
        "You bent the straight path back to the right length. Its ends are right; does its angle "
        "turn at constant speed?": length * line / line.norm(dim=1, keepdim=True),
        "Some angles are not numbers: what is the scalar product of two codes the cosine of, and "
        "when?": length * arc(t, dot.acos()),
        "The angle is taken between codes of any length, then clamped. Of what is the scalar "
        "product the cosine?": length * arc(t, dot.clamp(-1, 1).acos()),
        "There is one angle for the whole batch. Over which axis is the scalar product of two "
        "codes?": length * arc(t, (a * b).sum().acos()),
    }
    return _judge(answer, (start, end, t), length * arc(t, angle), mistakes)


# --- chapter 6 ------------------------------------------------------------------------------------


def check_feature_vector(answer: Callable | None) -> Verdict:
    """answer(mu, has), (N, K) and bool (N,) -> the feature vector (K,)."""
    mu, has = _normal(9, 4), torch.tensor([1, 0, 0, 1, 0, 0, 1, 0, 0], dtype=torch.bool)
    right = latent.feature_vector(mu, has)
    mean_with = mu[has].mean(0)
    mistakes = {
        "This points the other way. Which mean is it that you want to arrive at?": -right,
        "The direction is right, the length is 1. What is alpha = 1 then worth?": right
        / right.norm(),
        "This is the mean of those with the attribute. Where does one start from?": mean_with,
        "You compared with the mean of everybody, and they are partly the same faces. Adding it "
        "once, where would the mean face without the attribute arrive?": mean_with - mu.mean(0),
        "You subtracted sums. What if one group is larger?": mu[has].sum(0) - mu[~has].sum(0),
        "This is one number for each face. Over which axis is the mean?": mu[has].mean(1),
        "This is one number in all. Over which axis is the mean?": mu[has].mean() - mu[~has].mean(),
        "The answers were multiplied in, but zeros count in a mean too. How many faces have the "
        "attribute?": (mu * has[:, None]).mean(0) - (mu * ~has[:, None]).mean(0),
    }
    return _judge(answer, (mu, has), right, mistakes)


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
    got, early = _call(answer, inputs)
    if early is not None:
        return early
    if _same(got, right):
        return Verdict(RIGHT, "Right.")
    for sentence, values in mistakes.items():
        if _same(got, values):
            return Verdict(WRONG, sentence)
    if got.shape != right.shape:
        return _wrong_shape(got, right.shape, inputs)
    if not got.isfinite().all():
        return Verdict(WRONG, "Some values are infinite or not a number.")
    return Verdict(WRONG, _how_far(got, right))


def _call(
    answer: Callable | None, inputs: tuple[Tensor, ...], shape: torch.Size | None = None
) -> tuple[Tensor | None, Verdict | None]:
    """What ``answer`` gives for copies of ``inputs``, or else the verdict that ends the matter."""
    stub = Verdict(NOT_ATTEMPTED, "not attempted yet")
    if answer is None:
        return None, stub
    try:
        got = answer(*(given.clone() for given in inputs))
    except NotImplementedError:
        return None, stub
    except Exception as error:  # the student's own, of whatever kind; it is shown to them
        message = f"Your function stopped with {type(error).__name__}: {error}"
        return None, Verdict(WRONG, message)
    if got is None or got is ...:
        return None, stub
    try:
        got = torch.as_tensor(got, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        message = f"Expected a tensor; your function returned a {type(got).__name__}."
        return None, Verdict(WRONG, message)
    if shape is not None and got.shape != shape:
        return None, _wrong_shape(got, shape, inputs)
    return got, None


def _wrong_shape(got: Tensor, shape: torch.Size, inputs: tuple[Tensor, ...]) -> Verdict:
    return Verdict(
        WRONG,
        f"The shape is {tuple(got.shape)}, expected {tuple(shape)}, for inputs of shape "
        f"{tuple(inputs[0].shape)}.",
    )


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
