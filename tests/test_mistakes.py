"""The catalogue of mistakes: each differs from what is right, and shows what it says it shows."""

from dataclasses import FrozenInstanceError
from functools import cache
from itertools import combinations

import pytest
import torch
from support import generator
from torch.nn import functional as F

from vaelib import data
from vaelib.losses import bernoulli_nll
from vaelib.mistakes import MISTAKES, RIGHT
from vaelib.models import Architecture, Output
from vaelib.training import Config, elbo_loss, evaluate, fit

ARCHITECTURE = Architecture(encoder_hidden=(16,), decoder_hidden=(16,))
SEEDS = pytest.mark.parametrize("seed", [0, 1])
EACH = pytest.mark.parametrize("name", MISTAKES)


@cache
def images():
    return data.mnist().train[:512]


@cache
def run(name, seed, beta=1.0):
    """A VAE trained with a mistake (None: without), what it reports, and what is the case."""
    mistake, vae = MISTAKES.get(name), ARCHITECTURE.build(seed)
    model, loss = (mistake.model(vae), mistake.loss) if mistake else (vae, elbo_loss)
    config = Config(epochs=10, batch_size=32, lr=1e-2, beta=beta, seed=seed)
    fit(model, images(), config, loss=loss, progress=False)
    return vae, evaluate(model, images(), loss, beta), evaluate(vae, images())


def codes(name, seed, beta=1.0):
    vae = run(name, seed, beta)[0]
    with torch.no_grad():
        return vae.encode(images().float())


def sigma(name, seed, beta=1.0):
    return (codes(name, seed, beta).log_var / 2).exp().median().item()


def average_of_all():
    """Nats of the average digit, painted for every image."""
    x = images().float()
    return bernoulli_nll(x.mean(0).clamp(1e-4, 1 - 1e-4).logit().expand_as(x), x).mean().item()


def logits(name, seed):
    mu = codes(name, seed).mu
    with torch.no_grad():
        return run(name, seed)[0].decode(mu)


def spread_of_pictures(name, seed):
    return logits(name, seed).sigmoid().std(0).mean().item()


# --- The entries ------------------------------------------------------------------------------


def inputs(part):
    log_odds = torch.randn(5, 1, 3, 4, generator=generator(0))
    x = torch.rand(5, 1, 3, 4, generator=generator(1))
    mu, log_var, epsilon = torch.randn(3, 5, 2, generator=generator(2))
    return {
        "reconstruction": (log_odds, x),
        "kl": (mu, log_var),
        "sample": (mu, log_var, epsilon),
        "picture": (log_odds,),
    }[part]


@EACH
def test_each_formula_differs_from_the_right_one_for_every_image(name):
    mistake = MISTAKES[name]
    wrong, right = (
        mistake.formula(*inputs(mistake.part)),
        RIGHT[mistake.part](*inputs(mistake.part)),
    )
    far = ((wrong - right).abs() > 0.01).reshape(5, -1).any(1)
    first = name == "one epsilon for the batch"  # to the first image belongs the first epsilon
    assert far[first:].all()


def entropy(logits, x):
    return -(x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)).sum((1, 2, 3))


def nats(mu, sigma_squared, log_term):
    return ((mu**2 + sigma_squared - log_term - 1) / 2).sum(1)


# What each program computes, written as its author did.
AS_PUBLISHED = {
    "mean over pixels": lambda logits, x: F.binary_cross_entropy_with_logits(
        logits, x, reduction="none"
    ).mean((1, 2, 3)),
    "sum over the batch": lambda logits, x: F.binary_cross_entropy_with_logits(
        logits, x, reduction="sum"
    ),
    "sigmoid twice": lambda logits, x: entropy(logits.sigmoid(), x),
    "pixels up to 255": lambda logits, x: entropy(logits, 255 * x),
    "sigma for sigma squared": lambda mu, log_var: nats(mu, (log_var / 2).exp(), log_var),
    "sigma for sigma squared, twice": lambda mu, log_var: nats(
        mu, (log_var / 2).exp(), (log_var / 2).exp().log()
    ),
    "sign of the KL": lambda mu, log_var: -nats(mu, log_var.exp(), log_var),
    "mean over the latents": lambda mu, log_var: (mu**2 + log_var.exp() - log_var - 1).mean(1) / 2,
    "log variance as sigma": lambda mu, log_var, epsilon: mu + log_var * epsilon,
    "variance as sigma": lambda mu, log_var, epsilon: mu + log_var.exp() * epsilon,
    "one epsilon for the batch": lambda mu, log_var, epsilon: (
        mu + log_var.exp() ** 0.5 * epsilon[0]
    ),
    "no sampling at evaluation": lambda mu, log_var, epsilon: mu,
    "no sigmoid": lambda logits: logits,
}


@EACH
def test_each_formula_is_what_its_program_computes(name):
    part = MISTAKES[name].part
    wanted = AS_PUBLISHED[name](*inputs(part))
    torch.testing.assert_close(MISTAKES[name].formula(*inputs(part)), wanted)


def test_what_belongs_at_each_place_is_what_a_vae_does():
    vae, (mu, log_var) = ARCHITECTURE.build(), inputs("kl")
    epsilon = torch.randn(mu.shape, generator=generator())
    drawn = vae.reparameterise(mu, log_var, generator())
    torch.testing.assert_close(RIGHT["sample"](mu, log_var, epsilon), drawn)
    torch.testing.assert_close(
        RIGHT["reconstruction"](*inputs("reconstruction")), entropy(*inputs("reconstruction"))
    )
    torch.testing.assert_close(RIGHT["kl"](mu, log_var), nats(mu, log_var.exp(), log_var))


def test_no_two_entries_are_one():
    values = {
        name: (mistake.part, mistake.formula(*inputs(mistake.part)))
        for name, mistake in MISTAKES.items()
    }
    pairs = [
        (one, other)
        for one, other in combinations(values, 2)
        if values[one][0] == values[other][0]
        and values[one][1].shape == values[other][1].shape
        and torch.allclose(values[one][1], values[other][1], atol=0.01)
    ]
    assert pairs == []


@EACH
def test_a_loss_is_what_fit_takes_and_differs_only_where_the_mistake_sits(name):
    mistake, (log_odds, x), (mu, log_var) = MISTAKES[name], inputs("reconstruction"), inputs("kl")
    output = Output(log_odds, torch.full_like(mu, torch.nan), mu, log_var)  # z is in no loss
    got, right = mistake.loss(output, x, 2.0), elbo_loss(output, x, 2.0)
    assert [term.shape for term in got] == [(5,)] * 3
    torch.testing.assert_close(got.loss, got.reconstruction + 2 * got.kl)
    for part, there, true in zip(("reconstruction", "kl"), got[1:], right[1:]):
        assert torch.allclose(there, true) == (mistake.part != part)


@EACH
def test_a_model_samples_as_the_formula_says_and_leaves_the_right_one_alone(name):
    mistake, vae = MISTAKES[name], ARCHITECTURE.build()
    mu, log_var = inputs("kl")
    right = vae.reparameterise(mu, log_var, generator())
    epsilon = torch.randn(mu.shape, generator=generator())
    got = mistake.model(vae).reparameterise(mu, log_var, generator())
    torch.testing.assert_close(got, mistake.at("sample")(mu, log_var, epsilon))
    assert torch.equal(vae.reparameterise(mu, log_var, generator()), right)
    assert mistake.model(vae).encoder is vae.encoder


@EACH
def test_an_entry_is_told_in_sentences_and_has_a_source(name):
    mistake = MISTAKES[name]
    assert mistake.name == name
    assert mistake.sentence.endswith(".")
    assert mistake.question.endswith("?")
    assert mistake.symptom.endswith(".")
    assert mistake.source
    with pytest.raises(FrozenInstanceError):
        mistake.name = "another"


# --- The symptoms -----------------------------------------------------------------------------


@SEEDS
def test_mean_over_pixels_all_images_become_the_average(seed):
    _, reported, true = run("mean over pixels", seed)
    assert reported.kl < 0.01 < 2 < run(None, seed)[1].kl
    assert 0 < true.loss - average_of_all() < 10
    assert spread_of_pictures("mean over pixels", seed) < 0.1 * spread_of_pictures(None, seed)


@SEEDS
def test_sum_over_the_batch_the_loss_grows_with_it_and_sigma_shrinks(seed):
    vae, _, true = run("sum over the batch", seed)
    small, large = (
        evaluate(vae, images(), MISTAKES["sum over the batch"].loss, batch_size=n).loss
        for n in (32, 128)
    )
    assert 3.8 < large / small < 4.2
    assert sigma("sum over the batch", seed) < 0.5 * sigma(None, seed)
    assert true.kl > 3 * run(None, seed)[2].kl


@SEEDS
def test_sigmoid_twice_the_loss_stops_far_above_the_average_digit(seed):
    assert run("sigmoid twice", seed)[1].loss > 500 > 2 * average_of_all()


@SEEDS
@pytest.mark.parametrize("name", ["pixels up to 255", "sign of the KL"])
def test_a_loss_without_a_floor_falls_below_zero_by_millions(name, seed):
    assert run(name, seed)[1].loss < -1e6


@SEEDS
def test_sign_of_the_kl_the_codes_fly_apart(seed):
    assert codes("sign of the KL", seed).mu.std() > 50 * codes(None, seed).mu.std()


@SEEDS
def test_sigma_for_sigma_squared_a_latent_out_of_use_goes_to_two_and_below_zero(seed):
    assert run("sigma for sigma squared", seed, beta=50.0)[1].kl < -0.3
    assert 1.8 < sigma("sigma for sigma squared", seed, beta=50.0) < 2.2


@SEEDS
def test_sigma_for_sigma_squared_twice_sigma_shrinks_and_the_kl_is_reported_too_low(seed):
    _, reported, true = run("sigma for sigma squared, twice", seed)
    assert sigma("sigma for sigma squared, twice", seed) < 0.8 * sigma(None, seed)
    assert 1 < true.kl - reported.kl < 2.5


@SEEDS
def test_mean_over_the_latents_reports_half_of_a_larger_kl(seed):
    _, reported, true = run("mean over the latents", seed)
    assert true.kl == pytest.approx(2 * reported.kl, rel=1e-4)
    assert true.kl > run(None, seed)[2].kl + 1
    assert sigma("mean over the latents", seed) < 0.9 * sigma(None, seed)


@SEEDS
def test_log_variance_as_sigma_the_noise_goes_and_rightly_sampled_codes_are_useless(seed):
    noise = codes("log variance as sigma", seed).log_var.abs().median()
    assert noise < 0.3 * sigma(None, seed)
    assert run("log variance as sigma", seed)[2].loss > average_of_all()


@SEEDS
def test_variance_as_sigma_codes_spread_less_than_the_kl_says(seed):
    spread = codes("variance as sigma", seed).log_var.exp().median()
    assert spread < 0.75 * sigma(None, seed) < sigma("variance as sigma", seed)


@SEEDS
def test_one_epsilon_for_the_batch_the_loss_jumps_more_and_training_is_slower(seed):
    vae, batch = run(None, seed)[0], images()[:32]
    jumps = [
        torch.tensor([evaluate(model, batch, seed=draw).loss for draw in range(100)]).std().item()
        for model in (vae, MISTAKES["one epsilon for the batch"].model(vae))
    ]
    assert 2.5 < jumps[1] / jumps[0] < 6
    assert run("one epsilon for the batch", seed)[2].loss > run(None, seed)[2].loss + 2


@SEEDS
def test_no_sampling_at_evaluation_reports_a_lower_loss(seed):
    vae, _, true = run(None, seed)
    reported = evaluate(MISTAKES["no sampling at evaluation"].model(vae), images())
    assert 0.4 < true.loss - reported.loss < 2
    assert true.kl == reported.kl


@SEEDS
def test_no_sigmoid_most_pixels_lie_outside_the_range_and_the_grey_is_gone(seed):
    def grey(picture):
        return ((picture > 0.1) & (picture < 0.9)).float().mean()

    wrong = MISTAKES["no sigmoid"].formula(logits(None, seed))
    assert ((wrong < 0) | (wrong > 1)).float().mean() > 0.9
    assert grey(wrong) < 0.25 * grey(logits(None, seed).sigmoid())


def test_what_goes_wrong_afterwards_leaves_training_as_it_is():
    """Such a mistake has the right loss; one in the sampling is put in once training is over."""
    afterwards = [mistake for mistake in MISTAKES.values() if mistake.afterwards]
    assert [m.name for m in afterwards] == ["no sampling at evaluation", "no sigmoid"]
    assert not [m.name for m in afterwards if m.part in ("reconstruction", "kl")]
