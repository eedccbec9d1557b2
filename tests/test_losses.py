"""The losses against closed forms, torch.distributions, Monte Carlo and their own docstrings."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from support import generator
from torch.distributions import Bernoulli, Normal
from torch.distributions import kl_divergence as torch_kl

from vaelib.losses import (
    bernoulli_nll,
    continuous_bernoulli_nll,
    elbo,
    gaussian_nll,
    iwae,
    kl_divergence,
    kl_parts,
    log_normal,
    mean_squared_error,
    negative_elbo,
    root_mean_squared_error,
)

mus = st.floats(-6, 6)
log_vars = st.floats(-12, 6)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def pixels(*shape, seed=0):
    return torch.rand(*shape, generator=generator(seed), dtype=torch.float64)


# --- The KL divergence ----------------------------------------------------------------------


def test_kl_is_zero_at_the_prior():
    assert kl_divergence(torch.zeros(3, 5), torch.zeros(3, 5)).tolist() == [0, 0, 0]


@given(mus, log_vars)
def test_kl_is_positive_away_from_the_prior(mu, log_var):
    assume(abs(mu) > 1e-3 or abs(log_var) > 1e-3)
    value = kl_divergence(torch.tensor([[mu]]).double(), torch.tensor([[log_var]]).double())
    assert value.item() > 0


@given(st.lists(st.tuples(mus, log_vars), min_size=1, max_size=8))
def test_the_two_prices_of_the_kl_are_never_negative_and_sum_to_it(latents):
    mu, log_var = torch.tensor(latents, dtype=torch.float64).T[:, None]
    of_mu, of_sigma = kl_parts(mu, log_var)
    assert of_mu >= 0
    assert of_sigma >= -1e-12  # beside 1, what is smaller is rounded away
    torch.testing.assert_close(of_mu + of_sigma, kl_divergence(mu, log_var))
    # Each is the whole KL where what the other is for costs nothing.
    nothing = torch.zeros_like(mu)
    torch.testing.assert_close(of_mu, kl_divergence(mu, nothing))
    torch.testing.assert_close(of_sigma, kl_divergence(nothing, log_var))


@given(st.lists(st.tuples(mus, log_vars), min_size=1, max_size=8))
def test_kl_equals_that_of_torch_distributions(latents):
    mu, log_var = torch.tensor(latents, dtype=torch.float64).T[:, None]
    expected = torch_kl(Normal(mu, (log_var / 2).exp()), Normal(torch.zeros_like(mu), 1.0)).sum(1)
    torch.testing.assert_close(kl_divergence(mu, log_var), expected)


@pytest.mark.parametrize(("mu", "log_var"), [(0.0, -2.0), (1.5, 0.0), (-2.0, 1.0), (0.3, -5.0)])
def test_kl_equals_its_monte_carlo_estimate(mu, log_var):
    n = 200_000
    q = Normal(torch.tensor(mu).double(), torch.tensor(log_var / 2).double().exp())
    z = q.mean + q.stddev * draw(n)
    terms = q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)
    standard_error = (terms.std() / math.sqrt(n)).item()
    closed = kl_divergence(q.mean.view(1, 1), 2 * q.stddev.log().view(1, 1)).item()
    assert abs(terms.mean().item() - closed) < 4 * standard_error
    assert standard_error < 0.01 * closed  # so that a factor, or sigma for sigma^2, would show


@given(mus, log_vars)
def test_the_gradient_of_the_kl_is_mu_and_half_of_variance_less_one(mu, log_var):
    mu = torch.tensor([[mu]], dtype=torch.float64, requires_grad=True)
    log_var = torch.tensor([[log_var]], dtype=torch.float64, requires_grad=True)
    kl_divergence(mu, log_var).sum().backward()
    torch.testing.assert_close(mu.grad, mu.detach())
    torch.testing.assert_close(log_var.grad, (log_var.detach().exp() - 1) / 2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_small_kl_is_as_exact_in_half_precision_as_its_inputs(dtype):
    mu = torch.linspace(-0.2, 0.2, 20).to(dtype)[:, None]
    log_var = torch.linspace(-0.1, 0.3, 20).to(dtype)[:, None]
    exact = kl_divergence(mu.double(), log_var.double())
    torch.testing.assert_close(kl_divergence(mu, log_var).double(), exact, rtol=1e-3, atol=1e-6)
    parts = sum(kl_parts(mu, log_var)).double()
    torch.testing.assert_close(parts, exact, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    "nll", [bernoulli_nll, gaussian_nll, mean_squared_error, continuous_bernoulli_nll]
)
def test_a_sum_over_pixels_is_as_exact_in_half_precision_as_its_inputs(nll):
    prediction, x = (part.to(torch.bfloat16) for part in (draw(4, 784), draw(4, 784, seed=1)))
    x = x.sigmoid()
    exact = nll(prediction.double(), x.double())
    torch.testing.assert_close(nll(prediction, x).double(), exact, rtol=1e-4, atol=1e-3)


def test_kl_adds_over_latents():
    mu, log_var = draw(4, 6), draw(4, 6, seed=1)
    parts = kl_divergence(mu[:, :2], log_var[:, :2]) + kl_divergence(mu[:, 2:], log_var[:, 2:])
    torch.testing.assert_close(kl_divergence(mu, log_var), parts)


@pytest.mark.parametrize(
    ("left", "right"), [((3, 2), (3, 1)), ((2,), (2,)), ((1, 2, 2), (1, 2, 2))]
)
def test_kl_of_wrong_shapes_says_what_came_and_what_to_do(left, right):
    with pytest.raises(ValueError, match=r"both \(N, K\); got \(") as error:
        kl_divergence(torch.zeros(left), torch.zeros(right))
    for shape in (left, right):
        assert str(shape) in str(error.value)
    assert "mu[None]" in str(error.value)


# --- Reconstruction terms -------------------------------------------------------------------

TERMS = {
    "bernoulli": bernoulli_nll,
    "gaussian": gaussian_nll,
    "mse": lambda p, x: mean_squared_error(p, x, 1000.0),
    "rmse": lambda p, x: root_mean_squared_error(p, x, 100.0),
}
each_term = pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)


@each_term
@pytest.mark.parametrize("shape", [(1, 1, 4, 4), (7, 3, 2, 5), (3, 9)], ids=str)
def test_each_term_is_one_number_per_image(term, shape):
    assert term(draw(*shape), pixels(*shape)).shape == shape[:1]


@each_term
def test_no_term_mixes_the_images_of_a_batch(term):
    prediction, x = draw(5, 1, 4, 4), pixels(5, 1, 4, 4)
    alone = torch.cat([term(prediction[i : i + 1], x[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(term(prediction, x), alone)


@each_term
def test_each_term_refuses_a_missing_channel_axis(term):
    with pytest.raises(ValueError, match="channel axis") as error:
        term(torch.zeros(2, 1, 4, 4), torch.zeros(2, 4, 4))
    assert "(2, 1, 4, 4)" in str(error.value)
    assert "(2, 4, 4)" in str(error.value)


def test_bernoulli_nll_is_a_likelihood_on_black_and_white_pixels():
    logits, x = 3 * draw(6, 1, 5, 5), pixels(6, 1, 5, 5).round()
    expected = -Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(bernoulli_nll(logits, x), expected)


def test_bernoulli_nll_is_least_where_the_decoded_pixel_is_the_pixel():
    x = pixels(2, 1, 3, 3) * 0.98 + 0.01
    logits = x.logit().requires_grad_()
    value = bernoulli_nll(logits, x)
    value.sum().backward()
    torch.testing.assert_close(logits.grad, torch.zeros_like(x))
    # What is left is the entropy of the grey pixels: above zero.
    torch.testing.assert_close(value.detach(), Bernoulli(x).entropy().flatten(1).sum(1))
    assert value.min() > 0


def test_bernoulli_nll_stays_finite_and_exact_at_extreme_logits():
    logits = torch.tensor([[1000.0, -1000.0]])
    assert bernoulli_nll(logits, torch.tensor([[1.0, 0.0]])).item() == 0
    assert bernoulli_nll(logits, torch.tensor([[0.0, 1.0]])).item() == 2000


@pytest.mark.parametrize(("bad", "said"), [(255.0, "255"), (-0.5, "-0.5"), (math.nan, "nan")])
def test_bernoulli_nll_refuses_pixels_outside_0_to_1(bad, said):
    x = torch.full((2, 1, 2, 2), 0.5)
    x[1, 0, 1, 1] = bad
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]") as error:
        bernoulli_nll(torch.zeros_like(x), x)
    assert said in str(error.value)
    assert "Divide 8-bit pixels by 255" in str(error.value)


@given(st.floats(0.01, 100))
def test_gaussian_nll_equals_that_of_torch_distributions_with_its_constant(sigma):
    mean, x = draw(3, 1, 4, 4), pixels(3, 1, 4, 4)
    expected = -Normal(mean, sigma).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(gaussian_nll(mean, x, sigma), expected)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf, "1", None])
def test_gaussian_nll_refuses_a_sigma_that_is_no_standard_deviation(sigma):
    with pytest.raises(ValueError, match=f"sigma must be finite and above 0, got {sigma!r}"):
        gaussian_nll(torch.zeros(1, 2), torch.zeros(1, 2), sigma)


def test_mean_squared_error_is_the_mean_over_pixels():
    prediction = torch.tensor([[[[0.0, 1.0], [0.5, 0.5]]]])
    assert mean_squared_error(prediction, torch.zeros(1, 1, 2, 2)).item() == 1.5 / 4


@given(st.floats(0.1, 1e5), st.integers(1, 6))
def test_r_loss_factor_is_the_variance_of_a_gaussian_decoder_in_disguise(r_loss_factor, side):
    mean, x = draw(3, 1, side, side), pixels(3, 1, side, side)
    d = side**2
    sigma = math.sqrt(d / (2 * r_loss_factor))
    constant = d * math.log(sigma * math.sqrt(2 * math.pi))
    torch.testing.assert_close(
        mean_squared_error(mean, x, r_loss_factor), gaussian_nll(mean, x, sigma) - constant
    )


@given(st.floats(0.1, 1e4))
def test_root_mean_squared_error_is_the_root_before_the_factor(r_loss_factor):
    mean, x = draw(3, 1, 4, 4), pixels(3, 1, 4, 4)
    torch.testing.assert_close(
        root_mean_squared_error(mean, x, r_loss_factor),
        r_loss_factor * mean_squared_error(mean, x).sqrt(),
    )


def test_root_mean_squared_error_has_a_finite_gradient_at_a_perfect_picture():
    mean = torch.full((1, 1, 2, 2), 0.5, requires_grad=True)
    value = root_mean_squared_error(mean, mean.detach().clone())
    value.sum().backward()
    assert value.item() < 1e-5
    assert mean.grad.tolist() == torch.zeros(1, 1, 2, 2).tolist()


# --- The ELBO -------------------------------------------------------------------------------


def inputs(seed=0):
    shape = (4, 1, 3, 3)
    logits, x = draw(*shape, seed=seed), pixels(*shape, seed=seed)
    return logits, x, draw(4, 2, seed=seed + 1), draw(4, 2, seed=seed + 2)


@given(st.floats(0, 10))
def test_the_loss_is_reconstruction_plus_beta_times_kl(beta):
    logits, x, mu, log_var = inputs()
    terms = negative_elbo(logits, x, mu, log_var, beta)
    torch.testing.assert_close(terms.reconstruction, bernoulli_nll(logits, x))
    torch.testing.assert_close(terms.kl, kl_divergence(mu, log_var))
    torch.testing.assert_close(terms.loss, terms.reconstruction + beta * terms.kl)
    assert all(term.shape == (4,) for term in terms)


def test_an_autoencoder_has_a_kl_of_zero():
    logits, x, mu, _ = inputs()
    terms = negative_elbo(logits, x, mu, None, beta=3.0)
    assert terms.kl.tolist() == [0, 0, 0, 0]
    assert terms.loss.equal(terms.reconstruction)


def test_beta_zero_leaves_out_even_an_infinite_kl():
    logits, x, mu, log_var = inputs()
    terms = negative_elbo(logits, x, mu, torch.full_like(log_var, -math.inf), beta=0.0)
    assert terms.kl.isinf().all()
    assert terms.loss.equal(terms.reconstruction)


def test_any_reconstruction_term_can_stand_in_the_elbo():
    logits, x, mu, log_var = inputs()
    terms = negative_elbo(logits, x, mu, log_var, reconstruction=gaussian_nll)
    torch.testing.assert_close(terms.reconstruction, gaussian_nll(logits, x))


def test_the_elbo_of_a_decoder_that_ignores_z_is_log_p_less_the_kl():
    logits, x, mu, log_var = inputs()
    # Such a decoder has log p(x) = -nll whatever z is, so the gap is exactly KL(q || p).
    torch.testing.assert_close(
        elbo(logits, x, mu, log_var), -bernoulli_nll(logits, x) - kl_divergence(mu, log_var)
    )


@given(st.lists(st.tuples(mus, mus, log_vars), min_size=1, max_size=5))
def test_log_normal_equals_that_of_torch_distributions(latents):
    z, mu, log_var = torch.tensor(latents, dtype=torch.float64).T[:, None]
    expected = Normal(mu, (log_var / 2).exp()).log_prob(z).sum(-1)
    torch.testing.assert_close(log_normal(z, mu, log_var), expected)


def test_log_normal_keeps_leading_axes():
    assert log_normal(draw(7, 3, 2), draw(3, 2), draw(3, 2)).shape == (7, 3)


# --- The importance-weighted bound, on a toy whose log p(x) is known ------------------------
# z ~ N(0, 1), x | z ~ N(W z, S2), so x ~ N(0, W^2 + S2) and z | x is normal.

W, S2 = 1.5, 0.3
X = torch.tensor([-3.0, -0.4, 0.0, 1.0, 2.5], dtype=torch.float64)
LOG_P = Normal(0.0, math.sqrt(W**2 + S2)).log_prob(X)


def log_weights(samples, mean_off=0.0, log_var_off=0.0, seed=0):
    """(samples, N) log-weights of a q that is the true posterior, or off by as much as asked."""
    precision = 1 + W**2 / S2
    mu = (W * X / S2 / precision + mean_off)[:, None]
    log_var = torch.full_like(mu, -math.log(precision) + log_var_off)
    z = mu + (log_var / 2).exp() * draw(samples, len(X), 1, seed=seed)
    log_p_x_given_z = Normal(W * z[..., 0], math.sqrt(S2)).log_prob(X)
    zero = torch.zeros_like(mu)
    return log_p_x_given_z + log_normal(z, zero, zero) - log_normal(z, mu, log_var)


@pytest.mark.parametrize("samples", [1, 7])
def test_iwae_is_log_p_at_any_number_of_samples_when_q_is_the_posterior(samples):
    torch.testing.assert_close(iwae(log_weights(samples)), LOG_P)


def test_iwae_of_one_sample_is_the_one_sample_elbo():
    weights = log_weights(1, mean_off=0.5)
    assert iwae(weights).equal(weights[0])


@given(st.lists(st.floats(-500, 500), min_size=1, max_size=20))
def test_iwae_is_at_least_the_mean_log_weight_and_at_most_the_largest(values):
    weights = torch.tensor(values, dtype=torch.float64)[:, None]
    assert weights.mean() - 1e-9 <= iwae(weights).item() <= weights.max() + 1e-9


def test_iwae_rises_with_the_samples_and_stays_below_log_p_on_average():
    runs = 2000
    bounds = {}
    for samples in (1, 5, 50):
        weights = log_weights(samples * runs, 0.4, 0.5).view(runs, samples, len(X))
        each = torch.stack([iwae(run) for run in weights])
        bounds[samples] = each.mean(0), 4 * each.std(0) / math.sqrt(runs)
    for few, many in ((1, 5), (5, 50)):
        assert (bounds[many][0] - bounds[many][1] > bounds[few][0] + bounds[few][1]).all()
    for mean, error in bounds.values():
        assert (mean - error < LOG_P).all()


def test_iwae_comes_near_log_p_with_many_samples():
    elbo_gap = (LOG_P - log_weights(100_000, 0.4, 0.5).mean(0)).min()
    assert elbo_gap > 0.2
    torch.testing.assert_close(iwae(log_weights(100_000, 0.4, 0.5)), LOG_P, atol=0.02, rtol=0)


def test_iwae_of_a_wrong_shape_says_what_came():
    with pytest.raises(ValueError, match=r"\(samples, N\), got \(5,\)"):
        iwae(torch.zeros(5))


@pytest.mark.parametrize("beta", [math.nan, math.inf, -1.0, None, "1"])
def test_a_weight_of_the_kl_that_no_config_takes_is_refused_by_the_loss_itself(beta):
    logits, mu = draw(3, 1, 4, 4), draw(3, 2)
    with pytest.raises(ValueError, match=f"beta must be finite and at least 0, got {beta!r}"):
        negative_elbo(logits, logits.sigmoid(), mu, mu, beta)
