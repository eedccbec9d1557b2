"""Checkers for the coded exercises: each one runs your function and names the mistake.

    exercises.check_kl_divergence(my_kl)

A checker returns a :class:`Verdict`, which prints as its sentence and is true only for a right
answer. It says nothing but "not attempted yet" about a stub, and it never prints the right values.
The checkers stand in the order of the chapters; CONTRIBUTING.md says how to add one.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vaelib import latent, losses, metrics
from vaelib.mistakes import MISTAKES
from vaelib.models import seeded

RIGHT, WRONG, NOT_ATTEMPTED = "right", "wrong", "not attempted"
_EACH = 10_000  # draws for one kind of image: a standard deviation is then known to 0.7 %
# Of the cases, (N, K) and (N, C, H, W): axes of different lengths, and then others.
_SIZES, _IMAGES = ((4, 3), (7, 2)), ((4, 2, 3, 5), (3, 1, 4, 2))
# What is said to each mistake, by its name: the checkers' own, and those of the catalogue.
SENTENCES = json.loads(Path(__file__).with_name("sentences.json").read_text(encoding="utf-8"))
SENTENCES |= {name: f"{each.sentence} {each.question}" for name, each in MISTAKES.items()}


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a checker found: ``state`` is "right", "wrong" or "not attempted"."""

    state: str
    message: str

    def __bool__(self) -> bool:
        return self.state == RIGHT

    def __repr__(self) -> str:
        return self.message


def check_normal_from_uniform(answer: Callable | None) -> Verdict:
    """answer(u, mu, log_var), all (N, K), u in (0, 1) -> draws of N(mu, sigma^2), (N, K)."""
    mu, log_var = _two_kinds()
    u, other = (torch.special.ndtr(drawn) for drawn in _draws(mu.shape, mu.shape))
    draws = []
    for uniform in (u, other, u):
        with seeded(0):  # Box and Muller may draw more numbers, and each time alike
            z = _call(answer, (uniform, mu, log_var), mu.shape)
        if isinstance(z, Verdict):
            return z
        draws.append(z.detach())
    z, sigma = draws[0], (log_var / 2).exp()
    if not _same(draws[2], z):
        return Verdict(WRONG, SENTENCES["chance"])
    mistakes = {
        "u not looked at": draws[1],
        "the CDF of u": mu + sigma * torch.special.ndtr(u),
        "uniform numbers as they are": mu + sigma * u,
        "u moved": mu + sigma * (u - 0.5),
    }
    for sentence, values in mistakes.items():
        if _same(z, values):
            return Verdict(WRONG, SENTENCES[sentence])
    # By their distribution, not by value: 1 - u serves as well as u, and so does Box and Muller's.
    sentence = _not_drawn_from(z, mu, log_var)
    return Verdict(WRONG, sentence) if sentence else Verdict(RIGHT, "Right.")


def check_bernoulli_nll(answer: Callable | None) -> Verdict:
    """answer(logits, x), both (N, C, H, W) -> the Bernoulli cross-entropy of each image (N,)."""

    def explain(logits, x):
        right, count = losses.bernoulli_nll(logits, x), x.flatten(1).shape[1]
        return right, {
            **_published("reconstruction", logits, x),
            "no sigmoid": -(x * logits.log() + (1 - x) * (1 - logits).log()).flatten(1).sum(1),
            "likelihood itself": -right,
            "mean over the batch": right.mean(),
            "averaged over all": right.mean() / count,
            "per pixel": F.binary_cross_entropy_with_logits(logits, x, reduction="none"),
        }

    (logits, x), other = ((a, b.sigmoid()) for a, b in (_draws(s, s) for s in _IMAGES))
    logits[0].sigmoid_()  # logits that could be taken for probabilities
    in_double = [i.double() for i in other]
    far, shades = torch.tensor([-1000.0, 1000.0]), torch.tensor([0.0, 1.0])[:, None, None, None]
    beyond = torch.broadcast_tensors(far, shades)
    return _judge(answer, explain, (logits, x), other, in_double) and _judge(
        answer, lambda *i: (losses.bernoulli_nll(*i), {}), beyond, unforeseen="far logits"
    )


def check_gaussian_sample(answer: Callable | None) -> Verdict:
    """answer(codes (N, K), epsilon (M, K)) -> samples (M, K) of the Gaussian fitted to ``codes``,
    by the Cholesky factor of their covariance."""

    def explain(codes, epsilon):
        mean, covariance = codes.mean(0), codes.T.cov()
        factor = torch.linalg.cholesky(covariance)
        around_0 = torch.linalg.cholesky(codes.T @ codes / len(codes))
        return mean + epsilon @ factor.T, {
            "mean missing": epsilon @ factor.T,
            "times the covariance": mean + epsilon @ covariance,
            "factor transposed": mean + epsilon @ factor,
            "columns apart": mean + epsilon * codes.std(0),
            "scaled by the variance": mean + epsilon * codes.var(0),
            "numbers as given": mean + epsilon,
            "spread around 0": mean + epsilon @ around_0.T,
            "factor of the correlation": mean
            + epsilon @ torch.linalg.cholesky(codes.T.corrcoef()).T,
        }

    def canonical(codes, epsilon):
        got = answer(codes.clone(), epsilon.clone())
        right = _is_another_root(answer, codes, epsilon, got)
        return explain(codes, epsilon)[0] if right else got

    draws = (_draws((10 * m, k), (k, k), (k,), (m, k)) for m, k in _SIZES)
    cases = ((torch.addmm(mean, codes, mix), epsilon) for codes, mix, mean, epsilon in draws)
    return _judge(answer and canonical, explain, *cases)


def _is_another_root(answer: Callable, codes: Tensor, epsilon: Tensor, got: Tensor) -> bool:
    """Whether the answer is mean + epsilon A with A^T A the covariance, by 1 / N or 1 / (N - 1)."""
    k = codes.shape[1]
    try:
        mean, *rows = answer(codes.clone(), torch.cat([torch.zeros(1, k), torch.eye(k)]))
        a = torch.stack(rows) - mean
        fits = [_same(a.T @ a, codes.T.cov(correction=correction)) for correction in (0, 1)]
        return any(fits) and _same(mean, codes.mean(0)) and _same(got, mean + epsilon @ a)
    except Exception:  # whatever it is: the answer was called before, and what it gave is judged
        return False


def check_reparameterise(answer: Callable | None) -> Verdict:
    """answer(mu, log_var), both (N, K) -> z (N, K), one sample of N(mu, sigma^2) for each image."""
    mu, log_var = (inputs.requires_grad_() for inputs in _two_kinds())
    with seeded(0):  # the student draws from the global generator, and each time alike
        z, again = (_call(answer, (mu, log_var), mu.shape) for _ in range(2))
        other = _call(answer, (mu.detach()[:5, :2], log_var.detach()[:5, :2]), (5, 2))
    if isinstance(z, Verdict):
        return z
    sentence = _not_drawn_from(z.detach(), mu.detach(), log_var.detach())
    if sentence is None and isinstance(again, Tensor) and torch.equal(z, again):
        sentence = "Two calls gave the same numbers. Will epsilon be new for each batch?"
    if sentence:
        return Verdict(WRONG, sentence)
    if isinstance(other, Verdict):
        return other
    deviation = (z - mu).detach()
    gradients = [None, None]
    if z.requires_grad:
        gradients = torch.autograd.grad(z.sum(), (mu, log_var), allow_unused=True)
    right = {"mu": torch.ones_like(deviation), "log_var": deviation / 2}
    for gradient, (name, expected) in zip(gradients, right.items()):
        if gradient is None or not gradient.any():
            return Verdict(WRONG, SENTENCES["no gradient"].format(name))
        if not torch.allclose(gradient.double(), expected, atol=1e-3):
            return Verdict(WRONG, f"The samples are right, but their gradient in {name} is not.")
    return Verdict(RIGHT, "Right.")


def check_kl_divergence(answer: Callable | None) -> Verdict:
    """answer(mu, log_var), both (N, K) -> KL(N(mu, sigma^2) || N(0, 1)) of each image (N,)."""

    def explain(mu, log_var):
        right, var = losses.kl_divergence(mu, log_var), log_var.exp()
        each = -0.5 * (1 + log_var - mu**2 - var)
        return right, {
            **_published("kl", mu, log_var),
            "twice": 2 * right,
            "read log_var as log sigma": losses.kl_divergence(mu, 2 * log_var),
            "exponential missing": 0.5 * (mu**2 - 1).sum(1),
            "mu is not squared": 0.5 * (mu + var - 1 - log_var).sum(1),
            "1 missing": right + mu.shape[1] / 2,
            "log variance added": 0.5 * (mu**2 + var - 1 + log_var).sum(1),
            "square of the logarithm": 0.5 * (mu**2 + var - 1 + (log_var / 2) ** 2).sum(1),
            "1/2 missing in one place": (mu**2 + var - log_var / 2 - 0.5).sum(1),
            "KL(prior || posterior)": 0.5 * (log_var - 1 + (1 + mu**2) / var).sum(1),
            "mean over everything": each.mean(),
            "one number per latent": each,
            "summed over images": each.sum(0),
            **_over_the_batch(right),
        }

    return _judge(answer, explain, *(_draws(s, s) for s in _SIZES))


def check_kl_between(answer: Callable | None) -> Verdict:
    """answer(mu_q, log_var_q, mu_p, log_var_p), all (N, K) -> KL(q || p) of each image (N,)."""

    def explain(mu_q, log_var_q, mu_p, log_var_p):
        kl, off, ratio = losses.kl_divergence, mu_q - mu_p, log_var_q - log_var_p
        sigma_q, sigma_p = (log_var_q / 2).exp(), (log_var_p / 2).exp()
        right = kl(off / sigma_p, ratio)  # where p is the standard normal
        return right, {
            "KL(p || q)": kl(off / sigma_q, -ratio),
            "the KL to the standard normal": kl(mu_q, log_var_q),
            "distance without units": kl(off, ratio),
            "difference of squares": right + (mu_p * off / sigma_p**2).sum(1),
            "a difference of two KLs": kl(mu_q, log_var_q) - kl(mu_p, log_var_p),
            "twice": 2 * right,
            "sign of the KL": -right,
            "distance in units of q": kl(off / sigma_q, ratio),
            "mean over the latents": right / mu_q.shape[1],
            **_over_the_batch(right),
        }

    return _judge(answer, explain, *(_draws(s, s, s, s) for s in _SIZES))


def check_laplace_nll(answer: Callable | None) -> Verdict:
    """answer(mean, x, b), (N, C, H, W) twice and a number -> -log p(x|z) of a Laplace decoder of
    scale b for each image (N,), constant included."""

    def explain(mean, x, b):
        each, log_2b = (x - mean).abs().flatten(1), math.log(2 * b)
        off, count = each.sum(1), each.shape[1]
        right = off / b + count * log_2b
        return right, {
            "constant missing": off / b,
            "constant once": off / b + log_2b,
            "2 missing": off / b + count * math.log(b),
            "sign of the constant": off / b - count * log_2b,
            "likelihood itself": -right,
            "averaged over the pixels": right / count,
            "error averaged, constant not": off / count / b + count * log_2b,
            "times b": off * b + count * log_2b,
            "a Gaussian": losses.gaussian_nll(mean, x, b),
            "errors with signs": (x - mean).flatten(1).sum(1) / b + count * log_2b,
            "per pixel": (x - mean).abs() / b + log_2b,
            **_over_the_batch(right),
        }

    return _judge(answer, explain, *((*_draws(s, s), b) for s in _IMAGES for b in (0.3, 1.7)))


def check_slerp(answer: Callable | None) -> Verdict:
    """answer(start, end, t), codes (N, K) twice and a number -> the spherical path at t (N, K)."""

    def explain(start, end, t):
        lengths = start.norm(dim=1, keepdim=True), end.norm(dim=1, keepdim=True)
        a, b = start / lengths[0], end / lengths[1]
        angle, length = (a * b).sum(1, keepdim=True).acos(), torch.lerp(*lengths, t)

        def arc(t, angle, a=a, b=b):
            return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()

        line, right = torch.lerp(start, end, t), length * arc(t, angle)
        return right, {
            "the straight path": line,
            "from end to start": torch.lerp(*lengths, 1 - t) * arc(1 - t, angle),
            "length 1": arc(t, angle),
            "length of start": lengths[0] * arc(t, angle),
            "codes themselves on the arc": arc(t, angle, start, end),
            "no fraction line": right * angle.sin(),
            "straight path bent": length * line / line.norm(dim=1, keepdim=True),
            "angle of codes of any length": length
            * arc(t, (start * end).sum(1, keepdim=True).acos()),
            "one angle for the whole batch": length * arc(t, (a * b).sum().acos()),
            "path stands still": torch.lerp(*lengths, 0.3) * arc(0.3, angle),
        }

    # Short ones first: then the arc cosine of their product is a number, if a wrong one.
    short, other = (_draws(s, s) for s in _SIZES)
    pairs = [code / 2 for code in short], other
    return _judge(answer, explain, *((*pair, t) for pair in pairs for t in (0.3, 1.0)))


def check_feature_vector(answer: Callable | None) -> Verdict:
    """answer(mu, has), (N, K) and bool (N,) -> the feature vector (K,)."""

    def explain(mu, has):
        right, mean_with = latent.feature_vector(mu, has), mu[has].mean(0)
        return right, {
            "the other way": -right,
            "unit length": right / right.norm(),
            "mean of those with": mean_with,
            "from the mean of everybody": mean_with - mu.mean(0),
            "subtracted sums": mu[has].sum(0) - mu[~has].sum(0),
            "one for each face": mu[has].mean(1),
            "one number in all": mu[has].mean() - mu[~has].mean(),
            "answers multiplied in": (mu * has[:, None]).mean(0) - (mu * ~has[:, None]).mean(0),
        }

    draws = (_draws((2 * n, k), (2 * n,)) for n, k in _SIZES)
    return _judge(answer, explain, *((mu, number > 0) for mu, number in draws))


def check_log_weights(answer: Callable | None) -> Verdict:
    """answer(nll, z, mu, log_var), (N,) and (N, K) thrice -> log p(x|z) + log p(z) - log q(z|x)."""

    def explain(nll, z, mu, log_var):
        zero = torch.zeros(())
        prior, q = losses.log_normal(z, zero, zero), losses.log_normal(z, mu, log_var)
        return prior - nll - q, {
            "prior missing": -nll - q,
            "q missing": prior - nll,
            "p and q exchanged": q - nll - prior,
            "sign of log q": prior - nll + q,
            "sign of nll": prior + nll - q,
            "log_var for log sigma in q": prior - nll - losses.log_normal(z, mu, 2 * log_var),
            "1 / sigma missing": prior - nll - q - log_var.sum(1) / 2,
            "mean over z": -nll - losses.kl_divergence(mu, log_var),
            "the weight itself": (prior - nll - q).exp(),
        }

    return _judge(answer, explain, *(_draws(s[:1], s, s, s) for s in _SIZES))


def check_flow_matching_target(answer: Callable | None) -> Verdict:
    """answer(epsilon, z, t), (N, K) twice and (N,) -> x_t and the velocity to learn, (2, N, K)."""

    def explain(epsilon, z, t):
        t = t[:, None]
        x, v = (1 - t) * epsilon + t * z, z - epsilon
        return torch.stack([x, v]), {
            "ends exchanged": torch.stack([(1 - t) * z + t * epsilon, v]),
            "both ends exchanged": torch.stack([(1 - t) * z + t * epsilon, -v]),
            "velocity backwards": torch.stack([x, -v]),
            "the way that is left": torch.stack([x, z - x]),
            "the way that is gone": torch.stack([x, t * v]),
            "never left": torch.stack([epsilon, v]),
            "the code itself": torch.stack([x, z]),
            "velocity first": torch.stack([v, x]),
        }

    draws = (_draws(s, s, s[:1]) for s in _SIZES)
    return _judge(answer, explain, *((noise, z, t.sigmoid()) for noise, z, t in draws))


def check_midpoint_step(answer: Callable | None) -> Verdict:
    """answer(x, t, h, velocity), (N, K), (N,), a number and velocity(x, t) -> x after a step h."""

    def explain(x, t, h, velocity):
        start = velocity(x, t)
        halfway = velocity(x + h / 2 * start, t + h / 2)
        return x + h * halfway, {
            "Euler's step": x + h * start,
            "half the step": x + h / 2 * halfway,
            "time stands still": x + h * velocity(x + h / 2 * start, t),
            "point stands still": x + h * velocity(x, t + h / 2),
            "looked at the end": x + h * velocity(x + h * start, t + h),
            "mean of both ends": x + h / 2 * (start + velocity(x + h * start, t + h)),
            "only the velocity": halfway,
            "onwards from halfway": x + h / 2 * start + h * halfway,
        }

    def turning(x, t):
        return t[:, None] * x.flip(1).tanh()

    draws = zip((0.5, 0.25), (_draws(s, s[:1]) for s in _SIZES))
    return _judge(answer, explain, *((x, t.sigmoid(), h, turning) for h, (x, t) in draws))


def _two_kinds() -> tuple[Tensor, Tensor]:
    """mu and log_var (N, K) of 20,000 images, the first half of one kind, the rest of another."""
    mu, log_var = (kind.round(decimals=1) for kind in _draws((2, 3), (2, 3)))
    return mu.repeat_interleave(_EACH, 0), log_var.repeat_interleave(_EACH, 0)


def _not_drawn_from(z: Tensor, mu: Tensor, log_var: Tensor) -> str | None:
    """What tells ``z`` (N, K) from samples of N(mu, sigma^2), one for each image; None if nothing.
    The bounds lie six standard errors away or more: no right answer has such bad luck."""
    if not z.isfinite().all():
        return "Some samples are not numbers. Is there a root of something below 0?"
    if torch.equal(z, mu):
        return SENTENCES["no sampling at evaluation"]
    kinds, mu_of, log_var_of = z.unflatten(0, (-1, _EACH)), mu[::_EACH], log_var[::_EACH]
    mean, spread, sigma = kinds.mean(1), kinds.std(1), (log_var_of / 2).exp()
    if (spread < 1e-6).any():
        return SENTENCES["one epsilon for the batch"]
    if _far(spread, sigma).any():
        return _wrong_spread(mean, spread, mu_of, log_var_of)
    if (mean.abs() < 0.1).all():
        return "There is no mu in this: every image has a code around 0."
    if ((mean - mu_of).abs() > 0.1).any():
        return "The samples do not lie around mu. Is the mean of your epsilon 0?"
    epsilon = (z - mu) / (log_var / 2).exp()
    values = min(len(column.round(decimals=4).unique()) for column in epsilon.T)
    if values < 100:
        return f"Your epsilon takes only {values} different values. How many has a normal variable?"
    if min(len(column.unique()) for column in z.T) < 0.9 * len(z):
        return SENTENCES["one epsilon for the batch"]
    tails = (epsilon**4).mean(0) - 3
    if (metrics.ks_distance(epsilon) > 0.02).any() or (tails.abs() > 0.4).any():
        side = "few" if tails.mean() < 0 else "many"
        return f"Mean and spread are right, but too {side} draws lie far out for a normal variable."
    # Side by side, an image of each kind: all of these numbers should be independent.
    k, question = z.shape[1], MISTAKES["one epsilon for the batch"].question
    pairs = torch.cat(list(epsilon.reshape(-1, _EACH, k)), dim=1)
    together = torch.corrcoef(pairs.T).fill_diagonal_(0).abs()
    if together[:k, k:].diagonal().max() > 0.9:
        return SENTENCES["one epsilon for the batch"]
    if together.max() > 0.9:
        return "All latents of an image, or some, were given the same epsilon. " + question
    if together.max() > 0.07:
        return "The latents know of each other. Of which shape are the numbers that you drew?"
    return None


def _far(spread: Tensor, sigma: Tensor) -> Tensor:
    return (spread / sigma).log().abs() > 0.05


def _wrong_spread(mean: Tensor, spread: Tensor, mu: Tensor, log_var: Tensor) -> str:
    """Which mistake leads to this ``spread``, for each kind of image and each latent."""
    if not _far(spread, torch.ones(())).any() and (mean.abs() < 0.1).all():
        return "These are draws of N(0, 1). Where are mu and sigma?"
    one = torch.ones_like(mu)  # an epsilon of 1 is moved by the spread
    spreads = {
        **{name: (z - mu).abs() for name, z in _published("sample", mu, log_var, one).items()},
        "halved log_var": log_var.abs() / 2,
        "halved the variance": log_var.exp() / 2,
        "sign of log_var": (-log_var / 2).exp(),
    }
    for sentence, wrong in spreads.items():
        if not _far(spread, wrong).any():
            return SENTENCES[sentence]
    (one, _, two), (at_one, _, at_two) = spread[0].tolist(), log_var[0].tolist()
    return SENTENCES["spread"].format(one, at_one, two, at_two)


# --- what all checkers share ----------------------------------------------------------------------


def _published(part: str, *inputs: Tensor) -> dict[str, Tensor]:
    """What the mistakes of the catalogue at ``part`` make of ``inputs``."""
    there = [mistake for mistake in MISTAKES.values() if mistake.part == part]
    return {mistake.name: mistake.formula(*inputs) for mistake in there}


def _over_the_batch(right: Tensor) -> dict[str, Tensor]:
    return {"sum over the batch": right.sum(), "mean over the batch": right.mean()}


def _draws(*shapes: Sequence[int]) -> list[Tensor]:
    """Normal numbers, the same each time, in the chapters' precision."""
    generator = torch.Generator().manual_seed(4660)  # which no answer takes as its own
    return [torch.randn(shape, generator=generator) for shape in shapes]


def _judge(
    answer: Callable | None, explain: Callable[..., tuple[Tensor, dict[str, Tensor]]],
    *cases: Sequence[Tensor | float], unforeseen: str | None = None,
) -> Verdict:  # fmt: skip
    """Call ``answer`` with each of ``cases`` and compare: with what is right, with each mistake.
    explain(*inputs) -> the right values, and the mistakes: names with what they lead to."""
    for number, inputs in enumerate(cases):
        got = _call(answer, inputs)
        if isinstance(got, Verdict):
            return got
        exact = (i.double() if torch.is_tensor(i) and i.is_floating_point() else i for i in inputs)
        right, mistakes = explain(*exact)
        if _same(got, right):
            continue
        for sentence, values in mistakes.items():
            if _same(got, values):
                return Verdict(WRONG, SENTENCES[sentence])
        if got.shape != right.shape:
            return _wrong_shape(got, right.shape, inputs)
        again = _call(answer, inputs)
        if isinstance(again, Tensor) and not _same(got, again.detach()):
            return Verdict(WRONG, SENTENCES["chance"])
        if not (unforeseen or number or got.isfinite().all()):
            return Verdict(WRONG, "Some values are infinite or not a number.")
        name = unforeseen or ("built in" if number else "")
        return Verdict(WRONG, SENTENCES[name] if name else _how_far(got, right))
    return Verdict(RIGHT, "Right.")


def _call(answer: Callable | None, inputs: Sequence, shape=None) -> Tensor | Verdict:
    """What ``answer`` gives for copies of ``inputs``, or else the verdict that ends the matter."""
    copies = (i.clone() if isinstance(i, Tensor) else i for i in inputs)
    try:
        got = None if answer is None else answer(*copies)
    except NotImplementedError:
        got = None
    except Exception as error:  # the student's own, of whatever kind; it is shown to them
        return Verdict(WRONG, f"Your function stopped with {type(error).__name__}: {error}")
    if got is None or got is ...:
        return Verdict(NOT_ATTEMPTED, "not attempted yet")
    try:
        got = torch.as_tensor(got, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        return Verdict(WRONG, f"Expected a tensor; your function returned a {type(got).__name__}.")
    right = shape is None or got.shape == shape
    return got if right else _wrong_shape(got, shape, inputs)


def _wrong_shape(got: Tensor, shape: torch.Size, inputs: Sequence[Tensor | float]) -> Verdict:
    shapes = tuple(got.shape), tuple(shape), tuple(inputs[0].shape)
    return Verdict(WRONG, SENTENCES["shape"].format(*shapes))


def _same(got: Tensor, values: Tensor) -> bool:
    # Loose enough for an answer computed in float32, and NaN is the same mistake as NaN.
    return got.shape == values.shape and torch.allclose(
        got.detach().double(), values.double(), rtol=1e-4, atol=1e-5, equal_nan=True
    )


def _how_far(got: Tensor, right: Tensor) -> str:
    """A hint for a mistake that nobody foresaw, without the right values."""
    wrong = ~torch.isclose(got.detach(), right, rtol=1e-4, atol=1e-5)
    side = got.detach()[wrong] > right[wrong]
    mixed = "now too large, now too small" if side.any() else "too small"
    where = "too large" if side.all() else mixed
    return SENTENCES["how far"].format(int(wrong.sum()), wrong.numel(), where)
