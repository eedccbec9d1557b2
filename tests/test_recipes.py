"""What chapter 11's recipes do to images, draws and gradients."""

from dataclasses import replace

import pytest
import torch
from support import bars, generator

import recipes
import train_weights
from vaelib import evaluation
from vaelib.losses import iwae
from vaelib.models import Architecture

NETWORK = Architecture(encoder_hidden=(16,), decoder_hidden=(16,), image_shape=(1, 8, 8))
STILL = dict.fromkeys(recipes.WARPS, 0.0)


@pytest.fixture
def vae():
    return NETWORK.build(seed=0)


def x_of(n=6):
    return bars(n).float()


def test_no_warp_leaves_an_image_as_it_is():
    x = x_of()
    torch.testing.assert_close(recipes.warp(x, generator(), **STILL), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", recipes.WARPS)
def test_each_warp_changes_images_and_leaves_pixels_in_range(name):
    x = x_of()
    warped = recipes.warp(x, generator(), **{**STILL, name: recipes.WARPS[name]})
    assert warped.shape == x.shape
    assert 0 <= warped.min() <= warped.max() <= 1
    assert ((warped - x).flatten(1).abs().amax(1) > 0.01).float().mean() > 0.5


def test_a_shift_is_of_at_most_so_many_pixels():
    x = torch.zeros(200, 1, 8, 8)
    x[:, :, 3, 4] = 1
    warped = recipes.warp(x, generator(), **{**STILL, "shift": 1.0})
    assert warped[:, :, 2:5, 3:6].flatten(1).sum(1) == pytest.approx(1, abs=1e-4)
    assert warped[:, :, 3, 3].max() > 0.4


def test_warped_copies_teach_the_encoder_and_not_the_decoder(vae):
    digits = replace(recipes.DIGITS["taught-2d"], average=None)
    trainee, x = recipes.Trainee(vae, digits), x_of()
    output = trainee(x, generator())
    copies = output.logits[len(x) :].square().sum()
    parameters = dict(vae.named_parameters())
    gradients = torch.autograd.grad(copies, list(parameters.values()))
    assert {n.split(".")[0] for n, g in zip(parameters, gradients) if g.any()} == {"encoder"}


def test_the_average_is_of_the_weights_and_is_not_trained(vae):
    trainee = recipes.Trainee(vae, recipes.DIGITS["averaged-2d"])
    assert len(list(trainee.parameters())) == len(list(vae.parameters()))
    x, first = x_of(), vae.decoder[0].bias.detach().clone()
    trainee(x, generator())
    with torch.no_grad():
        vae.decoder[0].bias += 1
    trainee(x, generator())
    kept = trainee.average[0].module.decoder[0].bias
    torch.testing.assert_close(kept, first + 0.001)


def test_the_loss_of_five_draws_is_minus_their_importance_weighted_bound(vae):
    digits = recipes.DIGITS["one-layer-iwae"]
    trainee, x = recipes.Trainee(vae, digits), evaluation.toss(x_of())
    output = trainee(x, generator())
    terms = trainee.loss(output, x, 1.0)
    mu, log_var = vae.encode(x)
    by_hand = []
    for z in output.z.view(5, len(x), 2):
        logits = vae.decode(z)
        log_p = torch.distributions.Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1)
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
        q = torch.distributions.Normal(mu, (log_var / 2).exp()).log_prob(z).sum(1)
        by_hand.append(log_p + prior - q)
    torch.testing.assert_close(terms.loss, -iwae(torch.stack(by_hand)), atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(terms.loss, terms.reconstruction + terms.kl)


def test_pixels_are_tossed_anew_at_each_visit_and_alike_from_one_seed():
    images = bars(1)[[0] * 20]  # all the same, so that their order does not matter
    tossed, g = recipes.Tossed(images.pixels, images.labels), generator(0)
    first, second, again = (
        torch.cat([x for x, _ in tossed.batches(7, random)]) for random in (g, g, generator(0))
    )
    assert set(first.unique().tolist()) == {0, 1}
    assert again.equal(first)
    assert not second.equal(first)


def test_a_target_is_trained_behind_what_it_starts_from():
    assert train_weights.with_starts(["flow-avatars"]) == ["vae-avatars", "flow-avatars"]
    start = recipes.DIGITS["beta-4-from-1"].start
    assert train_weights.with_starts(["beta-4-from-1"]) == [start, "beta-4-from-1"]
    assert train_weights.with_starts(["judge-mnist", "beta-1"]) == ["judge-mnist", "beta-1"]
