"""The playground's training, in node against PyTorch: ``static/train.js`` writes it out by hand.

In a browser: tests/book/test_playground.py. By finite differences: tests/js/train.test.mjs.
"""

import base64
import json
import subprocess
import zlib

import pytest
import torch
import traitlets
from javascript import JS, node
from support import generator

import codes as writer
from vaelib import data, explore, explorer_assets, weights
from vaelib.losses import gaussian_nll
from vaelib.mistakes import MISTAKES
from vaelib.models import Architecture

NETWORK = Architecture("vae", 2, encoder_hidden=(128,), decoder_hidden=(128,))
NOISE = 0.5  # what chapter 4 adds as fixed noise, and train.js calls NOISE
SETTINGS = [
    {},
    {"beta": 4},
    {"beta": 0},
    {"noise": "off"},
    {"noise": "fixed", "beta": 0},
    {"noise": "fixed", "beta": 2},
    {"reduction": "mean"},
    {"likelihood": "Gaussian", "sigma": 0.2},
    {"likelihood": "Gaussian", "sigma": 0.5, "reduction": "mean", "beta": 0.5},
    *({"mistake": name} for name in explore.MUSEUM),
]


def pictures(count: int) -> torch.Tensor:
    """Grey pictures of which most pixels are paper, as MNIST's are; (N, 1, 28, 28)."""
    grey = torch.rand(count, 1, 28, 28, generator=generator(1))
    return (grey * 5 - 4).clamp_min(0)


def test_where_the_switches_stand_is_the_same_in_python_and_in_the_page():
    code = "import { RIGHT, NOISE } from './train.js'; console.log(JSON.stringify([RIGHT, NOISE]))"
    run = subprocess.run(
        [node(), "--input-type=module", "-e", code],
        cwd=explorer_assets.STATIC, capture_output=True, text=True, check=True,
    )  # fmt: skip
    right, noise = json.loads(run.stdout)
    (canvas,) = explore.playground().children
    assert right == {name: getattr(canvas, name) for name in right}
    assert set(right) == explore.Playground.class_own_traits().keys() - {
        "seed",
        "museum",
        "colours",
    }
    assert noise == NOISE


def in_node(settings: dict, x: torch.Tensor, epsilons: torch.Tensor, seed: int = 3) -> dict:
    asked = {
        "seed": seed, "settings": settings, "x": x.flatten(1).tolist(),
        "epsilons": epsilons.tolist(),
    }  # fmt: skip
    answer = subprocess.run(
        [node(), JS / "run_training.mjs"],
        input=json.dumps(asked), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    got = json.loads(answer.stdout)
    for key in ("start", "gradient"):
        got[key] = torch.frombuffer(bytearray(base64.b64decode(got[key])), dtype=torch.float32)
    return got


def network(numbers: torch.Tensor) -> torch.nn.Module:
    """PyTorch's network with the weights that node began with."""
    model = NETWORK.build(seed=0)
    assert len(numbers) == sum(p.numel() for p in model.parameters())
    torch.nn.utils.vector_to_parameters(numbers, model.parameters())
    return model


def loss(model, x: torch.Tensor, epsilon: torch.Tensor, settings: dict):
    """(loss, reconstruction, KL) in the mean over x, by the library's own formulas."""
    mu, log_var = model.encode(x)
    mistake = MISTAKES.get(settings.get("mistake"))
    at = lambda part: mistake.at(part) if mistake else MISTAKES["no sigmoid"].at(part)  # noqa: E731
    noise = settings.get("noise", "learned")
    if noise != "learned":
        log_var = torch.full_like(mu, NOISE).log() * 2
    z = mu if noise == "off" else at("sample")(mu, log_var, epsilon)
    logits = model.decode(z)
    if settings.get("likelihood") == "Gaussian":
        nll = gaussian_nll(logits.sigmoid(), x, settings["sigma"])
    else:
        nll = at("reconstruction")(logits, x)
    if settings.get("reduction") == "mean":
        nll = nll / 784
    kl = torch.zeros(len(x)) if noise == "off" else at("kl")(mu, log_var)
    return (nll + settings.get("beta", 1) * kl).mean(), nll.mean(), kl.mean()


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: " ".join(map(str, s.values())))
def test_every_gradient_is_pytorchs(settings):
    x, epsilon = pictures(6), torch.randn(1, 6, 2, generator=generator(2))
    got = in_node(settings, x, epsilon)
    # In double: a KL of .002 that is a difference of numbers near 1 has four digits in float32.
    model = network(got["start"]).double()
    total, nll, kl = loss(model, x.double(), epsilon[0].double(), settings)
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(total, model.parameters())])
    wanted = torch.stack([total, nll, kl]).tolist()
    terms = got["terms"]
    assert [terms["loss"], terms["reconstruction"], sum(terms["kl"])] == pytest.approx(wanted, 1e-5)
    difference = got["gradient"].double() - gradient
    at = 0
    for name, parameter in model.named_parameters():
        part = slice(at, at := at + parameter.numel())
        assert difference[part].norm() <= 1e-4 * gradient[part].norm(), name


def test_the_same_steps_with_the_same_noise_come_to_pytorchs_loss():
    x, epsilons = pictures(16), torch.randn(60, 16, 2, generator=generator(4))
    got = in_node({}, x, epsilons)
    model = network(got["start"])
    optimiser = torch.optim.Adam(model.parameters(), lr=0.006)
    for epsilon, seen in zip(epsilons, got["losses"], strict=True):
        total = loss(model, x, epsilon, {})[0]
        assert seen == pytest.approx(total.item(), rel=0.01)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    assert got["losses"][-1] < got["losses"][0] - 100


def test_pictures_are_pytorchs():
    epsilon = torch.randn(1, 6, 2, generator=generator(2))
    got = in_node({}, pictures(6), epsilon)
    with torch.no_grad():
        wanted = network(got["start"]).decode(epsilon[0]).sigmoid().flatten()
    assert (torch.tensor(got["picture"]) - wanted).abs().max() < 1e-5


def test_digits_are_kept_in_four_bits_each_class_alike():
    mnist = data.mnist()
    for name, images, count in (("train", mnist.train, 4000), ("heldout", mnist.test, 1000)):
        _, tensors = weights.read(explorer_assets.STATIC / f"{name}.safetensors")
        assert tensors["labels"].bincount().tolist() == [count // 10] * 10
        unzipped = bytearray(zlib.decompress(tensors["zlib"].numpy().tobytes()))
        packed = torch.frombuffer(unzipped, dtype=torch.uint8)
        rows = packed.reshape(count, 14, 28)
        levels = torch.stack([rows // 16, rows % 16], dim=2).flatten(1, 2)
        wanted = (images.pixels[:, 0].float() / 17).round()
        rows = torch.cat([(images.labels == d).nonzero()[: count // 10, 0] for d in range(10)])

        def pairs(labels, pictures):
            pixels = (picture.numpy().tobytes() for picture in pictures.byte())
            return sorted(zip(labels.tolist(), pixels))

        assert pairs(tensors["labels"], levels) == pairs(images.labels[rows], wanted[rows])


def test_the_first_step_waits_for_at_most_400_kb(tmp_path):
    path = explorer_assets.STATIC / "train.safetensors"
    assert path.stat().st_size <= 400_000
    written = writer.save_training_digits(data.mnist(), tmp_path)
    assert [file.name for file in written] == ["train.safetensors", "heldout.safetensors"]
    for file in written:
        new, kept = (weights.read(p)[1] for p in (file, explorer_assets.STATIC / file.name))
        assert new["labels"].equal(kept["labels"])
        one, other = (zlib.decompress(t["zlib"].numpy().tobytes()) for t in (new, kept))
        assert one == other


# --- the widget -----------------------------------------------------------------------------------


def test_python_sets_and_reads_the_switches():
    explorer = explore.playground(beta=0, noise="fixed", mistake="no sigmoid")
    (canvas,) = explorer.children
    state = canvas.get_state()
    assert (state["beta"], state["noise"], state["mistake"]) == (0, "fixed", "no sigmoid")
    canvas.set_state({"beta": 4.0, "seed": 9})  # as from the page
    assert (canvas.beta, canvas.seed) == (4, 9)
    assert [exhibit["name"] for exhibit in state["museum"]] == list(explore.MUSEUM)
    still = base64.b64decode(explorer._repr_mimebundle_()["image/png"])
    assert still.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "setting", [{"beta": -1}, {"beta": 11}, {"noise": "loud"}, {"mistake": "none"}, {"lr": 0}]
)
def test_a_switch_takes_only_what_there_is(setting):
    with pytest.raises(traitlets.TraitError):
        explore.playground(**setting)


def test_a_switch_that_there_is_not_is_named():
    with pytest.raises(TypeError, match="betta"):
        explore.playground(betta=1)
