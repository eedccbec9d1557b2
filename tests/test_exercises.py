"""Every checker: right answers pass, typical wrong ones are named, stubs are left in peace."""

import pytest
import torch
from torch.nn import functional as F

from vaelib import exercises, latent, losses


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


def laplace(mean, x, b):
    return ((x - mean).abs() / b + torch.log(2 * b)).sum((1, 2, 3))


RIGHT = {
    "laplace_nll": laplace,
    "normal_from_uniform": lambda u, mu, log_var: (
        mu + (log_var / 2).exp() * 2**0.5 * torch.erfinv(2 * u - 1)
    ),
    "gaussian_sample": gaussian_sample,
    "bernoulli_nll": lambda logits, x: (F.softplus(logits) - x * logits).sum((1, 2, 3)),
    "reparameterise": lambda mu, log_var: mu + log_var.exp().sqrt() * torch.randn(mu.shape),
    "kl_divergence": kl_divergence_sum,
    "kl_between": kl_between,
    "slerp": slerp,
    "feature_vector": lambda mu, has: mu[has == 1].mean(0) - mu[has == 0].mean(0),
}
# Checker -> wrong answers, each with a part of the sentence that it must be told.
WRONG = {
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
    ],
    "laplace_nll": [
        (lambda mean, x, b: (x - mean).abs().sum((1, 2, 3)) / b, "constant is missing"),
        (lambda mean, x, b: (x - mean).abs().sum((1, 2, 3)) / b + (2 * b).log(), "there once"),
        (lambda mean, x, b: laplace(mean, x, b) - 30 * torch.tensor(2.0).log(), "2 is missing"),
        (lambda mean, x, b: laplace(mean, x, b) - 60 * (2 * b).log(), "wrong sign"),
        (lambda mean, x, b: -laplace(mean, x, b), "or its negative"),
        (lambda mean, x, b: laplace(mean, x, b) / 30, "Which beta would that be"),
        (
            lambda mean, x, b: (x - mean).abs().mean((1, 2, 3)) / b + 30 * (2 * b).log(),
            "and the constant is not",
        ),
        (
            lambda mean, x, b: (x - mean).abs().sum((1, 2, 3)) * b + 30 * (2 * b).log(),
            "b multiplies",
        ),
        (lambda mean, x, b: losses.gaussian_nll(mean, x, b.item()), "a Gaussian, with squares"),
        (
            lambda mean, x, b: (x - mean).sum((1, 2, 3)) / b + 30 * (2 * b).log(),
            "kept their signs",
        ),
        (lambda mean, x, b: laplace(mean, x, b).sum(), "summed over the batch"),
        (lambda mean, x, b: laplace(mean, x, b).mean(), "averaged over the batch"),
        (lambda mean, x, b: (x - mean).abs() / b + (2 * b).log(), "one number per pixel"),
        (lambda mean, x, b: (x - mean).abs().sum((1, 2, 3)), "values are wrong"),
    ],
    "normal_from_uniform": [
        (lambda u, mu, log_var: mu + (log_var / 2).exp() * u, "uniform numbers went in"),
        (lambda u, mu, log_var: mu + (log_var / 2).exp() * torch.special.ndtr(u), "the CDF of u"),
        (lambda u, mu, log_var: mu + log_var.exp() * torch.special.ndtri(u), "by the variance"),
        (lambda u, mu, log_var: torch.special.ndtri(u), "N(0, 1)"),
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
        (lambda codes, epsilon: gaussian_sample(codes, epsilon)[:2], "shape is (2, 3)"),
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
        (
            lambda mu, log_var: torch.distributions.Normal(mu, (log_var / 2).exp()).sample(),
            "no gradient reaches mu",
        ),
        (
            lambda mu, log_var: mu + (log_var / 2).exp().detach() * torch.randn(mu.shape),
            "no gradient reaches log_var",
        ),
        (lambda mu, log_var: mu.sum(1), "The shape is (20000,)"),
    ],
    "kl_divergence": [
        (lambda mu, log_var: 2 * kl_divergence_sum(mu, log_var), "twice the KL"),
        (lambda mu, log_var: -kl_divergence_sum(mu, log_var), "sign"),
        (lambda mu, log_var: kl_divergence_sum(mu, log_var).sum(), "summed over the batch"),
        (lambda mu, log_var: kl_divergence_sum(mu, log_var).mean(), "averaged over the batch"),
        (lambda mu, log_var: kl_divergence_sum(mu, log_var) / mu.shape[1], "over the latents"),
        (lambda mu, log_var: kl_divergence_sum(mu.T, log_var.T), "Which axis"),
        (lambda mu, log_var: kl_divergence_sum(mu, 2 * log_var), "log_var as log sigma"),
        (lambda mu, log_var: kl_divergence_sum(mu, log_var / 2), "in both places"),
        (
            lambda mu, log_var: -0.5 * (1 + log_var - mu**2 - (log_var / 2).exp()).sum(1),
            "Sigma stands where sigma squared belongs",
        ),
        (
            lambda mu, log_var: 0.5 * (log_var + (1 + mu**2) / log_var.exp() - 1).sum(1),
            "other direction",
        ),
        (lambda mu, log_var: kl_divergence_sum(mu[:2], log_var[:2]), r"shape is (2,)"),
        (lambda mu, log_var: torch.full((4,), torch.nan), "not a number"),
        (lambda mu, log_var: kl_divergence_sum(mu, log_var) + 0.1, "4 of 4 values"),
        (lambda mu, log_var: "0.5 * mu**2", "returned a str"),
        (lambda mu, log_var: mu @ log_var, "stopped with RuntimeError"),
        (lambda mu: mu, "stopped with TypeError"),
    ],
    "kl_between": [
        (lambda mq, lq, mp, lp: kl_between(mp, lp, mq, lq), "KL(p || q)"),
        (lambda mq, lq, mp, lp: kl_divergence_sum(mq, lq), "does not look at p"),
        (lambda mq, lq, mp, lp: kl_divergence_sum(mq - mp, lq - lp), "units of p's"),
        (lambda mq, lq, mp, lp: kl_between(mq, lq, mp, lp).sum(), "summed over the batch"),
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
            "are not numbers",
        ),
        (
            lambda start, end, t: slerp(
                start, end, t, (start * end).sum(1, keepdim=True).clamp(-1, 1).acos()
            ),
            "then clamped",
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
    ],
}


def checker(name):
    return getattr(exercises, f"check_{name}")


def test_every_checker_is_tested():
    names = {name.removeprefix("check_") for name in vars(exercises) if name.startswith("check_")}
    assert names == set(RIGHT) == set(WRONG)
    assert all(len(answers) >= 3 for answers in WRONG.values())


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_passes(name):
    verdict = checker(name)(RIGHT[name])
    assert verdict
    assert repr(verdict) == "Right."


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_in_single_precision_passes(name):
    assert checker(name)(lambda *inputs: RIGHT[name](*(i.float() for i in inputs)))


@pytest.mark.parametrize("name", RIGHT)
def test_an_answer_that_changes_its_inputs_is_judged_by_what_it_returns(name):
    def spoils(*inputs):
        result = RIGHT[name](*inputs)
        for given in inputs:
            given.zero_()
        return result

    assert checker(name)(spoils)


@pytest.mark.parametrize(
    ("name", "answer", "expected"),
    [(name, answer, expected) for name, answers in WRONG.items() for answer, expected in answers],
)
def test_a_wrong_answer_is_told_what_is_wrong(name, answer, expected):
    verdict = checker(name)(answer)
    assert not verdict
    assert verdict.state == "wrong"
    assert expected in verdict.message


def _raises(*_):
    raise NotImplementedError


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
    said = [checker(name)(answer).message for answer, _ in WRONG[name]]
    assert not [message for message in said if "**" in message or "0.5 *" in message]
    assert len(set(said)) > 2, "each mistake has its own sentence"
