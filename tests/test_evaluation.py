"""log p(x) by importance sampling against a grid over the plane, and what it promises."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from support import generator

from vaelib import data, evaluation, weights
from vaelib.losses import bernoulli_nll, log_normal, negative_elbo
from vaelib.models import Architecture, Gaussian

TINY = Architecture(encoder_hidden=(8,), decoder_hidden=(8,), image_shape=(1, 3, 4))


@pytest.fixture(scope="module")
def model():
    """Two latents and twelve pixels, with weights large enough for a curved posterior."""
    model = TINY.build(seed=1)
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(3)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def x():
    return evaluation.toss(torch.full((5, 1, 3, 4), 0.4), seed=3)


def on_a_grid(model, x):
    """log p(x) of each image, (N,), summed over a fine grid."""
    axis = torch.arange(-6, 6, 0.05)
    z = torch.cartesian_prod(axis, axis)
    zero = torch.zeros(2)
    logits = model.decode(z)
    log_p_x_given_z = torch.stack([-bernoulli_nll(logits, one.expand_as(logits)) for one in x], 1)
    log_joint = log_p_x_given_z + log_normal(z, zero, zero)[:, None]
    return log_joint.logsumexp(0) + 2 * torch.tensor(0.05).log()


def test_the_estimate_is_log_p_of_a_model_small_enough_for_a_grid(model, x):
    found = evaluation.log_likelihood(model, x, 5000)
    torch.testing.assert_close(found.log_p, on_a_grid(model, x).double(), atol=0.05, rtol=0)


def test_mean_and_error_are_over_the_images(model, x):
    found = evaluation.log_likelihood(model, x, 10)
    assert found.mean == pytest.approx(found.log_p.mean().item())
    assert found.error == pytest.approx(found.log_p.std().item() / len(x) ** 0.5)


def test_the_bound_rises_with_the_draws_and_stays_below_log_p(model, x):
    far = Gaussian(torch.ones(5, 2), torch.zeros(5, 2))  # a poor q, so that the bound has far to go
    log_w = evaluation.log_weights(model, x, 4096, q=far)
    by_draws = [
        log_w.view(-1, k, 5).logsumexp(1).sub(torch.tensor(float(k)).log()).mean(0)
        for k in (1, 4, 16, 64)
    ]
    for fewer, more in itertools.pairwise(by_draws):
        assert (more > fewer).all()
    assert (by_draws[-1] < on_a_grid(model, x) + 0.1).all()  # 64 means of 64 draws
    assert (by_draws[0] < on_a_grid(model, x) - 0.1).all()


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_how_many_are_decoded_at_once_does_not_change_the_value(model, x, batch_size):
    wanted = evaluation.log_likelihood(model, x, 64)
    found = evaluation.log_likelihood(model, x, 64, batch_size=batch_size)
    torch.testing.assert_close(found.log_p, wanted.log_p, atol=1e-5, rtol=0)
    first = evaluation.log_likelihood(model, x[:2], 64)
    torch.testing.assert_close(first.log_p, wanted.log_p[:2], atol=1e-5, rtol=0)


def test_another_seed_draws_otherwise_and_each_image_its_own(model, x):
    same = x[:1].expand(2, 1, 3, 4)
    first, second = evaluation.log_likelihood(model, same, 4).log_p
    assert first != second
    assert evaluation.log_likelihood(model, same, 4, seed=1).log_p[0] != first


def test_the_log_weights_are_those_of_a_loop_written_by_hand(model, x):
    log_w = evaluation.log_weights(model, x, 7, seed=2, batch_size=3)
    q, zero = model.encode(x), torch.zeros(2)
    for i in range(len(x)):
        random = generator(2 * 1_000_003 + i)  # an image's own, whatever the others are
        sigma = (q.log_var[i] / 2).exp()
        z = q.mu[i] + sigma * torch.randn(7, 2, generator=random)
        log_p = -bernoulli_nll(model.decode(z), x[i].expand(7, -1, -1, -1))
        wanted = log_p + log_normal(z, zero, zero) - log_normal(z, q.mu[i], q.log_var[i])
        torch.testing.assert_close(log_w[:, i], wanted, rtol=1e-5, atol=1e-5)


def test_a_climb_is_that_of_a_loop_written_by_hand(model, x):
    found = evaluation.refine(model, x, steps=9, draws=3, lr=0.1, seed=4)
    q = [part.clone().requires_grad_() for part in model.encode(x)]
    random, optimiser = generator(4), torch.optim.Adam(q, 0.1)
    for step in range(9):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 + math.cos(math.pi * step / 9)) / 2
        optimiser.zero_grad()
        mu, log_var = (part.repeat(3, 1) for part in q)
        z = mu + (log_var / 2).exp() * torch.randn(mu.shape, generator=random)
        loss = negative_elbo(model.decode(z), x.repeat(3, 1, 1, 1), mu, log_var).loss
        loss.sum().backward()
        optimiser.step()
    for part, wanted in zip(found, q, strict=True):
        torch.testing.assert_close(part, wanted.detach(), rtol=1e-4, atol=1e-4)
        assert not part.requires_grad
    assert evaluation.refine(model, x, steps=1, draws=1).mu.shape == (5, 2)


def test_a_climb_begins_where_it_is_told_to(model, x):
    start = Gaussian(torch.full((5, 2), 3.0), torch.zeros(5, 2))
    found = evaluation.refine(model, x, start, steps=1, draws=1, lr=1e-3)
    torch.testing.assert_close(found.mu, start.mu, atol=1.1e-3, rtol=0)
    assert start.mu.eq(3).all()


def test_grey_pixels_are_refused_and_tossed_ones_are_not(model):
    grey = torch.full((2, 1, 3, 4), 0.5)
    with pytest.raises(ValueError, match=r"100\.0% of the pixels.*toss"):
        evaluation.log_likelihood(model, grey, 2)
    grey[0] = 0
    grey[1, :, 0] = 1
    with pytest.raises(ValueError, match=r"33\.3% of the pixels.*toss"):
        evaluation.log_likelihood(model, grey, 2)
    evaluation.log_likelihood(model, evaluation.toss(grey), 1)


def test_a_tossed_pixel_is_ink_as_often_as_it_is_grey():
    grey = torch.linspace(0, 1, 5).repeat(20_000, 1)[:, None, None]
    tossed = evaluation.toss(grey)
    assert set(tossed.unique().tolist()) == {0, 1}
    torch.testing.assert_close(tossed.mean(0), grey[0], atol=0.02, rtol=0)
    assert tossed.equal(evaluation.toss(grey))
    assert not tossed.equal(evaluation.toss(grey, seed=1))


def test_equal_weights_are_worth_all_draws_and_one_heavy_weight_is_worth_one(model, x):
    log_w = torch.zeros(50, 2)
    log_w[7, 1] = 100
    assert evaluation.effective_draws(log_w).tolist() == pytest.approx([50, 1], rel=1e-5)
    found = evaluation.log_likelihood(model, x, 50).effective
    assert (found > 1).all()
    assert (found < 50).all()


def test_the_exact_posterior_makes_all_weights_log_p():
    """A decoder that does not look at z: the prior is the posterior."""
    deaf = TINY.build(seed=0).eval().requires_grad_(False)
    for layer in (deaf.decoder[0], deaf.encoder[-1]):
        layer.weight.zero_()
    deaf.encoder[-1].bias.zero_()
    x = evaluation.toss(torch.full((3, 1, 3, 4), 0.5))
    log_w = evaluation.log_weights(deaf, x, 30)
    torch.testing.assert_close(log_w, log_w[:1].expand_as(log_w), atol=1e-5, rtol=0)
    assert evaluation.effective_draws(log_w).tolist() == pytest.approx([30] * 3, rel=1e-4)


def test_refining_raises_the_elbo_of_each_image_and_leaves_the_model(model, x):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    q = evaluation.refine(model, x, steps=100)

    @torch.no_grad()
    def elbo(q):
        z = q.mu + (q.log_var / 2).exp() * torch.randn(4000, *q.mu.shape, generator=generator(0))
        many = (part.repeat(4000, 1) for part in q)
        terms = negative_elbo(model.decode(z.flatten(0, 1)), x.repeat(4000, 1, 1, 1), *many)
        return -terms.loss.reshape(4000, -1).mean(0)

    encoded, refined = elbo(model.encode(x)), elbo(q)
    assert (refined > encoded + 0.05).all()
    assert (refined < on_a_grid(model, x) + 0.02).all()
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("given", ["k", "batch_size"])
@pytest.mark.parametrize("value", [0, -1, 1.5, None, "8"])
def test_draws_and_batches_are_whole_numbers_of_them(model, x, given, value):
    for estimate in (evaluation.log_likelihood, evaluation.log_weights):
        with pytest.raises(ValueError, match=f"{given} must be a whole number, at least 1, got"):
            estimate(model, x, **{"k": 8, given: value})


@pytest.mark.parametrize("given", ["steps", "draws"])
@pytest.mark.parametrize("value", [0, -1, 1.5, None])
def test_a_climb_without_steps_or_draws_is_refused(model, x, given, value):
    with pytest.raises(ValueError, match=f"{given} must be a whole number, at least 1, got"):
        evaluation.refine(model, x, **{given: value})


@pytest.mark.parametrize("lr", [0.0, -1.0, math.nan, None])
def test_a_climb_needs_a_step_that_is_above_0(model, x, lr):
    with pytest.raises(ValueError, match=f"lr must be finite and above 0, got {lr!r}"):
        evaluation.refine(model, x, steps=2, lr=lr)


def test_only_a_vae_and_images_of_its_shape_have_a_likelihood(model, x):
    for other in (replace(TINY, kind="ae").build(), None):
        with pytest.raises(TypeError, match=r"only a VAE has a posterior q\(z\|x\)"):
            evaluation.log_likelihood(other, x, 8)
    with pytest.raises(TypeError, match="VAE takes a tensor, got None"):
        evaluation.log_likelihood(model, None, 8)
    with pytest.raises(ValueError, match=r"VAE cannot take .*\(5, 2, 3, 4\)"):
        evaluation.log_likelihood(model, x.repeat(1, 2, 1, 1), 8)


@pytest.mark.parametrize("name", ["one-layer-vae", "one-layer-iwae"])
def test_the_stored_likelihood_of_a_shipped_network_is_found_again(name):
    """On its first 200 images, by other draws: within what draws may differ by."""
    test = data.mnist().test
    x = evaluation.toss(test.float())[:200]
    said = weights.scores()[name]["nll"]
    assert (said["images"], said["draws"]) == (10_000, 5000)
    found = evaluation.log_likelihood(weights.load(name), x, 500, seed=1)
    assert -found.mean == pytest.approx(said["first_200"], abs=0.4)  # fewer draws: a looser bound
    assert -found.mean > said["first_200"] - 0.05
