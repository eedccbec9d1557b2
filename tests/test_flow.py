"""Flows: the way of a point, and what the regression of flow matching learns."""

import math

import pytest
import torch
from support import generator

import flows
from vaelib import weights
from vaelib.flow import Flow, way


def solve(*arguments):
    """Where a way ends."""
    return way(*arguments)[-1]


def tiny(**options) -> Flow:
    torch.manual_seed(0)
    return Flow(5, [1, 4], width=8, depth=2, **options)


def test_a_velocity_of_time_alone_and_linear_in_it_is_followed_exactly():
    x = torch.randn(6, 2, generator=generator())
    end = solve(lambda x, t: (3 * t[:, None] + 1).expand_as(x), x, 1)
    torch.testing.assert_close(end, x + 2.5)


def test_the_error_of_the_midpoint_rule_falls_with_the_square_of_the_step():
    x = torch.ones(1, 1, dtype=torch.float64)
    errors = [(solve(lambda x, t: x, x, steps) - math.e).abs().item() for steps in (20, 40)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)


def test_a_way_has_every_step_from_the_start_to_the_end():
    x = torch.randn(3, 2, generator=generator())
    points = way(lambda x, t: x - t[:, None], x, 4)
    assert points.shape == (5, 3, 2)
    assert torch.equal(points[0], x)
    assert torch.equal(points[1], way(lambda x, t: (x - t[:, None] / 4) / 4, x, 1)[1])


def test_a_point_goes_from_time_0_to_time_1():
    seen = []

    def velocity(x, t):
        seen.extend(t.tolist())
        return torch.zeros_like(x)

    solve(velocity, torch.zeros(1, 1), 4)
    assert seen == [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875]


def best(x, t, m=1.5, s=0.5):
    """The mean of z - epsilon given x_t, for z from N(m, s^2)."""
    t = t[:, None]
    return m + (t * s**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * s**2) * (x - t * m)


def test_the_mean_velocity_carries_noise_to_the_codes_distribution():
    end = solve(best, torch.randn(20_000, 1, generator=generator()), 100)
    assert end.mean().item() == pytest.approx(1.5, abs=0.02)
    assert end.std().item() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("change", [lambda v: v + 0.3, lambda v: 1.2 * v, lambda v: -v])
def test_the_loss_is_least_at_the_mean_velocity(change):
    z = 1.5 + 0.5 * torch.randn(40_000, 1, generator=generator(1))
    least = flows.flow_loss(lambda x, t, told: best(x, t), z, None, generator())
    other = flows.flow_loss(lambda x, t, told: change(best(x, t)), z, None, generator())
    assert least < other - 0.02


def test_what_is_not_told_is_zero_and_what_is_told_matters():
    flow, x, t = tiny(attributes=3), torch.randn(4, 2, generator=generator()), torch.rand(4)
    told = torch.tensor([[1.0, -1, 0]]).expand(4, -1)
    torch.testing.assert_close(flow(x, t), flow(x, t, torch.zeros(4, 3)))
    assert not torch.allclose(flow(x, t), flow(x, t, told))


def test_a_flow_computes_where_its_points_are():
    there = torch.zeros(4, 2, device="meta")
    assert tiny().to("meta")(there, there[:, 0]).is_meta


def test_a_flow_samples_where_it_is_in_its_own_precision():
    assert tiny().to("meta").sample(3, steps=2).is_meta
    flow = tiny().double()
    assert flow.sample(3, steps=2).dtype == torch.float64


def test_samples_move_in_the_active_latents_alone():
    flow = tiny()
    noise = torch.randn(7, 5, generator=generator(3))
    z = flow.sample(7, seed=3, steps=4)
    torch.testing.assert_close(z[:, [0, 2, 3]], noise[:, [0, 2, 3]])
    with torch.no_grad():
        torch.testing.assert_close(z[:, [1, 4]], solve(flow, noise[:, [1, 4]], 4))


def test_one_wish_is_told_to_every_sample():
    flow, told = tiny(attributes=2), torch.tensor([1, -1])
    torch.testing.assert_close(flow.sample(3, told), flow.sample(3, told.expand(3, -1)))
    assert not torch.allclose(flow.sample(3, told), flow.sample(3))


def test_the_shipped_flow_of_faces_knows_the_twelve_active_latents():
    flow = weights.load("flow-avatars")
    assert (len(flow.active), flow.latent_dim, flow.attributes) == (12, 32, 7)


@pytest.mark.parametrize("steps", [0, -1, 1.5])
def test_a_way_of_no_steps_or_of_half_ones_is_refused(steps):
    with pytest.raises(ValueError, match=f"steps must be a whole number, at least 1, got {steps}"):
        tiny().sample(3, steps=steps)


@pytest.mark.parametrize("depth", [0, 101, 2.5])
def test_a_depth_that_no_network_has_is_refused_and_the_ends_are_not(depth):
    assert len(Flow(5, [1], width=2, depth=1).hidden) == 1
    assert len(Flow(5, [1], width=2, depth=100).hidden) == 100
    with pytest.raises(ValueError, match=f"from 1 to 100, got {depth}"):
        Flow(5, [1], width=2, depth=depth)
