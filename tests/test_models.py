"""The two models: shapes, what they share, what they differ in, and the sample between them."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import SHAPE, generator
from torch import nn

from vaelib.judges import Judge
from vaelib.models import VAE, Architecture, Autoencoder, seeded, taking

BODIES = {"mlp": (16, 12), "conv": (4, 6)}


def architecture(kind="vae", body="mlp", **changes):
    hidden = BODIES[body]
    settings = {"encoder_hidden": hidden, "decoder_hidden": hidden[::-1], "image_shape": SHAPE}
    return Architecture(kind=kind, encoder=body, decoder=body, **{**settings, **changes})


each_body = pytest.mark.parametrize("body", BODIES)
each_kind = pytest.mark.parametrize("kind", ["ae", "vae"])


# --- Shapes ---------------------------------------------------------------------------------


@each_body
@each_kind
@pytest.mark.parametrize("n", [1, 3, 257])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 16)], ids=str)
def test_a_model_maps_images_to_codes_and_codes_to_images(kind, body, n, shape):
    model = architecture(kind, body, image_shape=shape, latent_dim=5).build()
    x = torch.rand(n, *shape, generator=generator())
    output = model(x, generator())
    assert output.logits.shape == x.shape
    assert output.z.shape == output.mu.shape == (n, 5)
    if kind == "ae":
        assert output.log_var is None
        assert model.encode(x).shape == (n, 5)
        assert output.z.equal(output.mu)
    else:
        assert output.log_var.shape == (n, 5)
        assert [part.shape for part in model.encode(x)] == [(n, 5), (n, 5)]


@each_body
def test_an_image_is_encoded_and_decoded_apart_from_its_neighbours(body):
    model = architecture("ae", body).build()
    x = torch.rand(4, *SHAPE, generator=generator())
    alone = torch.cat([model(image[None]).logits for image in x])
    torch.testing.assert_close(model(x).logits, alone)


@each_kind
def test_logits_are_log_odds_and_not_pixels(kind):
    model = architecture(kind).build()
    logits = model.decode(10 * torch.randn(50, 2, generator=generator()))
    assert logits.min() < 0


def test_the_default_architecture_is_for_mnist():
    assert Architecture().build()(torch.rand(2, 1, 28, 28)).logits.shape == (2, 1, 28, 28)


# --- What the AE and the VAE differ in ------------------------------------------------------


@each_body
def test_ae_and_vae_differ_only_in_the_last_layer_of_the_encoder(body):
    models = [architecture(kind, body).build(seed=3) for kind in ("ae", "vae")]
    ae, vae = (dict(model.named_parameters()) for model in models)
    last = [name for name, module in models[0].encoder.named_modules()][-1]
    assert ae.keys() == vae.keys()
    changed = {name for name in ae if ae[name].shape != vae[name].shape}
    assert changed == {f"encoder.{last}.weight", f"encoder.{last}.bias"}
    assert [2 * len(ae[name]) for name in sorted(changed)] == [len(vae[n]) for n in sorted(changed)]
    before_last = {name for name in ae if name.startswith("encoder.")} - changed
    assert before_last
    assert all(ae[name].equal(vae[name]) for name in before_last)


@each_body
def test_ae_and_vae_of_one_seed_start_from_the_same_decoder(body):
    ae, vae = (architecture(kind, body).build(seed=3).decoder for kind in ("ae", "vae"))
    z = torch.randn(5, 2, generator=generator())
    assert ae(z).equal(vae(z))


def test_the_noise_of_an_autoencoder_has_the_standard_deviation_asked_for():
    model = architecture("ae", noise=0.7).build()
    output = model(torch.rand(20_000, *SHAPE, generator=generator()), generator(1))
    noise = output.z - output.mu
    assert abs(noise.std().item() - 0.7) < 0.7 * 4 / (2 * noise.numel()) ** 0.5
    assert abs(noise.mean().item()) < 0.7 * 4 / noise.numel() ** 0.5


# --- The sample -----------------------------------------------------------------------------


@given(st.floats(-5, 5), st.floats(-8, 4), st.integers(0, 100))
def test_the_gradient_through_a_sample_is_1_for_mu_and_half_sigma_epsilon_for_log_var(
    mean, log_variance, seed
):
    mu = torch.full((4, 3), mean, dtype=torch.float64, requires_grad=True)
    log_var = torch.full((4, 3), log_variance, dtype=torch.float64, requires_grad=True)
    z = architecture().build().reparameterise(mu, log_var, generator(seed))
    z.sum().backward()
    sigma = (log_var / 2).exp()
    epsilon = ((z - mu) / sigma).detach()
    torch.testing.assert_close(mu.grad, torch.ones_like(mu))
    torch.testing.assert_close(log_var.grad, (sigma * epsilon / 2).detach())


@pytest.mark.parametrize(("mean", "log_variance"), [(0.0, 0.0), (2.0, -3.0), (-1.0, 2.0)])
def test_samples_have_the_mean_and_variance_asked_for(mean, log_variance):
    n = 100_000
    shape = (n, 1)
    mu, log_var = torch.full(shape, mean), torch.full(shape, log_variance)
    z = architecture().build().reparameterise(mu, log_var, generator())
    variance = torch.tensor(log_variance).exp().item()
    assert abs(z.mean().item() - mean) < 4 * (variance / n) ** 0.5
    assert abs(z.var().item() - variance) < 4 * variance * (2 / n) ** 0.5


@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_a_sample_lies_sigma_times_a_draw_beyond_its_mean(kind):
    model = architecture(kind, noise=0.7 if kind == "ae" else 0.0).build()
    found = model(torch.rand(9, *SHAPE, generator=generator()), generator(1))
    sigma = 0.7 if kind == "ae" else (found.log_var / 2).exp()
    wanted = found.mu + sigma * torch.randn(9, 2, generator=generator(1))
    torch.testing.assert_close(found.z, wanted)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_a_sample_has_the_type_of_its_code_and_lies_on_its_device(dtype):
    zero = torch.zeros(4, 3, dtype=dtype)
    assert architecture().build().reparameterise(zero, zero, generator()).dtype == dtype
    there = zero.to("meta")
    assert architecture().build().reparameterise(there, there).is_meta


def test_samples_of_different_latents_and_images_are_independent():
    zero = torch.zeros(50_000, 3)
    z = architecture().build().reparameterise(zero, zero, generator())
    assert (z.T.corrcoef() - torch.eye(3)).abs().max() < 4 / 50_000**0.5
    assert z.unique(dim=0).shape == z.shape


@each_kind
def test_a_generator_fixes_the_output_and_the_global_state_does_not(kind):
    model = architecture(kind, noise=0.5 if kind == "ae" else 0.0).build()
    x = torch.rand(3, *SHAPE, generator=generator())
    outputs = []
    for global_seed, seed in ((0, 5), (1, 5), (1, 6)):
        with seeded(global_seed):
            outputs.append(model(x, generator(seed)).z)
    assert outputs[0].equal(outputs[1])
    assert not outputs[0].equal(outputs[2])


# --- Building -------------------------------------------------------------------------------


@each_body
@each_kind
def test_first_weights_depend_on_the_seed_alone(kind, body):
    builds = []
    for global_seed, seed in ((0, 5), (1, 5), (1, 6)):
        with seeded(global_seed):
            builds.append(
                torch.cat([p.flatten() for p in architecture(kind, body).build(seed).parameters()])
            )
    assert builds[0].equal(builds[1])
    assert not builds[0].equal(builds[2])


def test_building_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    architecture().build(seed=1)
    assert torch.get_rng_state().equal(before)


def test_building_leaves_the_random_state_of_accelerators_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("it is reseeded"))
    architecture().build(seed=1)


def test_the_random_state_is_put_back_even_when_building_fails():
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="divisible by 16"):
        architecture(body="conv", encoder_hidden=(2, 2, 2, 2)).build()
    assert torch.get_rng_state().equal(before)


@each_kind
def test_an_architecture_survives_json(kind):
    import json

    chosen = architecture(kind, "conv", latent_dim=7)
    assert Architecture(**json.loads(json.dumps(chosen.asdict()))) == chosen


def test_kinds_build_what_they_name():
    assert type(architecture("ae").build()) is Autoencoder
    assert type(architecture("vae").build()) is VAE


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "gan"}, "'ae' or 'vae', got 'gan'"),
        ({"encoder": "transformer"}, r"one of \['conv', 'mlp'\], got 'transformer'"),
        ({"decoder": "transformer"}, r"one of \['conv', 'mlp'\], got 'transformer'"),
        ({"noise": 0.1}, "noise is for kind='ae'"),
        ({"kind": "ae", "noise": math.inf}, "noise must be finite and at least 0, got inf"),
        ({"kind": "ae", "noise": math.nan}, "noise must be finite and at least 0, got nan"),
        ({"kind": "ae", "noise": -1.0}, r"noise must be finite and at least 0, got -1\.0"),
        ({"encoder_dense": (8,)}, "encoder_dense is for a conv encoder; use encoder_hidden"),
        ({"decoder_dense": (8,)}, "decoder_dense is for a conv decoder; use decoder_hidden"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_architecture_nobody_can_build_is_refused_at_once(changes, said):
    with pytest.raises(ValueError, match=said):
        Architecture(**changes)


def test_linear_layers_between_convolutions_and_code_have_the_widths_asked_for():
    model = architecture(body="conv", encoder_dense=(9, 7), decoder_dense=(5,)).build()
    widths = {
        side: [layer.out_features for layer in getattr(model, side) if isinstance(layer, nn.Linear)]
        for side in ("encoder", "decoder")
    }
    assert widths == {"encoder": [9, 7, 4], "decoder": [5, 6 * 2 * 2]}
    assert model(torch.rand(3, *SHAPE)).logits.shape == (3, *SHAPE)


@pytest.mark.parametrize("part", ["encoder_hidden", "decoder_hidden"])
def test_too_many_halvings_name_the_size_and_the_remedy(part):
    with pytest.raises(ValueError, match="divisible by 8; got 28 x 28") as error:
        Architecture(
            encoder="conv",
            decoder="conv",
            **{"encoder_hidden": (4, 4), "decoder_hidden": (4, 4), part: (4, 4, 4)},
        ).build()
    assert "resize the images" in str(error.value)


def test_three_halvings_of_three_widths_fit_together():
    widths = {"encoder_hidden": (4, 6, 5), "decoder_hidden": (5, 6, 4)}
    model = architecture(body="conv", image_shape=(3, 8, 16), **widths).build()
    x = torch.rand(2, 3, 8, 16)
    assert model(x).logits.shape == x.shape
    assert Judge((3, 8, 16), (4, 6, 5), 7)(x).shape == (2, 7)


@pytest.mark.parametrize("shape", [(1, 8, 12), (1, 12, 8)])
def test_both_sides_of_a_picture_are_halved(shape):
    with pytest.raises(ValueError, match=f"divisible by 8; got {shape[1]} x {shape[2]}"):
        Judge(shape, channels=(4, 4, 4))


def test_a_judge_gives_one_log_odds_per_digit():
    with seeded(0):
        judge = Judge()
    assert judge(torch.rand(3, 1, 28, 28)).shape == (3, 10)


@pytest.mark.parametrize(
    ("kind", "said"),
    [(torch.cuda.OutOfMemoryError, "tried to allocate 8 GiB"),
     (RuntimeError, "MPS backend out of memory"), (RuntimeError, "can't allocate memory")],
)  # fmt: skip
def test_memory_that_is_not_there_is_not_told_as_a_wrong_shape(kind, said):
    with pytest.raises(kind, match=said), taking(Judge(), torch.zeros(1)):
        raise kind(said)


def test_every_parameter_of_a_vae_gets_a_gradient():
    model = architecture(body="conv").build()
    model(torch.rand(8, *SHAPE), generator()).logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert isinstance(model.encoder, nn.Module)


@pytest.mark.parametrize("size", [0, -3, 100_001, 10**9, 2.5, "8"])
@pytest.mark.parametrize("field", ["latent_dim", "encoder_hidden", "decoder_dense", "image_shape"])
def test_a_width_that_no_network_has_is_refused_in_words(field, size):
    value = {"latent_dim": size, "image_shape": (1, size, 28)}.get(field, (16, size))
    with pytest.raises(ValueError, match="width must be a whole number, from 1 to 100,000, got"):
        Architecture(**{"decoder": "conv", field: value})
