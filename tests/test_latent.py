"""Codes, grids, paths, and the probability integral transform."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support import TINY, TINY_AE, bars, generator

from vaelib import latent
from vaelib.data import Images
from vaelib.latent import (
    box_grid,
    decode_images,
    encode_images,
    interpolate,
    manifold,
    probability_integral_transform,
    quantile_grid,
    sample_prior,
)
from vaelib.models import seeded


def code(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


# --- Encoding and decoding ------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_encoding_in_batches_is_encoding_at_once(batch_size):
    model, images = TINY.build(), bars(20)
    codes = encode_images(model, images, batch_size=batch_size)
    mu, log_var = model.encode(images.float())
    torch.testing.assert_close(codes.mu, mu.detach())
    torch.testing.assert_close(codes.log_var, log_var.detach())
    assert codes.labels.equal(images.labels)
    torch.testing.assert_close(codes.sigma, (log_var.detach() / 2).exp())


def test_the_sampled_codes_scatter_about_mu_by_sigma():
    codes = encode_images(TINY.build(), bars(20_000))
    epsilon = (codes.z - codes.mu) / codes.sigma
    torch.testing.assert_close(epsilon, code(20_000, 2), atol=1e-3, rtol=1e-3)
    for column in epsilon.T.numpy():
        assert stats.kstest(column, "norm").pvalue > 1e-3


def test_a_seed_fixes_the_sampled_codes_and_the_global_state_does_not():
    samples = []
    for global_seed, seed in ((0, 5), (1, 5), (1, 6)):
        with seeded(global_seed):
            samples.append(encode_images(TINY.build(), bars(), seed).z)
    assert samples[0].equal(samples[1])
    assert not samples[0].equal(samples[2])


def test_the_codes_of_an_autoencoder_are_points():
    codes = encode_images(TINY_AE.build(), bars())
    assert codes.z.equal(codes.mu)
    assert codes.log_var is None
    assert codes.sigma.count_nonzero() == 0


@pytest.mark.parametrize("noise", [0.03, 2.0])
def test_the_codes_of_an_autoencoder_with_noise_scatter_about_mu_by_its_noise(noise):
    model, images = replace(TINY_AE, noise=noise).build(), bars(20_000)
    codes = encode_images(model, images)
    torch.testing.assert_close(codes.mu, model.encode(images.float()).detach())
    torch.testing.assert_close(codes.sigma, torch.full_like(codes.mu, noise))
    for column in ((codes.z - codes.mu) / noise).T.numpy():
        assert stats.kstest(column, "norm").pvalue > 1e-3


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_decoded_pictures_are_pixels_and_not_logits(batch_size):
    model, z = TINY.build(), code(20, 2)
    pictures = decode_images(model, z, batch_size)
    assert pictures.shape == (20, 1, 8, 8)
    torch.testing.assert_close(pictures, torch.sigmoid(model.decode(z).detach()))
    far = decode_images(model, 1000 * z)
    assert far.min() >= 0
    assert far.max() <= 1


def test_codes_and_pictures_are_those_of_a_model_that_does_not_learn():
    for use in (lambda model: encode_images(model, bars()),
                lambda model: decode_images(model, code(3, 2))):  # fmt: skip
        model = TINY.build().train()
        use(model)
        assert not model.training


def test_encoding_and_decoding_carry_no_gradient():
    model = TINY.build()
    assert not encode_images(model, bars()).mu.requires_grad
    assert not decode_images(model, code(3, 2)).requires_grad


def test_the_prior_is_standard_normal_and_fixed_by_its_seed():
    z = sample_prior(20_000, 3, seed=1)
    assert z.shape == (20_000, 3)
    for column in z.T.numpy():
        assert stats.kstest(column, "norm").pvalue > 1e-3
    assert sample_prior(1, 1).shape == (1, 1)
    assert z.equal(sample_prior(20_000, 3, seed=1))
    assert not z.equal(sample_prior(20_000, 3, seed=2))


# --- The probability integral transform -----------------------------------------------------


@given(st.floats(-8, 8))
def test_the_transform_is_the_normal_cdf(z):
    u = probability_integral_transform(torch.tensor([[z]], dtype=torch.float64)).item()
    assert u == pytest.approx(stats.norm.cdf(z), rel=1e-9)


def test_the_transform_of_a_standard_normal_is_uniform_and_of_another_is_not():
    z = code(10_000)
    assert stats.kstest(probability_integral_transform(z).numpy(), "uniform").pvalue > 1e-2
    for other in (1.1 * z, z + 0.1):
        assert stats.kstest(probability_integral_transform(other).numpy(), "uniform").pvalue < 1e-3


def test_codes_that_hold_nan_have_no_picture_and_no_place():
    z = code(20, 2)
    z[3, 1] = z[3, 0] = z[7, 0] = math.nan
    with pytest.raises(ValueError, match="2 of 20 codes hold NaN"):
        decode_images(TINY.build(), z)
    for odd in (z, None, "x"):
        with pytest.raises(ValueError, match="codes are a tensor without NaN, got"):
            probability_integral_transform(odd)


# --- Grids ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(0.01, 0.99), (0.2, 0.7)])
def test_a_quantile_grid_is_even_in_prior_probability_between_its_edges(low, high):
    u = torch.special.ndtr(quantile_grid(9, low, high).double())
    even = torch.linspace(low, high, 9, dtype=torch.float64)
    for line in range(9):
        torch.testing.assert_close(u[line, :, 0], even, atol=1e-6, rtol=0)
        torch.testing.assert_close(u[:, line, 1], even.flip(0), atol=1e-6, rtol=0)


def test_a_quantile_grid_by_default_cuts_one_percent_of_each_tail():
    grid = quantile_grid(20)
    assert grid.shape == (20, 20, 2)
    assert quantile_grid(1).shape == (1, 1, 2)
    assert grid.max().item() == pytest.approx(stats.norm.ppf(0.99), abs=1e-5)
    assert grid.min().item() == pytest.approx(stats.norm.ppf(0.01), abs=1e-5)


@pytest.mark.parametrize("make", [quantile_grid, lambda n: box_grid(n, [-3.0, -1.0], [3.0, 2.0])])
def test_the_first_cell_of_a_grid_is_its_top_left_corner(make):
    grid = make(5)
    assert grid[0, 0, 0] == grid[..., 0].min()  # left: the smallest z1
    assert grid[0, 0, 1] == grid[..., 1].max()  # top: the largest z2
    assert (grid[:, 1:, 0] > grid[:, :-1, 0]).all()
    assert (grid[1:, :, 1] < grid[:-1, :, 1]).all()


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 0.99), (0.01, 1.0), (0.6, 0.4), (0.5, 0.5), (-0.1, 0.5)]
)
def test_a_quantile_grid_refuses_edges_with_no_finite_code(low, high):
    with pytest.raises(ValueError, match=f"low={low}, high={high}"):
        quantile_grid(5, low, high)


def test_a_box_grid_is_even_between_its_corners():
    grid = box_grid(4, torch.tensor([-3.0, 0.0]), torch.tensor([3.0, 6.0]))
    assert grid[0, :, 0].tolist() == [-3, -1, 1, 3]
    assert grid[:, 0, 1].tolist() == [6, 4, 2, 0]


@pytest.mark.parametrize("latents", [1, 3])
def test_a_grid_of_two_latents_is_no_manifold_of_one_or_of_three(latents):
    model = replace(TINY, latent_dim=latents).build()
    with pytest.raises(ValueError, match=r"cannot take .*\(9, 2\).*codes \(N, K\) of its own"):
        manifold(model, quantile_grid(3))


def test_only_images_of_the_models_kind_are_encoded():
    with pytest.raises(TypeError, match=r"vaelib\.Images.*got a Tensor.*Images\.from_float"):
        encode_images(TINY.build(), bars().float())
    with pytest.raises(ValueError, match=r"VAE cannot take .*\(4, 3, 8, 8\)"):
        encode_images(TINY.build(), Images.from_float(torch.zeros(4, 3, 8, 8)))
    with pytest.raises(ValueError, match="no images"):
        encode_images(TINY.build(), bars()[:0])


def test_a_row_of_codes_is_no_grid_of_them():
    with pytest.raises(ValueError, match="VAE cannot take"):
        manifold(TINY.build(), quantile_grid(3)[0])


@pytest.mark.parametrize("count", [0, -1, 1.5, None, "8", math.nan])
def test_codes_and_batches_of_them_are_counted_in_whole_numbers(count):
    said = "must be a whole number, at least 1, got"
    for draw in (lambda: sample_prior(count, 2), lambda: sample_prior(2, count),
                 lambda: quantile_grid(count),
                 lambda: decode_images(TINY.build(), torch.zeros(3, 2), count)):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            draw()


@pytest.mark.parametrize("z", [None, [0.0, 0.0]])
def test_codes_come_in_a_tensor(z):
    with pytest.raises(TypeError, match="VAE takes a tensor, got"):
        decode_images(TINY.build(), z)


def test_a_manifold_keeps_the_layout_of_its_grid():
    model = TINY.build()
    grid = box_grid(3, [-2.0, -2.0], [2.0, 2.0])[:2]  # two rows, three columns
    pictures = manifold(model, grid)
    assert pictures.shape == (2, 3, 1, 8, 8)
    for row in range(2):
        for column in range(3):
            torch.testing.assert_close(
                pictures[row, column], decode_images(model, grid[row, column][None])[0]
            )


# --- Paths ----------------------------------------------------------------------------------

numbers = st.floats(-1e3, 1e3, width=32)
pair = st.integers(1, 5).flatmap(
    lambda k: st.tuples(*[st.lists(numbers, min_size=k, max_size=k)] * 2)
)


@given(pair, st.integers(2, 12))
def test_a_straight_path_ends_exactly_at_its_ends(ends, steps):
    start, end = torch.tensor(ends)
    path = interpolate(start, end, steps)
    assert len(path) == steps
    assert path[0].equal(start)
    assert path[-1].equal(end)


@given(pair)
def test_a_straight_path_has_equal_steps(ends):
    start, end = torch.tensor(ends, dtype=torch.float64)
    path = interpolate(start, end, 6)
    torch.testing.assert_close(
        path.diff(dim=0), ((end - start) / 5).expand(5, -1), atol=1e-4, rtol=1e-4
    )


@given(st.integers(2, 20), st.integers(0, 50))
def test_a_spherical_path_ends_at_its_ends_and_changes_its_length_evenly(k, seed):
    start, end = code(2, k, seed=seed).double()
    path = interpolate(start, end, 7, spherical=True)
    torch.testing.assert_close(path[0], start, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(path[-1], end, atol=1e-5, rtol=1e-5)
    lengths = torch.linspace(0, 1, 7) * (end.norm() - start.norm()) + start.norm()
    torch.testing.assert_close(path.norm(dim=1), lengths, atol=1e-4, rtol=1e-4, check_dtype=False)


def test_a_spherical_path_turns_at_constant_speed():
    start, end = code(2, 20).double()
    path = torch.nn.functional.normalize(interpolate(start, end, 9, spherical=True), dim=1)
    turns = (path[1:] * path[:-1]).sum(1).acos()
    torch.testing.assert_close(turns, turns[:1].expand(8), atol=1e-5, rtol=1e-5)
    total = torch.nn.functional.cosine_similarity(start, end, dim=0).acos()
    torch.testing.assert_close(turns.sum(), total, atol=1e-5, rtol=1e-5)


def test_a_straight_path_leaves_the_sphere_that_a_spherical_path_keeps_to():
    start, end = code(2, 200)
    middle = interpolate(start, end, 3)[1].norm() / math.sqrt(200)
    arc = interpolate(start, end, 3, spherical=True)[1].norm() / math.sqrt(200)
    assert middle < 0.8
    assert arc == pytest.approx(1, abs=0.15)


# Of the first the cosine is rounded to less than 1, of the others it is 1 or -1.
@pytest.mark.parametrize(("start", "times"), [((1, 2, 3), 2), ((0, 2, 0), 2), ((0, 2, 0), -1)])
def test_a_spherical_path_in_one_direction_or_to_the_opposite_code_is_straight(start, times):
    start = torch.tensor(start).float()
    path = interpolate(start, times * start, 5, spherical=True)
    torch.testing.assert_close(path, interpolate(start, times * start, 5), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("spherical", [False, True])
def test_many_paths_at_once_are_the_paths_one_by_one(spherical):
    start, end = code(4, 3), code(4, 3, seed=1)
    paths = interpolate(start, end, 5, spherical)
    assert paths.shape == (5, 4, 3)
    for i in range(4):
        torch.testing.assert_close(paths[:, i], interpolate(start[i], end[i], 5, spherical))


def test_a_path_needs_two_codes_of_one_shape():
    with pytest.raises(ValueError, match=r"start is \(3,\), end \(2,\)"):
        interpolate(torch.zeros(3), torch.zeros(2), 5)


@pytest.mark.parametrize("steps", [1, 0, -3])
def test_a_path_has_at_least_two_steps(steps):
    with pytest.raises(ValueError, match=f"steps must be a whole number, at least 2, got {steps}"):
        interpolate(torch.zeros(2), torch.ones(2), steps)


@pytest.mark.parametrize("ends", [([0.0, 0.0], [1.0, 0.0]), ([1.0, 0.0], [0.0, 0.0])])
def test_a_spherical_path_from_or_to_zero_is_refused_and_not_nan(ends):
    ends = torch.tensor(ends)
    beside = torch.tensor([2.0, 3.0])
    for start, end in (ends, torch.stack([ends, beside.expand(2, 2)], 1)):
        with pytest.raises(ValueError, match="use a linear path"):
            interpolate(start, end, 5, spherical=True)


# --- feature vectors ------------------------------------------------------------------------------


def coded_faces(n=4000, follows=0.0, seed=0):
    """Codes (n, 6) that are sums of what two attributes add, and noise; bool (n, 2)."""
    random = generator(seed)
    leader = torch.rand(n, generator=random) < 0.4
    follower = torch.rand(n, generator=random) < 0.3
    copied = torch.rand(n, generator=random) < follows
    follower = torch.where(copied, leader, follower)
    noise = 0.1 * torch.randn(n, 6, generator=random)
    mu = leader[:, None] * LEADER + follower[:, None] * FOLLOWER + noise
    return mu, torch.stack([leader, follower], dim=1)


LEADER = torch.tensor([2.0, 0.0, 0.0, 1.0, 0.0, 0.0])
FOLLOWER = torch.tensor([0.0, 0.0, 3.0, 0.0, 0.0, -1.0])


def test_a_feature_vector_leads_from_one_class_mean_to_the_other():
    mu, has = coded_faces(follows=0.5)
    vector = latent.feature_vector(mu, has[:, 0])
    without, with_it = mu[~has[:, 0]], mu[has[:, 0]]
    moved = latent.add_feature(without, vector, 1.0)
    torch.testing.assert_close(moved.mean(0), with_it.mean(0))


@given(follows=st.floats(0, 0.95), seed=st.integers(0, 5))
def test_a_correlation_enters_the_raw_vector_and_leaves_the_balanced_one(follows, seed):
    mu, has = coded_faces(follows=follows, seed=seed)
    share = has[has[:, 0], 1].float().mean() - has[~has[:, 0], 1].float().mean()
    raw = latent.feature_vector(mu, has[:, 0])
    balanced = latent.feature_vector(mu, has[:, 0], has[:, 1:])
    # Derived in chapter 10: the raw vector holds the other one's, as often as they come together.
    assert (raw - (LEADER + share * FOLLOWER)).abs().max() < 0.05
    assert (balanced - LEADER).abs().max() < 0.1


def test_balancing_what_is_balanced_already_changes_nothing():
    mu, has = coded_faces()
    twice = torch.cat([mu, mu + FOLLOWER])  # each face once with, once without the other attribute
    other = torch.cat([torch.zeros(len(mu)), torch.ones(len(mu))])[:, None]
    mine = has[:, 0].repeat(2)
    torch.testing.assert_close(
        latent.feature_vector(twice, mine, other), latent.feature_vector(twice, mine),
        rtol=1e-4, atol=1e-5,
    )  # fmt: skip


def test_of_each_kind_of_face_the_smaller_side_is_its_weight():
    kinds = {  # the other attributes -> codes with the attribute, and without
        (False, False): ([1.0, 3.0], [0.0]),  # a gap of 2, weight 1
        (True, False): ([10.0, 12.0], [5.0, 7.0, 6.0]),  # a gap of 5, weight 2
        (False, True): ([100.0], []),  # nobody to compare with
        (True, True): ([8.0, 8.0, 8.0], [-2.0]),  # a gap of 10, weight 1
    }
    rows = [(value, side == 0, *kind) for kind, sides in kinds.items()
            for side in (0, 1) for value in sides[side]]  # fmt: skip
    mu, has, *others = torch.tensor(rows, dtype=torch.float64).T
    found = latent.feature_vector(mu[:, None], has, torch.stack(others, 1))
    assert found.dtype == torch.float64
    assert found.tolist() == [(2 * 1 + 5 * 2 + 10 * 1) / 4]


@pytest.mark.parametrize(("value", "who"), [(True, "everybody"), (False, "nobody")])
def test_an_attribute_without_two_sides_has_no_vector(value, who):
    mu, has = torch.randn(5, 3), torch.full((5,), value)
    with pytest.raises(ValueError, match=f"{who} among these 5 has the attribute.*both sides"):
        latent.feature_vector(mu, has)


def test_a_traversal_turns_its_latent_and_leaves_the_others():
    model = replace(TINY, latent_dim=5).build().eval()
    z, values = torch.randn(5, generator=generator()), torch.tensor([-2.0, 0.0, 2.0])
    sheet = latent.traversals(model, z, torch.tensor([3, 1]), values)
    assert sheet.shape == (2, 3, 1, 8, 8)
    other = z.clone()
    other[3] = -2
    torch.testing.assert_close(sheet[0, 0], latent.decode_images(model, other[None])[0])
    same = latent.traversals(model, z, torch.tensor([1]), z[1:2])
    torch.testing.assert_close(same[0], latent.decode_images(model, z[None]))


def test_balancing_with_nobody_to_compare_says_so():
    mu, has = torch.randn(4, 3), torch.tensor([True, True, False, False])
    with pytest.raises(ValueError, match=r"no two faces that agree .*balance fewer .*got 1"):
        latent.feature_vector(mu, has, has[:, None])


def test_codes_need_one_answer_each():
    with pytest.raises(ValueError, match=r"5 codes need as many answers, got \(4,\)"):
        latent.feature_vector(torch.randn(5, 3), torch.ones(4))


@pytest.mark.parametrize("alpha", [float("nan"), float("inf"), torch.tensor([1.0, float("nan")])])
def test_an_alpha_that_is_not_finite_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha is a finite number"):
        latent.add_feature(torch.zeros(2, 3), torch.ones(3), alpha)


def test_a_vector_of_another_space_is_refused():
    with pytest.raises(ValueError, match=r"need a vector \(K,\)"):
        latent.add_feature(torch.zeros(2, 3), torch.ones(4), 1.0)


def test_each_code_may_have_its_alpha():
    z, vector = torch.zeros(3, 2), torch.tensor([1.0, -2.0])
    moved = latent.add_feature(z, vector, torch.tensor([0.0, 1.0, -2.0]))
    assert moved.tolist() == [[0, 0], [1, -2], [-2, 4]]
    assert torch.equal(latent.add_feature(z, vector, 1), z + vector)
    assert latent.add_feature(z[0], vector, 2).tolist() == [2, -4]
    exact = latent.add_feature(z.double(), vector.double(), 0.1)
    assert exact[0].tolist() == [0.1, -0.2]
