"""The scoreboard: each figure on made-up cases whose answer is known, then on real digits."""

import math
from dataclasses import asdict
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support import generator
from torch import nn

from vaelib import judges, latent, metrics
from vaelib.data import Images
from vaelib.latent import Codes
from vaelib.losses import kl_divergence
from vaelib.models import VAE, Architecture, seeded
from vaelib.training import evaluate


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


def codes_of(mu, labels=None, z=None):
    labels = torch.zeros(len(mu), dtype=torch.int64) if labels is None else labels
    return Codes(mu, None, mu if z is None else z, labels)


def test_a_saved_notebook_still_finds_here_what_judges_are_asked():
    for name in ("accuracy", "attribute_probabilities", "balance", "clarity", "recognised"):
        assert getattr(metrics, name) is getattr(judges, name)
    with pytest.raises(AttributeError, match="no attribute 'recognized'"):
        metrics.recognized


# --- Drawing codes --------------------------------------------------------------------------


def test_the_prior_needs_no_codes():
    far = codes_of(normal(100, 3) + 50)
    assert metrics.sample_codes(far, 500, "prior").equal(
        metrics.sample_codes(codes_of(normal(100, 3)), 500, "prior")
    )
    drawn = metrics.sample_codes(far, 5000, "prior")
    assert stats.kstest(drawn.flatten().numpy(), "norm").pvalue > 1e-3


def test_the_box_is_filled_evenly_and_not_left():
    z = normal(500, 2) * torch.tensor([1.0, 5.0])
    drawn = metrics.sample_codes(codes_of(z), 5000, "box")
    low, high = z.amin(0), z.amax(0)
    share = (drawn - low) / (high - low)
    assert share.min() >= 0
    assert share.max() <= 1
    for column in share.T.numpy():
        assert stats.kstest(column, "uniform").pvalue > 1e-3


def test_the_gaussian_has_the_mean_and_covariance_of_the_codes():
    z = normal(5000, 2) @ torch.tensor([[2.0, 0.0], [1.5, 0.5]]).T + torch.tensor([3.0, -1.0])
    drawn = metrics.sample_codes(codes_of(z), 50_000, "gaussian")
    torch.testing.assert_close(drawn.mean(0), z.mean(0), atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), z.T.cov(), atol=0.1, rtol=0)


def two_clusters(n=4000):
    return torch.cat([normal(n, 2) - 10, normal(n, 2, seed=1) + 10])


def test_the_mixture_keeps_out_of_the_gap_that_the_gaussian_falls_into():
    codes = codes_of(two_clusters())
    in_the_gap = {
        how: (metrics.sample_codes(codes, 2000, how).norm(dim=1) < 5).double().mean().item()
        for how in ("gaussian", "mixture")
    }
    assert in_the_gap["mixture"] == 0
    assert in_the_gap["gaussian"] > 0.2


def test_codes_are_drawn_from_the_samples_and_not_from_the_means():
    mu = torch.zeros(2000, 2)
    codes = codes_of(mu, z=normal(2000, 2) + torch.tensor([5.0, -5.0]))
    for how in ("box", "gaussian", "mixture"):
        drawn = metrics.sample_codes(codes, 2000, how)
        assert drawn.std(0).min() > 0.5
        torch.testing.assert_close(drawn.mean(0), codes.z.mean(0), atol=0.5, rtol=0)
        assert drawn[:, 0].min() > 0 > drawn[:, 1].max(), "where no mean is"


def test_the_mixture_has_ten_parts_and_sees_the_first_ten_thousand_codes(monkeypatch):
    z, seen = normal(10_002, 2), []

    class Mixture:
        def __init__(self, parts, random_state):
            seen.extend([parts, random_state])

        def fit(self, codes):
            seen.append(torch.from_numpy(codes).float())
            return self

        def sample(self, n):
            return (z[:n].double().numpy(), None)

    monkeypatch.setattr("sklearn.mixture.GaussianMixture", Mixture)
    assert metrics.sample_codes(codes_of(z), 7, "mixture", seed=4).equal(z[:7])
    assert seen[:2] == [10, 4]
    assert seen[2].equal(z[:10_000])


@pytest.mark.parametrize("how", metrics.SAMPLERS)
def test_drawing_is_fixed_by_its_seed_alone(how):
    codes = codes_of(two_clusters(200))
    drawn = []
    for global_seed, seed in ((0, 5), (1, 5), (1, 6)):
        with seeded(global_seed):
            drawn.append(metrics.sample_codes(codes, 300, how, seed))
    assert drawn[0].shape == (300, 2)
    assert drawn[0].dtype == torch.float32
    assert drawn[0].equal(drawn[1])
    assert not drawn[0].equal(drawn[2])


@pytest.mark.parametrize("how", metrics.SAMPLERS)
def test_codes_of_a_single_latent_are_drawn_too(how):
    z = 3 * normal(3000, 1) + 5
    drawn = metrics.sample_codes(codes_of(z), 3000, how)
    assert drawn.shape == (3000, 1)
    if how in ("gaussian", "mixture"):
        assert abs(drawn.mean() - z.mean()) < 0.3
        assert abs(drawn.std() - z.std()) < 0.3


def test_an_unknown_way_of_drawing_lists_the_known_ones():
    with pytest.raises(ValueError, match="prior, box, gaussian, mixture; got 'bax'"):
        metrics.sample_codes(codes_of(normal(10, 2)), 10, "bax")


@pytest.mark.parametrize("k", [0, 11, 1.5, None])
def test_neighbours_are_as_many_as_there_are_codes_at_most(k):
    codes = codes_of(normal(10, 2))
    with pytest.raises(ValueError, match="k must be a whole number, from 1 to 10, got"):
        metrics.knn_accuracy(codes, codes, k=k)


@pytest.mark.parametrize("cells", [0, -1, 1.5, None])
def test_a_plane_is_cut_into_a_whole_number_of_cells(cells):
    with pytest.raises(ValueError, match="cells must be a whole number, at least 1, got"):
        metrics.uniformity_2d(normal(10, 2), cells)


# --- Mass covered ---------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0.9, 0.99])
def test_of_the_same_distribution_the_share_kept_is_covered(keep):
    covered = metrics.mass_covered(
        normal(5000, 2), normal(5000, 2, seed=1), normal(5000, 2, seed=2), keep
    )
    assert covered == pytest.approx(keep, abs=4 * math.sqrt(2 * keep * (1 - keep) / 5000))


def test_nothing_is_covered_far_away_and_half_of_a_half():
    fitted, held_out, z = (normal(2000, 2, seed=seed) for seed in range(3))
    assert metrics.mass_covered(fitted, held_out, z + 100) == 0
    half = torch.where(torch.arange(2000)[:, None] % 2 == 0, z, z + 100)
    assert metrics.mass_covered(fitted, held_out, half) == pytest.approx(0.495, abs=0.01)


def test_covered_is_what_lies_as_near_to_a_training_code_as_held_out_codes_do():
    fitted, held_out, z = (
        torch.tensor(row)[:, None] for row in ([0.0, 10.0], [1.0, 8.0], [2.0, 3.0, 11.5, 99.0])
    )
    # The held-out codes are 1 and 2 from the nearest; of the four, 2 and 11.5 are within 2.
    assert metrics.mass_covered(fitted, held_out, z, keep=1) == 0.5
    assert metrics.mass_covered(fitted, held_out, z, keep=0.5) == 0.25


@given(st.floats(1e-2, 1e3))
def test_the_scale_of_the_codes_plays_no_part_in_the_mass_covered(scale):
    fitted, held_out, z = (normal(300, 2, seed=seed).double() for seed in range(3))
    plain = metrics.mass_covered(fitted, held_out, 2 * z)
    assert 0.2 < plain < 0.95
    assert metrics.mass_covered(scale * fitted, scale * held_out, scale * 2 * z) == plain


# --- Interpolation --------------------------------------------------------------------------


class Line(nn.Module):
    """Decodes a code to a picture whose every pixel is the sigmoid of the first coordinate."""

    def __init__(self):
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def decode(self, z):
        return z[:, :1, None, None].expand(-1, 1, 28, 28)


def sure_at_the_ends(pictures):
    """Certain of pictures from |z| >= 1/2 on, and of no digit between."""
    certain = pictures[:, 0, 0, 0].logit().abs() >= 0.5 - 1e-4
    return torch.where(certain[:, None], 100.0, 0.0) * torch.eye(10)[0]


def test_interpolation_validity_is_the_share_of_inner_points_recognised():
    labels = torch.arange(200) % 2
    mu = (2.0 * labels - 1)[:, None].expand(-1, 2)
    codes = codes_of(mu, labels, z=mu + 100)
    # The inner points of a path from -1 to 1 lie at -.8, -.6, ... .8: four of nine have |z| >= .5.
    valid = metrics.interpolation_validity(Line(), sure_at_the_ends, 0.9, codes, pairs=100)
    assert valid == pytest.approx(4 / 9)
    valid = metrics.interpolation_validity(Line(), sure_at_the_ends, 0.9, codes, pairs=100, steps=1)
    assert valid == 0  # the middle alone: the ends are not counted


def test_interpolation_pairs_are_of_different_digits():
    # Equal digits have equal codes: were a pair alike, its path would be recognised throughout.
    labels = torch.arange(200) % 2
    codes = codes_of((2.0 * labels - 1)[:, None].expand(-1, 2), labels)
    for seed in range(5):
        valid = metrics.interpolation_validity(
            Line(), sure_at_the_ends, 0.9, codes, pairs=50, steps=1, seed=seed
        )
        assert valid == 0


# --- k nearest neighbours -------------------------------------------------------------------


def clusters(n, seed, spread=0.1, count=10):
    labels = torch.arange(n) % count
    angle = labels * (2 * math.pi / count)
    centres = 10 * torch.stack([angle.cos(), angle.sin()], dim=1)
    return codes_of(centres + spread * normal(n, 2, seed=seed), labels)


def test_knn_is_perfect_on_clusters_and_chance_on_labels_drawn_at_random():
    fitted, held_out = clusters(500, 0), clusters(300, 1)
    assert metrics.knn_accuracy(fitted, held_out) == 1
    random = torch.randint(10, (500,), generator=generator())
    shuffled = fitted._replace(labels=random)
    assert metrics.knn_accuracy(shuffled, held_out) < 0.3


def test_knn_uses_the_means_of_the_first_codes_alone():
    fitted, held_out = clusters(500, 0), clusters(300, 1)
    noisy = fitted._replace(z=normal(500, 2)), held_out._replace(z=normal(300, 2))
    assert metrics.knn_accuracy(*noisy) == 1
    wrong = fitted.labels.clone()
    wrong[250:] = (wrong[250:] + 1) % 10
    spoiled = fitted._replace(labels=wrong)
    assert metrics.knn_accuracy(spoiled, held_out, limit=250) == 1
    assert metrics.knn_accuracy(spoiled, held_out, k=20) < 1


# --- Distances to the prior -----------------------------------------------------------------


@given(st.floats(-3, 3), st.floats(0.1, 5), st.integers(1, 300), st.integers(1, 4))
def test_the_ks_distance_is_that_of_scipy(shift, scale, n, k):
    z = shift + scale * normal(n, k).double()
    expected = [stats.kstest(column, "norm").statistic for column in z.T.numpy()]
    assert metrics.ks_distance(z).tolist() == pytest.approx(expected, abs=1e-9)


def test_the_ks_distance_of_the_prior_is_below_its_5_percent_point_and_of_others_above():
    z = normal(10_000, 2)
    assert metrics.ks_distance(z).max() < 0.0136
    assert metrics.ks_distance(1.1 * z).min() > 0.0136


def test_the_prior_is_as_uniform_in_two_dimensions_as_sampling_noise_allows():
    values = [metrics.uniformity_2d(normal(10_000, 2, seed=seed)) for seed in range(20)]
    assert sum(values) / 20 == pytest.approx(0.04, abs=0.002)


def test_uniform_columns_that_move_together_are_not_uniform_in_two_dimensions():
    z = normal(10_000, 2)
    together = torch.stack([z[:, 0], 0.9 * z[:, 0] + math.sqrt(1 - 0.81) * z[:, 1]], dim=1)
    assert metrics.ks_distance(together).max() < 0.0136
    assert metrics.uniformity_2d(together) > 0.3


def test_uniformity_is_0_when_even_and_near_1_in_one_cell():
    u = (torch.arange(10) + 0.5) / 10
    even = torch.special.ndtri(torch.cartesian_prod(u, u))
    assert metrics.uniformity_2d(even) == pytest.approx(0, abs=1e-6)
    assert metrics.uniformity_2d(even, cells=1) == 0
    with pytest.raises(ValueError, match="codes are a tensor without NaN"):
        metrics.uniformity_2d(even * math.nan)
    assert metrics.uniformity_2d(torch.full((50, 2), 0.1)) == pytest.approx(0.99)
    assert metrics.uniformity_2d(torch.full((50, 2), 40.0)) == pytest.approx(0.99)  # its CDF is 1


def test_the_area_of_a_digit_is_that_of_its_one_sigma_ellipse():
    n = 20_000
    labels = torch.arange(n) % 10
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    scale = (labels[:, None] + 1.0) * torch.tensor([1.0, 0.5])
    mu = (normal(n, 2) * scale) @ turn.T + 7 * labels[:, None]
    expected = math.pi * 0.5 * (torch.arange(10) + 1.0) ** 2
    torch.testing.assert_close(
        metrics.area_per_digit(codes_of(mu, labels, z=9 * mu)), expected, rtol=0.1, atol=0
    )


@given(st.floats(-5, 5), st.floats(0.01, 100))
def test_standardised_codes_have_mean_0_and_deviation_1_wherever_they_came_from(shift, scale):
    z = shift + scale * normal(500, 3).double() * torch.tensor([1.0, 2.0, 3.0])
    found = metrics.standardised(z)
    torch.testing.assert_close(found.mean(0), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(found.std(0), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(found, metrics.standardised(normal(500, 3).double()))


@given(st.integers(1, 6), st.integers(0, 99))
def test_the_nats_of_the_latents_are_each_ones_kl_and_sum_to_the_whole(k, seed):
    mu, log_var = normal(40, k, seed=seed), normal(40, k, seed=seed + 1)
    nats = metrics.nats_of_latents(Codes(mu, log_var, mu, torch.zeros(40)))
    torch.testing.assert_close(nats.sum(), kl_divergence(mu, log_var).mean())
    alone = [kl_divergence(mu[:, [i]], log_var[:, [i]]).mean().item() for i in range(k)]
    assert nats.tolist() == pytest.approx(alone, rel=1e-4)


def test_the_codes_of_an_autoencoder_cost_no_nats():
    codes = Codes(normal(40, 3), None, normal(40, 3), torch.zeros(40))
    assert metrics.nats_of_latents(codes).tolist() == [0, 0, 0]


# --- The scoreboard -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def score_of(judge, threshold, mnist):
    """Score an untrained model on a few images, with the global random state set to a seed."""

    @cache
    def score(kind, global_seed=0, latent_dim=2):
        hidden = {"encoder_hidden": (32,), "decoder_hidden": (32,)}
        model = Architecture(kind=kind, latent_dim=latent_dim, **hidden).build()
        few = mnist.train[:2000], mnist.test[:1000]
        with seeded(global_seed):
            return metrics.scoreboard(model, judge, *few, samples=200, threshold=threshold)

    return score


def test_every_figure_of_the_scoreboard_is_within_its_range(score_of):
    ae, vae = score_of("ae"), score_of("vae")
    for score in (ae, vae):
        assert set(score.recognised) == set(score.balance) == set(metrics.SAMPLERS)
        shares = [*score.recognised.values(), *score.balance.values()]
        shares += [score.rebuilt, score.right, score.interpolation, score.covered, score.knn]
        shares += [score.ks, score.ks_standardised]
        assert all(0 <= share <= 1 + 1e-6 for share in shares)  # ten shares are summed
        assert score.reconstruction > 0
        assert score.spread > 0
        assert score.room >= 1
        assert sum(score.nats) == pytest.approx(score.kl, rel=1e-4)
    assert ae.kl == ae.sigma == 0
    assert vae.kl > 0
    assert vae.sigma == pytest.approx(1, abs=0.3)  # untrained, so log_var is near 0


def test_only_two_latents_have_an_area_to_share_out_and_the_dearest_comes_first(score_of):
    score = score_of("vae", latent_dim=5)
    assert score.room is None
    assert len(score.nats) == 5
    assert list(score.nats) == sorted(score.nats, reverse=True)


def test_the_scoreboard_does_not_depend_on_the_global_random_state(score_of):
    assert asdict(score_of("vae")) == asdict(score_of("vae", global_seed=1))


# A model whose figures are known by hand: the first row of pixels says the digit d, two more say
# where in its cloud a digit lies; sigma is 3, ten times less than digits are apart.

SIGMA, APART = 3.0, 30.0


class ByHand(nn.Module):
    """mu = (30 d + a, b (1 + d)), for a picture whose pixels say d, a and b."""

    def forward(self, x):
        digit = x[:, 0, 0, :10].argmax(1)
        a, b = x[:, 0, 1, 0], x[:, 0, 2, 0]
        mu = torch.stack([APART * digit + a, b * (1 + digit)], 1)
        return torch.cat([mu, torch.full_like(mu, 2 * math.log(SIGMA))], 1)


class Painter(nn.Module):
    """Paints the digit whose cloud is nearest, surely within 2 of it and faintly beyond."""

    def __init__(self):
        super().__init__()
        self.there = nn.Parameter(torch.zeros(1))

    def forward(self, z):
        digit = (z[:, 0] / APART).round().clamp(0, 9).long()
        sure = (z[:, 0] - APART * digit).abs() < 2
        logits = torch.full((len(z), 1, 28, 28), -5.0)
        logits[torch.arange(len(z)), 0, 0, digit] = torch.where(sure, 5.0, -4.0)
        return logits


def painted_digits(labels, seed):
    """Pictures of these digits, anywhere in their clouds."""
    pixels = torch.zeros(len(labels), 1, 28, 28, dtype=torch.uint8)
    pixels[torch.arange(len(labels)), 0, 0, labels] = 255
    pixels[:, 0, 1:3, 0] = torch.randint(256, (len(labels), 2), generator=generator(seed)).byte()
    return Images(pixels, labels)


@pytest.fixture(scope="module")
def by_hand():
    """The scoreboard of that model; of training images the half of the digits alone."""
    model = VAE(ByHand(), Painter())
    train, test = (
        painted_digits(5 + torch.arange(2000) % 5, 0),
        painted_digits(torch.arange(2000) % 10, 1),
    )

    def sure(pictures):
        return 20 * pictures[:, 0, 0, :10] + pictures[:, 0, 1, :1]  # reads more than the digit

    score = metrics.scoreboard(model, sure, train, test, samples=1000, threshold=0.9)
    return model, sure, train, test, score


def test_what_is_rebuilt_is_the_middle_of_the_posterior(by_hand):
    *_, score = by_hand
    assert score.right == 1
    assert score.rebuilt == pytest.approx(1), "a sampled z is painted surely half of the time"


def test_the_neighbours_are_training_images_and_asked_of_held_out_ones(by_hand):
    *_, score = by_hand
    assert score.knn == pytest.approx(0.5), "training images show half of the digits"


def test_the_figures_of_codes_are_those_of_held_out_images(by_hand):
    model, _, _, test, score = by_hand
    mu = ByHand()(test.float())[:, :2]
    nats = (0.5 * (mu**2 + SIGMA**2 - 1 - 2 * math.log(SIGMA))).double().mean(0)
    assert score.nats == pytest.approx(sorted(nats.tolist(), reverse=True), rel=1e-4)
    assert score.kl == pytest.approx(nats.sum().item(), rel=1e-4)
    assert score.sigma == pytest.approx(SIGMA)
    assert score.spread == pytest.approx(mu.var(0).mean().sqrt().item(), rel=1e-4)
    assert score.room == pytest.approx(10, rel=0.15), "the ninth cloud is ten times the first"
    z = latent.encode_images(model, test).z
    assert score.ks == pytest.approx(metrics.ks_distance(z).mean().item())
    standard = metrics.ks_distance((z - z.mean(0)) / z.std(0)).mean().item()
    assert score.ks_standardised == pytest.approx(standard)
    assert score.ks != pytest.approx(standard, abs=0.05)


def test_samples_come_from_what_training_images_gave(by_hand):
    *_, score = by_hand
    # |z1| < 2 in 95.4 % of the prior, 86 of 120 in the box are between the clouds or beyond them.
    assert score.recognised["prior"] == pytest.approx(0.954, abs=0.02)
    assert score.balance["prior"] == pytest.approx(0.1)
    assert score.balance["box"] == pytest.approx(0.5, abs=0.1)
    assert score.recognised["mixture"] > 2 * score.recognised["gaussian"]
    assert score.balance["mixture"] == pytest.approx(0.5, abs=0.1)


def test_covered_is_the_prior_by_what_training_images_gave(by_hand, monkeypatch):
    model, judge, train, test, _ = by_hand
    asked = []
    monkeypatch.setattr(metrics, "mass_covered", lambda *given: asked.extend(given) or 0.25)
    score = metrics.scoreboard(model, judge, train, test[:500], samples=100, threshold=0.9, seed=3)
    assert score.covered == 0.25
    means = evaluate(model, test[:500], seed=3)
    assert score.reconstruction == means.reconstruction
    codes = latent.encode_images(model, test[:500], 3)
    between = metrics.interpolation_validity(model, judge, 0.9, codes, seed=3)
    assert score.interpolation == between
    fitted, held_out, prior = asked
    assert fitted.equal(latent.encode_images(model, train, 3).z)
    assert held_out.equal(latent.encode_images(model, test[:500], 3).z)
    assert prior.equal(latent.sample_prior(100, 2, 3))


def test_a_model_of_a_single_latent_has_a_score_and_no_room(by_hand):
    _, judge, train, test, _ = by_hand
    model = Architecture(latent_dim=1, encoder_hidden=(4,), decoder_hidden=(4,)).build()
    score = metrics.scoreboard(model, judge, train[:500], test[:500], samples=100, threshold=0.9)
    assert score.room is None
    assert len(score.nats) == 1


def test_of_many_training_images_the_first_twenty_thousand_are_encoded(by_hand):
    model, judge, train, test, _ = by_hand
    taken = []

    class Noted(Images):
        def __getitem__(self, index):
            taken.append(index)
            return super().__getitem__(index)

    metrics.scoreboard(model, judge, Noted(train.pixels, train.labels), test[:500], 100)
    assert taken == [slice(20_000)]


def test_the_threshold_is_that_of_the_held_out_images(by_hand):
    model, judge, train, test, _ = by_hand
    score = metrics.scoreboard(model, judge, train[:500], test[:500], samples=100)
    threshold = judges.recognition_threshold(judge, test[:500])
    given = metrics.scoreboard(model, judge, train[:500], test[:500], 100, threshold=threshold)
    assert score == given


def test_at_the_radius_a_code_is_covered():
    fitted, held_out = torch.zeros(1, 2), torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert metrics.mass_covered(fitted, held_out, held_out, keep=1) == 1
