"""The package as a whole: what importing it costs, and what it promises by name."""

import ast
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
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


LAYERS = (
    ("files",),
    ("images",),
    ("digits", "photographs"),
    ("data",),
    ("avatars",),
    ("models", "losses", "flow"),
    ("training", "judges", "evaluation", "weights", "mistakes"),
    ("latent",),
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
    for path in folder.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert "np.random" not in source, path.name
        assert source.count("manual_seed(") - source.count(").manual_seed(") == (
            path.name == "models.py"
        ), path.name


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
    sources = {path.name: path.read_text(encoding="utf-8") for path in PACKAGE.glob("*.py")}
    assert {name for name, source in sources.items() if writes_in(source)} == {"files.py"}
