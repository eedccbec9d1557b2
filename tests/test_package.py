"""The package as a whole: what importing it costs, and what it promises by name."""

import ast
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from pkgutil import iter_modules

import pytest

import vaelib

PACKAGE = Path(vaelib.__file__).parent
HEAVY = ("matplotlib", "sklearn", "scipy", "ipywidgets", "anywidget", "torchvision")
CORE = ("data", "models", "losses", "training", "latent", "metrics", "weights")

# Imports run in a fresh interpreter: this one has long imported everything.
LOADED_AFTER = "import json, sys; {code}; print(json.dumps(sorted(sys.modules)))"


def loaded_after(code: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", LOADED_AFTER.format(code=code)],
        env={**os.environ, "PYTHONPATH": str(Path(vaelib.__file__).parents[1])},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(json.loads(run.stdout))


def test_importing_the_package_imports_nothing_heavy():
    assert not loaded_after("import vaelib") & {"torch", *HEAVY}


def test_the_core_imports_no_plotting_no_widgets_and_no_scikit_learn():
    loaded = loaded_after(f"from vaelib import {', '.join(CORE)}")
    assert {f"vaelib.{module}" for module in CORE} <= loaded
    assert not loaded & set(HEAVY)


def test_the_explorers_import_matplotlib_only_when_one_is_made():
    loaded = loaded_after("from vaelib import explore")
    assert "vaelib.explorers" in loaded
    assert not loaded & {"matplotlib", "vaelib.explorers.widgets"}


@pytest.mark.parametrize("name", vaelib.__all__)
def test_every_public_name_is_there(name):
    assert getattr(vaelib, name) is not None
    assert name in dir(vaelib)


def test_a_star_import_gives_exactly_the_public_names():
    names = {}
    exec("from vaelib import *", names)
    assert set(names) - {"__builtins__"} == set(vaelib.__all__)


def test_a_public_name_is_the_one_of_its_module():
    for name, home in vaelib._HOME.items():
        assert getattr(vaelib, name) is getattr(importlib.import_module(f"vaelib.{home}"), name)


def test_no_module_has_the_name_of_a_public_function():
    """Importing a module sets an attribute of the package, which would hide the function."""
    modules = {path.stem for path in PACKAGE.glob("*")}
    assert {"digits", "photographs"} <= modules
    assert not modules & vaelib._HOME.keys()


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(AttributeError, match=r"has no attribute 'kl_divergance'; it has: .*kl_div"):
        vaelib.kl_divergance


def public():
    """Public functions, classes and methods of every module, by their full name."""
    found = {}
    files = [f"explorers.{file.name}" for file in iter_modules(vaelib.explore.__path__)]
    for module_name in (*{*vaelib._MODULES} - {"explore"}, *files):
        module = importlib.import_module(f"vaelib.{module_name}")
        found[module_name] = module
        for name, thing in vars(module).items():
            own = getattr(thing, "__module__", None) == module.__name__
            if name.startswith("_") or not own or not (callable(thing)):
                continue
            found[f"{module_name}.{name}"] = thing
            if inspect.isclass(thing):
                for method, function in vars(thing).items():
                    if inspect.isfunction(function) and not method.startswith("_"):
                        found[f"{module_name}.{name}.{method}"] = function
    return found


def test_every_public_thing_has_a_docstring():
    things = public()
    assert len(things) > 80
    assert [name for name, thing in things.items() if not inspect.getdoc(thing)] == []


# What a call takes where nothing is said, and the numbers that a module names: the book's figures,
# the shipped weights and a reader's cache are of these.
LEFT_OUT = """
avatars SIZE=64 BLOCK=1000 MANY=50000
avatars.admissible seed=0
avatars.counterfactual seed=0
avatars.faces seed=0 start=0 progress=True
evaluation.log_likelihood k=5000 seed=0 batch_size=500
evaluation.log_weights seed=0 batch_size=500
evaluation.refine steps=300 draws=16 lr=0.05 seed=0
evaluation.toss seed=0
explorers.betas.beta_explorer beta=1
explorers.draw.draw_a_digit digit=2 tour=False
explorers.flow TIMES=(0, 0.25, 0.5, 0.75, 1)
explorers.flow.noise_to_face time=0.0 steps=20 draw=0
explorers.kl.kl_playground mu=1.0 log_var=-1.0
explorers.latent.latent_explorer z=(0.0, 0.0) cdf=False zoom=False
explorers.mixer ALPHA=2.0
explorers.mixer.attribute_mixer face=0 morph=0.0
explorers.posterior DRAWS=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
explorers.posterior.exact_posterior digit=2
explorers.reparameterise.reparameterisation_explorer digit=0 epsilon=(1.0, -0.5)
explorers.reparameterise.still epsilon=(0.0, 0.0) exact=False
explorers.replay.training_replay frame=0
explorers.widgets.slider step=0.05
flow.Flow attributes=0 width=384 depth=4
flow.Flow.sample steps=50 seed=0
images.Faces ink=False
images.Images ink=False
images.whole most=inf
judges.Judge image_shape=(1, 28, 28) channels=(32, 64) outputs=10
judges.clarity_threshold keep=0.95
judges.fit_attribute_judge epochs=5 batch_size=128 lr=0.002 seed=0 spoiled=0.3 blur=1.0 shift=0
    channels=(32, 64, 96)
judges.fit_digit_judge epochs=10 batch_size=128 lr=0.002 seed=0 spoiled=0.3 blur=1.5 shift=2
judges.recognition_threshold keep=0.95
latent BATCH=100
latent.decode_images batch_size=100
latent.encode_images seed=0 batch_size=100
latent.interpolate spherical=False
latent.quantile_grid low=0.01 high=0.99
latent.sample_prior seed=0
losses.effective_beta r_loss_factor=1.0 kl_weight=1.0 latents_averaged=1 scale=1.0
losses.gaussian_nll sigma=1.0
losses.mean_squared_error r_loss_factor=1.0
losses.negative_elbo beta=1.0
losses.root_mean_squared_error r_loss_factor=1.0
metrics.interpolation_validity pairs=1000 steps=9 seed=0
metrics.knn_accuracy k=10 limit=10000
metrics.mass_covered keep=0.99
metrics.sample_codes seed=0
metrics.scoreboard samples=2000 seed=0
metrics.uniformity_2d cells=10
mistakes.Mistake afterwards=False
models.Architecture latent_dim=2 encoder_hidden=(512, 256) decoder_hidden=(128, 160)
    image_shape=(1, 28, 28) noise=0.0
models.Architecture.build seed=0
models.Autoencoder noise=0.0
photographs CELEBA_SHAPE=(178, 218) CELEBA_CROP=140 SHARDS=132 SHARD_BYTES=10600000 FEWEST=10
photographs.celeba size=64
photographs.faces_from_folder size=64
plots.codes size=3 limit=5000
plots.panels width=9 height=4.5
plots.posterior_ellipses count=200 sigmas=1
plots.prior_circles sigmas=(1, 2, 3)
plots.sheet ink=True
plots.underline shape=(28, 28)
training.Config epochs=10 batch_size=256 lr=0.002 beta=1.0 warmup_epochs=0.0 seed=0
training.evaluate beta=1.0 seed=0 batch_size=1000
training.fit progress=True
weights FORMAT=1
"""


def numbers_in(thing) -> str:
    """``name=value`` of the defaults of a function or class, or of the constants of a module."""

    def is_number(value):
        many = isinstance(value, tuple) and value
        return all(map(is_number, value)) if many else isinstance(value, bool | int | float)

    named = {}
    if inspect.ismodule(thing):
        named = {name: getattr(thing, name) for name in CONSTANT.findall(inspect.getsource(thing))}
    else:
        with suppress(ValueError):  # an exception has no signature
            given = inspect.signature(thing).parameters.values()
            named = {one.name: one.default for one in given}
    return " ".join(f"{name}={value}" for name, value in named.items() if is_number(value))


CONSTANT = re.compile(r"(?m)^([A-Z]\w*) = ")


def test_what_is_left_out_of_a_call_is_what_the_book_was_measured_with():
    found = {name: numbers_in(thing) for name, thing in sorted(public().items())}
    lines = [f"{name} {numbers}" for name, numbers in found.items() if numbers]
    assert lines == re.sub(r"\n +", " ", LEFT_OUT).strip().splitlines()


LAYERS = (
    ("files",),
    ("images",),
    ("digits", "photographs"),
    ("data",),
    ("avatars",),
    ("models", "losses", "flow"),
    ("training", "evaluation", "mistakes"),
    ("latent",),
    ("judges",),
    ("weights",),
    ("metrics", "explorer_assets"),
    ("plots",),
    ("explore", "exercises"),
)


def layer(module: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if module in names)


def imports_of(module: str) -> set[str]:
    """The package's own modules that ``module`` imports anywhere in its source."""
    found = set()
    package = Path(vaelib.__file__).parent
    explorers = module == "explore"
    files = (package / "explorers").glob("*.py") if explorers else [package / f"{module}.py"]
    for node in (node for file in files for node in ast.walk(ast.parse(file.read_text("utf-8")))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vaelib"):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("vaelib.")}
    return found & set(vaelib._MODULES)


@pytest.mark.parametrize("module", vaelib._MODULES)
def test_data_flows_one_way(module):
    assert [other for other in imports_of(module) if layer(other) >= layer(module)] == []


def test_the_imports_of_a_module_are_found():
    assert imports_of("training") == {"files", "images", "losses", "models"}


def test_no_module_uses_the_global_random_generator():
    # Apart from `seeded`, which puts it back.
    folder = Path(vaelib.__file__).parent
    for path in folder.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert "np.random" not in source, path.name
        for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
            draws = re.fullmatch(
                r"torch\.(rand|randn|randint|randperm|normal)", ast.unparse(call.func)
            )
            told = any(word.arg == "generator" for word in call.keywords)
            assert told or not draws, ast.unparse(call)
        found = source.count("manual_seed(") - source.count(").manual_seed(")
        assert found == 2 * (path.name == "models.py"), path.name


# What opens or makes a file by its path, and what writes to a path or to an open file.
WRITES = {"write_text", "write_bytes", "save_file", "savetxt", "tofile", "touch", "mkstemp",
          "NamedTemporaryFile"}  # fmt: skip
WRITES_TO = {"save", "savez", "savez_compressed", "savefig", "imsave"}


def writes_in(source: str) -> list[str]:
    """The calls in ``source`` that write a file otherwise than into an open ``file``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        modes = {a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)}
        opens = name == "open" and any(re.fullmatch("[rbt]*[wax+][bt+]*", mode) for mode in modes)
        method = isinstance(node.func, ast.Attribute)
        to_path = method and name in WRITES_TO and ast.unparse(given[0]) != "file"
        if opens or name in WRITES or to_path:
            found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize(
    "bad",
    [
        "open(path, 'w')", "path.open('ab')", "path.open(mode='x')", "open(p, 'r+b')",
        "path.write_text('')", "Path(p).write_bytes(b'')", "save_file(tensors, path)",
        "np.savez(path, x=x)", "torch.save(model, path)", "figure.savefig('a.png')",
    ],
)  # fmt: skip
def test_a_file_that_is_written_by_hand_is_found(bad):
    assert writes_in(f"def f():\n    {bad}\n") == [bad]


def test_what_reads_or_writes_into_an_open_file_is_no_write():
    fine = ["path.open('rb')", "open(path, errors='replace')", "np.savez(file, x=x)",
            "save(tensors)", "file.write(b'')"]  # fmt: skip
    assert writes_in("\n".join(fine)) == []


def test_files_are_written_in_one_place():
    files = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    sources = {name: path.read_text(encoding="utf-8") for name, path in files.items()}
    assert {name for name, source in sources.items() if writes_in(source)} == {"files.py"}
