"""The hidden-beta calculator against published losses, and against gradients of the losses."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import generator
from torch.distributions import ContinuousBernoulli, Laplace

from vaelib.losses import (
    bernoulli_nll,
    continuous_bernoulli_nll,
    effective_beta,
    gaussian_nll,
    kl_divergence,
    mean_squared_error,
    root_mean_squared_error,
)

# code, what it minimises, and the beta that stands behind it, to the digits of the survey
PUBLISHED = [
    ("GDL 1 digits", ("squared error", 784, "mean", 1000, 1), 0.39, 2),
    ("GDL 1 faces", ("squared error", 128 * 128 * 3, "mean", 10_000, 1), 2.46, 2),
    ("GDL 2 fashion", ("cross-entropy", 32 * 32, "mean", 500, 1), 2.05, 2),
    ("GDL 2 faces", ("squared error", 32 * 32 * 3, "mean", 2000, 1), 0.77, 2),
    ("PyTorch-VAE", ("squared error", 64 * 64 * 3, "mean", 1, 0.00025), 1.54, 2),
    ("MIT lab 2", ("absolute error", 64 * 64 * 3, "mean", 1, 0.0005), 6.1, 1),
    ("VAE Explainer", ("squared error", 64 * 64 * 3, "sum", 1, 1), 0.5, 2),
    ("Keras, pytorch/examples", ("cross-entropy", 784, "sum", 1, 1), 1, 2),
]
factors = st.floats(0.01, 1e4)
sides = st.integers(1, 6)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def pixels(*shape, seed=0):
    return torch.rand(*shape, generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize(("code", "setting", "expected", "digits"), PUBLISHED, ids=lambda v: str(v))
def test_the_published_losses_have_these_betas(code, setting, expected, digits):
    error, count, reduction, r_loss_factor, kl_weight = setting
    beta = effective_beta(
        error, count, reduction=reduction, r_loss_factor=r_loss_factor, kl_weight=kl_weight
    )
    assert round(beta, digits) == expected


def the_direction(loss, x, kl_weight):
    """Gradients of loss(mean, x) + kl_weight * KL in a picture and in a posterior, as one vector.

    Two losses that differ by a factor and a constant have parallel ones.
    """
    mean, mu = draw(*x.shape, seed=1).requires_grad_(), draw(len(x), 2, seed=2).requires_grad_()
    total = loss(mean, x).sum() + kl_weight * kl_divergence(mu, mu.new_zeros(mu.shape)).sum()
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(total, (mean, mu))])
    return gradient / gradient.norm()


@given(factors, factors, sides, st.floats(0.1, 10))
def test_beta_makes_the_mean_of_squares_parallel_to_a_gaussian_bound(factor, weight, side, sigma):
    x = pixels(1, 1, side, side)
    beta = effective_beta(
        "squared error", side**2, reduction="mean", r_loss_factor=factor, kl_weight=weight,
        scale=sigma,
    )  # fmt: skip
    torch.testing.assert_close(
        the_direction(lambda mean, x: mean_squared_error(mean, x, factor), x, weight),
        the_direction(lambda mean, x: gaussian_nll(mean, x, sigma), x, beta),
    )


@given(factors, factors, sides, st.floats(0.1, 10))
def test_beta_makes_the_root_parallel_to_a_gaussian_bound_at_its_residual(
    factor, weight, side, sigma
):
    x = pixels(1, 1, side, side)
    rmse = root_mean_squared_error(draw(*x.shape, seed=1), x).item()
    beta = effective_beta(
        "RMSE per image", side**2, reduction="mean", r_loss_factor=factor, kl_weight=weight,
        scale=sigma, rmse=rmse,
    )  # fmt: skip
    torch.testing.assert_close(
        the_direction(lambda mean, x: root_mean_squared_error(mean, x, factor), x, weight),
        the_direction(lambda mean, x: gaussian_nll(mean, x, sigma), x, beta),
    )


@given(factors, factors, sides, st.floats(0.1, 10))
def test_beta_makes_the_absolute_error_parallel_to_a_laplace_bound(factor, weight, side, b):
    x = pixels(1, 1, side, side)
    beta = effective_beta(
        "absolute error", side**2, reduction="mean", r_loss_factor=factor, kl_weight=weight, scale=b
    )
    torch.testing.assert_close(
        the_direction(lambda mean, x: factor * (mean - x).abs().flatten(1).mean(1), x, weight),
        the_direction(lambda mean, x: -Laplace(mean, b).log_prob(x).flatten(1).sum(1), x, beta),
    )


@given(st.sampled_from(["squared error", "absolute error", "cross-entropy"]), sides)
def test_a_mean_over_pixels_multiplies_beta_by_their_number(error, side):
    mean, total = (effective_beta(error, side, reduction=how) for how in ("mean", "sum"))
    assert math.isclose(mean, side * total)


@given(factors)
def test_beta_at_unit_variance_is_the_variance_at_which_beta_is_one(r_loss_factor):
    setting = {"reduction": "mean", "r_loss_factor": r_loss_factor}
    variance = effective_beta("squared error", 784, **setting)
    assert math.isclose(effective_beta("squared error", 784, scale=variance**0.5, **setting), 1)


def test_near_a_logit_of_0_the_continuous_bernoulli_keeps_its_digits():
    size = torch.tensor([1e-3, 5e-3, 9.9e-3, 1.1e-2, 1.5e-2, 1.9e-2, 2.1e-2, 0.1]).double()
    logits = torch.cat([size, -size])[:, None]
    x = torch.full_like(logits, 0.3)
    log_constant = (logits / (logits / 2).tanh()).log()[:, 0]
    wanted = bernoulli_nll(logits, x) - log_constant
    found = continuous_bernoulli_nll(logits, x)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-9)
    at_0 = continuous_bernoulli_nll(torch.zeros(1, 1), torch.full((1, 1), 0.3))
    assert at_0.item() == pytest.approx(0, abs=1e-6), "as even as can be: density 1"


def test_a_mean_over_latents_divides_beta_by_their_number():
    assert (
        effective_beta("cross-entropy", 784, reduction="sum", latents_averaged=20, kl_weight=3)
        == 3 / 20
    )


def test_beta_is_zero_without_a_kl():
    assert effective_beta("cross-entropy", 784, reduction="sum", kl_weight=0) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"error": "RMSE per batch"}, "no beta: take the root of each image"),
        ({"error": "MSE"}, "error is one of squared error, .*; got 'MSE'"),
        (
            {"error": "RMSE per image"},
            "rmse above 0, the residual in question; got 'mean' and None",
        ),
        ({"error": "RMSE per image", "rmse": 0.0}, "got 'mean' and 0.0"),
        ({"error": "RMSE per image", "rmse": 0.1, "reduction": "sum"}, "got 'sum' and 0.1"),
        ({"reduction": "batchmean"}, "'sum' or 'mean' over the pixels, got 'batchmean'"),
        ({"pixels": 0}, "pixels must be finite and above 0, got 0"),
        ({"r_loss_factor": -1.0}, "r_loss_factor must be finite and above 0, got -1.0"),
        ({"scale": 0.0}, "scale must be finite and above 0, got 0.0"),
        ({"latents_averaged": 0}, "latents_averaged must be finite and above 0, got 0"),
        ({"scale": math.inf}, "scale must be finite and above 0, got inf"),
        ({"pixels": "784"}, "pixels must be finite and above 0, got '784'"),
        ({"kl_weight": math.nan}, "kl_weight must be finite and at least 0, got nan"),
        ({"error": "cross-entropy", "scale": 2.0}, "cross-entropy has no scale, got 2.0"),
        ({"error": "continuous Bernoulli", "scale": 2.0}, "Bernoulli has no scale, got 2.0"),
    ],
    ids=str,
)
def test_a_setting_without_a_beta_is_refused_with_a_reason(change, said):
    setting = {"error": "squared error", "pixels": 784, "reduction": "mean", **change}
    with pytest.raises(ValueError, match=said):
        effective_beta(**setting)


# --- the continuous Bernoulli -------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e-4, 5e-3, 0.0099, 0.0101, 0.3, 3, 8])
def test_continuous_bernoulli_nll_equals_that_of_torch_distributions(size):
    logits, x = size * draw(3, 1, 4, 4), pixels(3, 1, 4, 4)
    expected = -ContinuousBernoulli(logits=logits).log_prob(x).flatten(1).sum(1)
    # torch's own constant is a series within .499 to .501, and rounds its probabilities.
    torch.testing.assert_close(continuous_bernoulli_nll(logits, x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("logit", [-5.0, -0.02, 0.0, 0.009, 1.0, 9.0])
def test_the_continuous_bernoulli_density_integrates_to_one(logit):
    x = torch.linspace(0, 1, 20_001, dtype=torch.float64)[:, None]
    density = (-continuous_bernoulli_nll(torch.full_like(x, logit), x)).exp()
    assert abs(torch.trapezoid(density, x[:, 0]).item() - 1) < 1e-5


def test_continuous_bernoulli_nll_has_a_finite_gradient_everywhere():
    logits = torch.tensor([[0.0, 1e-8, -0.0099, 300.0, -300.0]], requires_grad=True)
    continuous_bernoulli_nll(logits, torch.full_like(logits, 0.3)).sum().backward()
    assert logits.grad.isfinite().all()
    assert abs(logits.grad[0, 0].item() - 0.2) < 1e-6  # sigmoid(0) - x
