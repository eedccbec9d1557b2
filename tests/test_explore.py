"""The explorers without a browser: the engine in node against PyTorch, and the widgets in Python.

In a browser: tests/book/test_explorers.py. The engine's own tests in JavaScript: tests/js.
"""

import base64
import inspect
import json
import math
import re
import subprocess
import warnings
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import anywidget
import ipywidgets
import numpy as np
import pytest
import torch
import traitlets
from explorers import EXPLORERS
from javascript import JS, assert_unit_tests_pass, node
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import codes as writer
import replay
import weight_files
from vaelib import (
    avatars,
    data,
    explore,
    explorer_assets,
    flow,
    latent,
    losses,
    metrics,
    plots,
    training,
    weights,
)  # fmt: skip
from vaelib.data import Faces, Images
from vaelib.explorers import betas, mixer, widgets
from vaelib.models import Architecture

# Both sides read the same float16 numbers and compute in float32 or better, so only the order of
# the sums differs. Measured: below 2e-5 of the largest output; rounding weights to float16 once
# more, or reading one of them wrongly, gives 1e-3 and more.
ENGINE_TOLERANCE = 1e-4


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
    assert_unit_tests_pass(JS)


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
        if "flow" in (recipe := weights.recipe(name)):  # see test_the_pages_flow_is_pytorchs
            continue
        details = recipe.get("architecture")
        jobs += jobs_of(name, weights.load(name), details and Architecture(**details))
    assert jobs
    assert_engine_agrees(jobs)


def test_the_exact_posterior_and_its_bounds_are_pytorchs():
    """Of a 2, a 5 and an 8: one gap that draws close, one that they do not, and one between."""
    name, ks, side = "vae-mnist-2d", [1, 10, 100], 0.02
    x, model = explorer_assets.load_digits()[0][[2, 5, 8]], weights.load(name)
    middles = torch.arange(-2.5 + side / 2, 2.5, side)  # beyond is less than shows
    grid = torch.cartesian_prod(middles, middles)
    with torch.no_grad():
        mu, log_var = model.encode(x)
        logits = (model.decode(part).flatten(1) for part in grid.split(5000))
        rows = [
            part @ x.flatten(1).T - torch.nn.functional.softplus(part).sum(1, keepdim=True)
            for part in logits
        ]
        epsilon = torch.randn(10_000, 1, 2, generator=torch.Generator().manual_seed(0))
        z = mu + (log_var / 2).exp() * epsilon
        log_w = torch.cat(
            [
                -losses.bernoulli_nll(
                    model.decode(part.flatten(0, 1)), x.repeat(len(part), 1, 1, 1)
                ).unflatten(0, part.shape[:2])
                for part in z.split(1000)
            ]
        )
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


def test_the_pages_flow_is_pytorchs():
    """The shipped one: a velocity as such and as told, and the way of some points of its noise."""
    model = weights.load(explorer_assets.FLOW)
    x = explore.load_flow()["noise"][:6, model.active]
    told = torch.tensor([1.0, 0, -1, 0, 0, 1, 0])
    path = weights.FOLDER / f"{explorer_assets.FLOW}.safetensors"
    answer = subprocess.run(
        [node(), JS / "run_flow.mjs"], capture_output=True, text=True, check=False,
        input=json.dumps(
            {"flow": str(path), "x": x.tolist(), "told": told.tolist(), "steps": 5}
        ),
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    got = json.loads(answer.stdout)
    with torch.no_grad():
        velocity = model(x, torch.full((6,), 0.3), told.expand(6, -1))
        way = flow.way(lambda x, t: model(x, t, told.expand(6, -1)), x, 5)
        untold = flow.way(model, x, 5)
    assert (way - untold).abs().max() > 0.1, "what it is told would not be seen"
    close = {"rtol": ENGINE_TOLERANCE, "atol": ENGINE_TOLERANCE}
    torch.testing.assert_close(torch.tensor(got["velocity"]).reshape(6, -1), velocity, **close)
    torch.testing.assert_close(torch.tensor(got["way"]).reshape(6, 6, -1), way, **close)


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
    for module in (explorer_assets, mixer):
        monkeypatch.setattr(module, "STATIC", untrained_faces)
    return untrained_faces


@pytest.mark.parametrize("name", ["kl_playgound", "__none__"])
def test_an_explorer_that_there_is_not_is_an_error_with_its_name(name):
    with pytest.raises(AttributeError, match=f"'vaelib.explorers' has no attribute '{name}'"):
        getattr(explore, name)


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
        lambda ae, vae: explore.noise_to_face(),
    ],
    ids=["latent", "reparameterisation", "draw", "posterior", "replay", "kl", "betas", "flow"],
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
        lambda: explore.latent_explorer(*shipped),
        lambda: explore.draw_a_digit("vae-tiny"),
        lambda: explore.exact_posterior("vae-tiny"),
        explore.training_replay,
        explore.noise_to_face,
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
            assert limits == (["low", "high"] if "low" in canvas else [])
            assert [canvas[limit] for limit in limits] == [
                states[slider][end] for end in ("min", "max")[: len(limits)]
            ]


def test_what_is_empty_is_not_in_a_page_but_is_told_to_who_asks_for_it():
    explorer = explore.kl_playground()
    for widget in (explorer, *explorer.children):
        state = widget.get_state()
        assert [name for name, value in state.items() if value is None or value == ()] == []
        assert widget.get_state("tooltip") == {"tooltip": None}


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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda ae, vae: explore.latent_explorer(ae, vae, z=(9, 0)),
            r"z1 is from -.* to .*; got 9",
        ),
        (
            lambda ae, vae: explore.latent_explorer(ae, None, (0, math.nan)),
            "z2 is from .*; got nan",
        ),
        (
            lambda ae, vae: explore.reparameterisation_explorer(vae, epsilon=(3.5, 0)),
            r"epsilon1 is from -3 to 3; got 3\.5",
        ),
        (
            lambda ae, vae: explore.reparameterisation_explorer(vae, epsilon=(0, math.nan)),
            "epsilon2 is from -3 to 3; got nan",
        ),
        *(
            (
                lambda ae, vae, make=make: make(vae, digit=10),
                "digit must be .*, from 0 to 9, got",
            )
            for make in (
                explore.reparameterisation_explorer,
                explore.draw_a_digit,
                explore.exact_posterior,
            )
        ),
    ],
)
def test_no_explorer_starts_where_its_sliders_cannot_reach(shipped, make, message):
    with pytest.raises(ValueError, match=message):
        make(*shipped)


DIGIT_MAPS = {"colours": plots.DIGIT_COLORS}
SEVEN = ("Smiling", "Eyeglasses", "Blond hair", "Beard", "Wearing hat", "Long hair", "Narrow eyes")
# What a cell without arguments shows: each slider's name, start, ends and step (or its choices and
# where among them it starts), and what the page is told beside.
SHOWN = {
    "latent_explorer('ae-mnist-2d', 'vae-mnist-2d')": (
        [("z₁", 0, -42, 109, 0.05), ("z₂", 0, -42, 109, 0.05)],
        DIGIT_MAPS | {"cdf": False, "zoom": False},
    ),
    "reparameterisation_explorer()": (
        [("ε₁", 1, -3, 3, 0.05), ("ε₂", -0.5, -3, 3, 0.05)],
        DIGIT_MAPS | {"name": "vae-mnist-2d", "image": 0},
    ),
    "draw_a_digit()": (
        [],
        DIGIT_MAPS | {"name": "vae-mnist-2d", "digit": 2, "tour": False, "box": [-5, 5, -5, 5]},
    ),
    "exact_posterior()": (
        [("k", "1 2 5 10 20 50 100 200 500 1000", 0)],
        {"name": "vae-mnist-2d", "digit": 2},
    ),
    "training_replay()": ([("moment", 0, 0, 23, 1)], DIGIT_MAPS),
    "kl_playground()": (
        [("μ", 1, -3, 3, 0.05), ("log σ²", -1, -6, 3, 0.05)],
        {"box": [-3, 3, -6, 3], "colours": [plots.ORANGE, plots.BLUE]},
    ),
    "beta_explorer()": (
        [("β", "0 0.1 0.5 1 2 4 8", 3)],
        DIGIT_MAPS | {"betas": [0, 0.1, 0.5, 1, 2, 4, 8]},
    ),
    "attribute_mixer()": (
        [*((name, 0, -2, 2, 0.1) for name in SEVEN), ("Morph", 0, 0, 1, 0.05)],
        {"name": "vae-avatars", "face": 0, "other": 1},
    ),
    "noise_to_face()": (
        [("Time t", 0, 0, 1, 0.02), ("Steps", 20, 1, 50, 1), ("Draw", 0, 0, 99, 1)],
        {"name": "vae-avatars", "flow": "flow-avatars", "box": [-3.5, 3.5, -3.5, 3.5]}
        | dict.fromkeys(avatars.NAMES, 0),
    ),
    "playground()": (
        [],
        DIGIT_MAPS
        | {"beta": 1, "noise": "learned", "likelihood": "Bernoulli", "sigma": 0.3}
        | {"reduction": "sum", "lr": 0.006, "warm_up": 0, "seed": 1, "mistake": ""},
    ),
}


@pytest.mark.parametrize("call", SHOWN)
def test_an_explorer_starts_as_its_documentation_says(call):
    wanted, beside = SHOWN[call]
    *sliders, canvas = eval(f"explore.{call}").children
    assert [slider.model_id for slider in sliders] == [at for at, *_ in canvas.sliders.values()]
    assert {len(widget.model_id) for widget in (*sliders, canvas)} == {8}
    assert len(sliders) == len(wanted)
    for slider, (name, *numbers) in zip(sliders, wanted):
        assert slider.description == name
        if len(numbers) == 2:
            assert [*slider.options] == numbers[0].split()
            assert slider.index == numbers[1]
        else:
            assert [slider.value, slider.min, slider.max, slider.step] == numbers
            assert slider.readout_format == ("d" if slider.step == 1 else ".2f")
    assert {name: getattr(canvas, name) for name in beside} == beside


@pytest.mark.parametrize(
    ("trait", "low", "high", "more"),
    [
        ("beta", 0, 10, 0.01),
        ("sigma", 0.05, 1, 0.001),
        ("lr", 1e-4, 0.1, 1e-5),
        ("warm_up", 0, 2000, 1),
        ("seed", 0, 9999, 1),
    ],
)
def test_a_switch_of_the_playground_reaches_its_ends_and_no_further(trait, low, high, more):
    for end, beyond in ((low, low - more), (high, high + more)):
        assert getattr(explore.playground(**{trait: end}).children[0], trait) == end
        with pytest.raises(traitlets.TraitError):
            explore.playground(**{trait: beyond})


def test_a_page_is_told_all_that_the_playgrounds_switches_say():
    switches = {"beta": 0.5, "noise": "fixed", "lr": 0.01, "seed": 7, "warm_up": 5}
    (canvas,) = explore.playground(**switches, mistake=explore.MUSEUM[0]).children
    told = canvas.get_state()
    for name in explore.Playground.class_own_traits():
        assert told[name] == getattr(canvas, name), name


def test_the_ends_of_a_slider_can_be_reached(shipped, untrained_mixer):
    *sliders, _ = explore.kl_playground(mu=3, log_var=-6).children
    assert [slider.value for slider in sliders] == [3, -6]
    *_, canvas = explore.attribute_mixer(11, {"Beard": -2, "Smiling": 2}, morph=1).children
    assert (canvas.Beard, canvas.Smiling, canvas.morph) == (-2, 2, 1)


# --- the stills: what reaches `plots` and the figure, by the model -------------------------------


class Still(NamedTuple):
    """A still's figure, and the arguments of each call of a helper of `plots`, by its name."""

    figure: Figure
    calls: dict[str, list[dict]]

    def maps(self) -> list[dict]:
        return self.calls["codes"]

    def pictures(self) -> torch.Tensor:
        """Of the only sheet."""
        (sheet,) = self.calls["pictures"]
        return sheet["images"]


@pytest.fixture
def still_of(monkeypatch):
    """still_of(explorer) draws its still, but for the pixels of the PNG."""
    calls, figures = {}, []

    def recording(name, function):
        def recorded(*args, **kwargs):
            arguments = inspect.signature(function).bind(*args, **kwargs).arguments
            calls.setdefault(name, []).append(arguments)
            return function(*args, **kwargs)

        return recorded

    for name in ("codes", "pictures", "kl_integrand"):
        monkeypatch.setattr(plots, name, recording(name, getattr(plots, name)))
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **_: figures.append(figure))

    def of(explorer) -> Still:
        calls.clear()
        explorer._repr_mimebundle_()
        still = Still(figures.pop(), dict(calls))
        for call in chain(*still.calls.values()):
            assert call["ax"] in still.figure.axes, "drawn on another figure"
        return still

    return of


def decoded_by(name: str, *z) -> torch.Tensor:
    """Pictures by PyTorch at latent points."""
    with torch.no_grad():
        points = torch.stack([torch.as_tensor(one) for one in z]).float()
        return weights.load(name).decode(points).sigmoid()


def assert_map(call: dict, name: str, box: list[float], point) -> None:
    """A map shows the codes of a model, to the edges of a box, and one point on it."""
    kept, ax = explorer_assets.load_codes(name), call["ax"]
    torch.testing.assert_close(call["points"], kept["mu"].float())
    assert call["labels"].tolist() == kept["labels"].tolist()
    assert [*ax.get_xlim(), *ax.get_ylim()] == pytest.approx(box)
    (line,) = ax.get_lines()
    torch.testing.assert_close(
        torch.tensor(line.get_xydata()).float(), torch.as_tensor([point]).float()
    )


POINT = ("decoded at (0, 0)", "", "", "equal")
SAMPLE = [
    ("1 x 2", "q(z|x), and z in it", "$z_1$", "$z_2$", "equal"),
    ("1 x 2", "x, decoded $\\mu$, decoded $z$", "", "", "equal"),
]
# A still's inches, and of each part: how many stand side by side (rows x columns), its title, what
# is written on its axes, and whether it is to scale.
STILLS = {
    "latent_explorer('ae-mnist-2d', 'vae-mnist-2d')": (
        (7.2, 5),
        [
            *(("2 x 2", kind, "$z_1$", "$z_2$", "equal") for kind in ("Autoencoder", "VAE")),
            *[("2 x 2", *POINT)] * 2,
        ],
    ),
    "latent_explorer('vae-mnist-2d', None)": (
        (3.6, 5),
        [("2 x 1", "VAE", "$z_1$", "$z_2$", "equal"), ("2 x 1", *POINT)],
    ),
    "reparameterisation_explorer()": ((7.2, 3.4), SAMPLE),
    "exact_posterior()": ((7.2, 3.4), SAMPLE),
    "draw_a_digit()": (
        (7.2, 3.6),
        [
            ("1 x 2", "its μ among the codes", "$z_1$", "$z_2$", "equal"),
            ("1 x 2", "the image, and its μ decoded", "", "", "equal"),
        ],
    ),
    "training_replay()": (
        (7.2, 4.6),
        [
            *(("2 x 2", kind, "$z_1$", "$z_2$", "equal") for kind in ("Autoencoder", "VAE")),
            *[("2 x 2", "", "", "", "equal")] * 2,
        ],
    ),
    "kl_playground()": (
        (7.2, 3.6),
        [("1 x 1", "mu 1, log_var -1: KL 0.684 nats", "z", "density", "auto")],
    ),
    "beta_explorer()": (
        (7.2, 6),
        [
            ("1 x 1", "", "", "", "equal"),
            ("1 x 2", "what each latent costs", "latent, sorted", "KL (nats)", "auto"),
            ("1 x 2", "codes of test digits", "$z_{10}$", "$z_{16}$", "equal"),
        ],
    ),
    "attribute_mixer()": (
        (7.2, 2.2),
        [
            *(
                ("1 x 4", title, "", "", "equal")
                for title in ("$x$", "$x$ decoded", "$z_{new}$ decoded")
            ),
            ("1 x 4", "", "", "", "auto"),
        ],
    ),
    "noise_to_face()": (
        (7.2, 4.2),
        [
            ("2 x 1", "t = 0", "", "", "equal"),
            ("2 x 1", "t = 0, 0.25, 0.5, 0.75, 1", "", "", "equal"),
        ],
    ),
    "playground()": (
        (3.6, 5),
        [("2 x 1", "codes of a trained VAE", "$z_1$", "$z_2$", "equal"), ("2 x 1", *POINT)],
    ),
}


def test_a_point_of_whole_numbers_or_of_numpys_has_a_still(still_of):
    for z in ((1, -2), tuple(np.array([1.0, -2.0]))):
        still_of(explore.latent_explorer(z=z))


def test_each_explorer_has_a_still():
    assert STILLS.keys() >= SHOWN.keys()
    called = {case.call.partition("(")[0] for case in EXPLORERS.values()}
    assert {call.partition("(")[0] for call in SHOWN} == called


@pytest.mark.parametrize("call", STILLS)
def test_a_still_has_its_size_its_parts_and_its_words(still_of, call):
    figure, (inches, parts) = still_of(eval(f"explore.{call}")).figure, STILLS[call]
    assert figure.get_size_inches().tolist() == pytest.approx(inches)
    for k, (ax, (grid, *words, scale)) in enumerate(zip(figure.axes, parts, strict=True)):
        place = ax.get_subplotspec()
        rows, columns = place.get_gridspec().get_geometry()
        assert f"{rows} x {columns}" == grid
        assert place.num1 == k % (rows * columns) or "beta" in call, "from left to right"
        assert [ax.get_title(), ax.get_xlabel(), ax.get_ylabel()] == words
        assert ax.get_aspect() == {"equal": 1, "auto": "auto"}[scale]


def test_a_still_is_a_png_whatever_format_a_reader_saves_figures_in():
    with rc_context({"savefig.format": "svg"}):
        png = base64.b64decode(explore.kl_playground()._repr_mimebundle_()["image/png"])
    assert png.startswith(b"\x89PNG")


@pytest.mark.parametrize("zoom", [False, True])
def test_the_latent_still_decodes_the_point_by_each_model_under_its_map(shipped, still_of, zoom):
    z = (0.5, -1.0)
    explorer = explore.latent_explorer(*shipped, z=z, zoom=zoom)
    still, canvas = still_of(explorer), explorer.children[-1]
    for name, title, pane, seen, sheet in zip(
        shipped, ("Autoencoder", "VAE"), canvas.panes, still.maps(), still.calls["pictures"],
        strict=True,
    ):  # fmt: skip
        box = explore.code_box(name)
        assert pane == {"name": name, "title": title, "box": box}
        assert_map(seen, name, [-4, 4, -4, 4] if zoom else box, z)
        torch.testing.assert_close(sheet["images"], decoded_by(name, z))
        assert sheet["ax"].get_title() == "decoded at (0.5, -1)"
        assert sheet["images"].shape == (1, 1, 28, 28)
        assert seen["title"] == title
    boxes = [[-4, 4]] if zoom else [pane["box"] for pane in canvas.panes]
    assert (canvas.low, canvas.high) == (min(map(min, boxes)), max(map(max, boxes)))


def test_the_still_of_a_sample_has_mu_the_sample_and_circles_of_one_two_and_three_sigma(
    shipped, still_of
):
    name, epsilon = shipped[1], torch.tensor([1.5, -2.0])
    still = still_of(explore.reparameterisation_explorer(name, 3, tuple(epsilon.tolist())))
    picture, mu, sigma = explore.posterior(name, 3)
    z = mu + epsilon * sigma
    assert picture.equal(explorer_assets.load_digits()[0][3:4])
    shown = torch.cat([picture, decoded_by(name, mu, z)])
    torch.testing.assert_close(still.pictures(), shown)
    assert still.calls["pictures"][0]["columns"] == 3
    assert not still.figure.axes[0].collections, "the exact posterior is another explorer's"
    *circles, way = still.figure.axes[0].get_lines()
    for reach, circle in zip((1, 2, 3), circles, strict=True):
        steps = (torch.tensor(circle.get_xydata()) - mu) / sigma
        torch.testing.assert_close(steps.norm(dim=1), torch.full((100,), float(reach)).double())
        assert steps[0].tolist() == pytest.approx(steps[-1].tolist(), abs=1e-3), "all around"
    torch.testing.assert_close(torch.tensor(way.get_xydata()).float(), torch.stack([mu, z]))


def test_the_still_of_the_posterior_has_bayes_density_around_mu(shipped, still_of, monkeypatch):
    seen, looks = [], []
    monkeypatch.setattr(
        Axes, "contourf", lambda ax, *args, **options: seen.append(args) or looks.append(options)
    )
    name = shipped[1]
    still = still_of(explore.exact_posterior(name, 4))
    picture, mu, sigma = explore.posterior(name, 4)
    torch.testing.assert_close(still.pictures(), torch.cat([picture, *[decoded_by(name, mu)] * 2]))
    assert looks == [{"cmap": "Oranges"}], "white where it is 0"
    assert explore.exact_posterior(name, 4).children[-1].position == 0
    ((z1, z2, density),) = (tuple(map(torch.as_tensor, args)) for args in seen)
    assert density.sum().item() == pytest.approx(1)
    for k, axis in enumerate((z1, z2)):
        ends = [(mu[k] + reach * sigma[k]).item() for reach in (-8, 8)]
        assert axis[[0, -1]].tolist() == pytest.approx(ends)
    # From place to place the density changes as p(x|z) p(z) does; its rows are z2.
    highest, places = density.flatten().topk(20)
    rows, columns = places // 81, places % 81
    assert min(len(rows.unique()), len(columns.unique())) > 1
    z = torch.stack([z1[columns], z2[rows]], 1)
    with torch.no_grad():
        nll = losses.bernoulli_nll(weights.load(name).decode(z), picture.expand(20, -1, -1, -1))
    log = -nll - z.square().sum(1) / 2
    torch.testing.assert_close(highest.log() - highest[0].log(), log - log[0], rtol=0, atol=1e-2)


def test_the_still_of_a_drawing_has_the_digits_mu_on_its_map(shipped, still_of):
    name = shipped[1]
    explorer = explore.draw_a_digit(name, digit=5)
    still = still_of(explorer)
    picture, mu, _ = explore.posterior(name, 5)
    assert_map(still.maps()[0], name, explore.code_box(name), mu.tolist())
    torch.testing.assert_close(still.pictures(), torch.cat([picture, decoded_by(name, mu)]))
    assert still.calls["pictures"][0]["columns"] == 2
    assert (explorer.children[-1].digit, explorer.children[-1].tour) == (5, False)
    assert "a 5" in explorer._text


def test_the_still_of_the_replay_is_its_recorded_step(still_of):
    explorer, recorded = explore.training_replay(frame=7), explore.load_replay()
    still, boxes = still_of(explorer), explorer.children[-1].boxes
    sheets = still.calls["pictures"]
    for kind, box, seen, sheet in zip(("ae", "vae"), boxes, still.maps(), sheets, strict=True):
        every = recorded[f"{kind}.codes"]
        torch.testing.assert_close(seen["points"], every[7].float())
        assert seen["labels"].tolist() == recorded["labels"].tolist()
        assert [*seen["ax"].get_xlim(), *seen["ax"].get_ylim()] == pytest.approx(box)
        assert box == explore.square_box(every.flatten(0, 1))
        wanted = torch.cat([recorded["originals"], recorded[f"{kind}.pictures"][7]])[:, None]
        torch.testing.assert_close(sheet["images"], wanted.float() / 255)
        assert sheet["columns"] == 5
    assert still.figure.get_suptitle() == f"after {int(recorded['steps'][7])} steps"
    assert f"step {int(recorded['steps'][7])}," in explorer._text


def test_a_slider_is_asked_for_one_trait_and_gives_that_one_though_it_stands_at_its_default():
    slider = explore.kl_playground(mu=0.0).children[0]
    assert slider.value == 0.0
    assert slider.get_state("value") == {"value": 0.0}
    assert slider.get_state({"value", "orientation"}) == {"value": 0.0, "orientation": "horizontal"}
    assert "orientation" not in slider.get_state(), "what is the default is left out of a page"


@pytest.mark.parametrize("beta", [0, 1])
def test_the_still_of_a_beta_shows_its_own_samples_costs_and_codes(still_of, beta):
    explorer, shown = explore.beta_explorer(beta), explore.load_betas()
    position = [*explorer_assets.BETAS.values()].index(beta)
    still = still_of(explorer)
    name = [*explorer_assets.BETAS][position]
    torch.testing.assert_close(still.pictures(), decoded_by(name, *shown["z"]))
    assert still.calls["pictures"][0]["columns"] == 5
    bars = next(ax for ax in still.figure.axes if ax.patches and ax.get_ylabel() == "KL (nats)")
    kl, active = shown["kl"][position], shown["active"][position]
    assert bars.get_xticks().tolist() == [1, 4, 8, 12, 16]
    for k, bar in enumerate(bars.patches):
        assert bar.get_x() + bar.get_width() / 2 == pytest.approx(k + 1)
        assert bar.get_height() == pytest.approx(max(kl[k].item(), 0.07))
        assert to_hex(bar.get_facecolor()) == (plots.BLUE if active[k] else plots.ORANGE)
    (cloud,) = still.maps()
    torch.testing.assert_close(cloud["points"], shown["codes"][position].float())
    assert cloud["labels"].tolist() == shown["labels"].tolist()
    first, second = (shown["latents"][position] + 1).tolist()
    axes = cloud["ax"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == (f"$z_{{{first}}}$", f"$z_{{{second}}}$")
    assert (axes.get_title(), bars.get_title()) == (
        "codes of test digits",
        "what each latent costs",
    )
    prior = beta == 1  # without a price they lie far beyond the prior
    box = [-4, 4, -4, 4] if prior else explore.square_box(shown["codes"][position])
    assert [*axes.get_xlim(), *axes.get_ylim()] == pytest.approx(box)
    rate, distortion = (shown[key][position].item() for key in ("rate", "distortion"))
    assert still.figure.get_suptitle() == (
        f"β = {beta}: rate {rate:.1f} nats, distortion {distortion:.1f} nats, "
        f"{int(active.sum())} active"
    )


def test_the_still_of_a_beta_holds_codes_that_leave_the_prior_in_one_latent_alone(
    still_of, monkeypatch
):
    shown = explore.load_betas()
    shown["codes"][..., 0] += 10
    monkeypatch.setattr(betas, "load_betas", lambda: shown)
    (cloud,) = still_of(explore.beta_explorer(1)).maps()
    ends = [*cloud["ax"].get_xlim(), *cloud["ax"].get_ylim()]
    assert ends == pytest.approx(explore.square_box(shown["codes"][3]))
    assert ends[1] > 10


def test_the_still_of_the_kl_has_the_curves_where_the_sliders_start(still_of):
    still = still_of(explore.kl_playground(mu=-0.5, log_var=1.5))
    (call,) = still.calls["kl_integrand"]
    assert (call["mu"], call["log_var"]) == (-0.5, 1.5)
    assert call["ax"].get_title() == "mu -0.5, log_var 1.5: KL 1.116 nats"


@pytest.mark.parametrize("mu", [-2, 2])
def test_the_legend_of_the_kl_stays_in_its_corner_wherever_the_curves_are(still_of, mu):
    figure = still_of(explore.kl_playground(mu=mu)).figure
    figure.draw_without_rendering()
    (ax,) = figure.axes
    legend = ax.get_legend().get_window_extent().transformed(ax.transAxes.inverted())
    assert legend.x0 < 0.1
    assert legend.y1 > 0.9


@pytest.mark.parametrize("morph", [0.0, 0.25])
def test_the_still_of_the_mixer_has_the_mixed_face_and_the_truth_where_there_is_one(
    untrained_mixer, still_of, morph
):
    shown, k, name = explore.load_mixer(), 2, explorer_assets.FACE_MODEL
    alpha = -1.5 if shown["has"][3, k] else 1.5
    still = still_of(explore.attribute_mixer(3, {avatars.NAMES[k]: alpha}, morph))
    mu = shown["mu"]
    z_new = mu[3] + morph * (mu[4] - mu[3]) + alpha * shown["vectors"][k]
    wanted = [shown["pictures"][3, :1], *decoded_by(name, mu[3], z_new)[:, None]]
    titles = ["$x$", "$x$ decoded", "$z_{new}$ decoded"]
    if not morph:
        wanted.append(shown["pictures"][3, 1 + k : 2 + k])
        titles.append("drawn so")
    sheets = still.calls["pictures"]
    for sheet, picture, title in zip(sheets, wanted, titles, strict=True):
        torch.testing.assert_close(sheet["images"], picture)
        assert sheet["ax"].get_title() == title
    assert not any(ax.axison for ax in still.figure.axes if not ax.get_title())


def test_the_still_of_the_playground_is_a_trained_map_at_the_priors_scale(still_of):
    still = still_of(explore.playground(beta=4, seed=2))
    assert_map(still.maps()[0], "vae-mnist-2d", [-4, 4, -4, 4], (0, 0))
    torch.testing.assert_close(still.pictures(), decoded_by("vae-mnist-2d", (0.0, 0.0)))


def test_a_square_box_is_square_in_whole_numbers_and_holds_its_points_closely():
    points = torch.tensor([[-3.2, 10.0], [4.9, 11.0], [0.0, 10.4]])
    low1, high1, low2, high2 = explore.square_box(points)
    assert high1 - low1 == high2 - low2 <= 8.1 + 3
    assert [edge % 1 for edge in (low1, high1, low2, high2)] == [0, 0, 0, 0]
    for k, (low, high) in enumerate(((low1, high1), (low2, high2))):
        assert low <= points[:, k].min() <= points[:, k].max() <= high
    assert (low2 + high2) / 2 == pytest.approx(10.5, abs=0.5)


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
    assert explore.training_replay(frame=-24).children[-1].frame == 0
    for frame in (24, -25, 1.5):
        with pytest.raises(ValueError, match=f"frame must be .*, from -24 to 23, got {frame}"):
            explore.training_replay(frame=frame)


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
    tensors = explore.load_replay()
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
    tensors, test = explore.load_betas(), data.mnist().test
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
    assert "face 3 as drawn" in bundle["text/plain"]
    assert bundle["text/plain"].endswith(
        "with morphed by 0.25 into face 4, Blond hair +0.5, Beard -1.5."
    )
    assert explore.attribute_mixer()._text.endswith("decoded again with no attribute moved.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"face": 12}, "face must be a whole number, from 0 to 11, got 12"),
        ({"face": -1}, "face must be a whole number, from 0 to 11, got -1"),
        ({"alphas": {"Smilling": 1}}, "no attribute 'Smilling'. Did you mean 'Smiling'"),
        ({"alphas": {"Beard": 2.5}}, r"Beard is from -2 to 2; got 2\.5"),
        ({"alphas": {"Beard": float("nan")}}, "Beard is from -2 to 2; got nan"),
        ({"alphas": {"Beard": float("-inf")}}, "Beard is from -2 to 2; got -inf"),
        ({"morph": 1.5}, r"morph is from 0 to 1; got 1\.5"),
        ({"morph": float("nan")}, "morph is from 0 to 1; got nan"),
    ],
)
def test_the_mixer_refuses_what_it_has_no_slider_for(untrained_mixer, arguments, message):
    with pytest.raises(ValueError, match=message):
        explore.attribute_mixer(**arguments)


def test_the_still_has_a_counterfactual_exactly_where_one_attribute_is_flipped(untrained_mixer):
    has = explore.load_mixer()["has"][1]
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
    shown, model = explore.load_mixer(), weights.load("vae-avatars")
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
    has = explore.load_mixer()["has"]
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
    monkeypatch.setattr(mixer, "STATIC", untrained_mixer / "none")
    with pytest.raises(
        weights.WeightsError, match=r"mixer\.safetensors is missing.*tools/codes\.py"
    ):
        explore.attribute_mixer()


def test_what_the_mixer_shows_is_of_the_shipped_model():
    assert writer.mixer_is_current(), "run `python tools/codes.py`"
    assert (explorer_assets.STATIC / "mixer.safetensors").stat().st_size <= 250_000
    train = avatars.faces(writer.MIXER_FACES)
    assert_mixer_is_the_models(explore.load_mixer(), weights.load("vae-avatars"), train)


# --- noise to face --------------------------------------------------------------------------------


def test_noise_to_face_starts_where_asked():
    explorer = explore.noise_to_face({"Smiling": True, "Beard": False}, time=0.5, steps=3, draw=7)
    *sliders, canvas = explorer.children
    assert [slider.value for slider in sliders] == [0.5, 3, 7]
    assert [canvas.time, canvas.steps, canvas.draw] == [0.5, 3, 7]
    told = {name: getattr(canvas, name) for name in avatars.NAMES}
    assert told == {**dict.fromkeys(avatars.NAMES, 0), "Smiling": 1, "Beard": -1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"told": {"Beards": True}}, "no attribute 'Beards'. Did you mean 'Beard'"),
        ({"time": 1.5}, r"time is from 0 to 1; got 1\.5"),
        ({"time": float("nan")}, "time is from 0 to 1; got nan"),
        ({"steps": 0}, "steps is from 1 to 50; got 0"),
        ({"steps": 2.5}, r"steps must be a whole number, .* got 2\.5"),
        ({"draw": 2.5}, r"draw must be a whole number, .* got 2\.5"),
        ({"draw": 100}, "draw is from 0 to 99; got 100"),
    ],
)
def test_noise_to_face_refuses_what_it_has_no_place_for(arguments, message):
    with pytest.raises(ValueError, match=message):
        explore.noise_to_face(**arguments)


def test_the_still_of_noise_to_face_shows_the_flows_own_way(monkeypatch):
    """A way of three steps, looked at between the first and the second, and five faces of it."""
    seen = {"faces": None, "clouds": [], "dots": []}
    monkeypatch.setattr(
        plots, "pictures", lambda faces, **options: seen.update(faces=faces, columns=options)
    )
    scatter = Axes.scatter
    monkeypatch.setattr(
        Axes, "scatter", lambda ax, *xy, **options: seen["clouds"].append(torch.stack(xy, 1))
        or seen["dots"].append(options["s"]) or scatter(ax, *xy, **options),
    )  # fmt: skip
    figure = Figure()
    explore.noise_to_face({"Smiling": True}, time=0.5, steps=3, draw=7)._still(figure)
    above, below = figure.axes
    assert [*above.get_xlim(), *above.get_ylim()] == [-3.5, 3.5, -3.5, 3.5]
    assert seen["columns"] == {"columns": 5, "ax": below}
    assert seen["dots"] == [1, 9], "the few that move stand out from the thousand that do not"
    shown, model = explore.load_flow(), weights.load(explorer_assets.FLOW)
    told = torch.tensor([[float(name == "Smiling") for name in avatars.NAMES]]).expand(100, -1)
    z = shown["noise"].repeat(4, 1, 1)
    with torch.no_grad():
        start = z[0, :, model.active]
        z[..., model.active] = flow.way(lambda x, t: model(x, t, told), start, 3)
    codes, cloud = seen["clouds"]
    assert torch.equal(codes, shown["codes"])
    torch.testing.assert_close(cloud, ((z[1] + z[2]) / 2)[:, shown["latents"]])
    wanted = torch.stack([z[0], 0.25 * z[0] + 0.75 * z[1], (z[1] + z[2]) / 2, z[2], z[3]])[:, 7]
    wanted[3] = 0.75 * z[2, 7] + 0.25 * z[3, 7]
    decoded = latent.decode_images(weights.load(explorer_assets.FACE_MODEL), wanted)
    torch.testing.assert_close(seen["faces"], decoded)


def test_what_noise_to_face_shows_is_of_the_shipped_models():
    assert writer.flow_is_current(), "run `python tools/codes.py`"
    shown, model = explore.load_flow(), weights.load(explorer_assets.FACE_MODEL)
    path = explorer_assets.STATIC / "flow.safetensors"
    assert path.stat().st_size <= 12_000
    codes = latent.encode_images(model, avatars.faces(1000, start=20_000))
    nats = metrics.nats_of_latents(codes)
    assert shown["latents"].tolist() == nats.topk(2).indices.tolist()
    assert set(shown["latents"].tolist()) <= set(weights.load(explorer_assets.FLOW).active)
    torch.testing.assert_close(shown["codes"], codes.z[:, shown["latents"]], rtol=2e-3, atol=2e-3)
    assert shown["noise"].shape == (100, codes.z.shape[1])
    assert shown["noise"].mean().abs() < 0.06
    assert shown["noise"].std().item() == pytest.approx(1, abs=0.04)


def test_a_stale_file_of_noise_to_face_is_found_out(tmp_path, monkeypatch, untrained_faces):
    monkeypatch.setattr(weights, "FOLDER", untrained_faces)
    train = torch.load(untrained_faces / "train.pt", weights_only=False)
    monkeypatch.setattr(explorer_assets, "STATIC", tmp_path)
    assert not writer.flow_is_current()
    writer.save_flow(train, tmp_path)
    assert writer.flow_is_current()
    monkeypatch.setattr(avatars, "recipe", lambda: "another")
    assert not writer.flow_is_current()


def test_digits_to_choose_from_are_one_of_each():
    pictures, rows = explorer_assets.load_digits()
    assert pictures.shape == (10, 1, 28, 28)
    assert len(set(rows)) == 10
    assert pictures.equal(data.mnist().test[rows].float())
    assert data.mnist().test.labels[rows].tolist() == list(range(10))
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


def test_a_page_that_asks_for_a_file_is_heard():
    canvas, sent = explore.kl_playground().children[-1], []
    canvas.send = lambda content, buffers: sent.append((content, *buffers))
    canvas._handle_custom_msg({"path": "vaelib/kl.js"}, [])  # as ipywidgets hands it on
    [(content, script)] = sent
    assert content == {"path": "vaelib/kl.js"}
    assert script == (explorer_assets.STATIC / "kl.js").read_bytes()


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
    with pytest.raises(weights.WeightsError, match="Did you mean 'ae-tiny'"):
        explore.draw_a_digit("ae-tin")


@pytest.mark.parametrize(
    "name", [path.name.split(".")[0] for path in weights.FOLDER.glob("*.codes.safetensors")]
)
def test_shipped_codes_belong_to_the_shipped_encoder(name):
    assert writer.codes_are_current(name), f"run `python tools/codes.py {name}`"
