"""The chapters in JupyterLab, on this machine: python tools/lab.py [PORT [FOLDER]]. `make lab`
sets it up.

The servers live in .venv-lab, which holds no torch; the kernel is that of .venv, and the widgets'
front end comes from there too. What a run writes besides the notebooks lies in .cache/lab.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from set_up import LAB, ROOT, follow, python_of

# What an environment brings for the widgets. Copied: a server serves no links that lead elsewhere.
PARTS = ("labextensions/@jupyter-widgets", "labextensions/anywidget", "nbextensions")


def furnish(home: Path, environment: Path, kernel: str, variables: dict[str, str]) -> dict:
    """Fill ``home`` with the kernel and the widgets' front end of ``environment``, under the name
    ``kernel``; returns the variables by which a server finds them and nothing else."""
    data, settings = home / "data", home / "settings"
    for part in PARTS:
        copy(environment / "share" / "jupyter" / part, data / part)
    copy(environment / "etc" / "jupyter" / "nbconfig", settings / "nbconfig")
    folder = data / "kernels" / kernel
    folder.mkdir(parents=True, exist_ok=True)
    argv = [str(python_of(environment)), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "vaelib", "language": "python", "env": variables}
    (folder / "kernel.json").write_text(json.dumps(spec))
    places = {"DATA_DIR": data, "CONFIG_DIR": settings, "RUNTIME_DIR": home / "runtime"}
    # Else a server in a virtual environment would take that one's own kernel first.
    own = {"JUPYTER_PREFER_ENV_PATH": "0"}
    return {f"JUPYTER_{name}": str(path) for name, path in places.items()} | own


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)


def main() -> None:
    port = sys.argv[1] if len(sys.argv) > 1 else "8888"
    folder = sys.argv[2] if len(sys.argv) > 2 else ROOT / "chapters"
    # The notebooks name the kernel "python3", and here that one is .venv's.
    places = furnish(ROOT / ".cache" / "lab", ROOT / ".venv", "python3", {"OMP_NUM_THREADS": "1"})
    command = [python_of(LAB), "-m", "jupyter", "lab", f"--ServerApp.port={port}"]
    command += ["--LabApp.default_url=/lab/tree/00-start-here.ipynb"]
    command += ["--ServerApp.answer_yes=True"]  # one Ctrl-C ends it, and no question is asked
    if hasattr(os, "getuid") and os.getuid() == 0:
        command.append("--allow-root")
    print("JupyterLab opens in your browser; Ctrl-C ends it.", flush=True)
    print("Outputs that you save are no part of the book: `make format` drops them.", flush=True)
    sys.exit(follow([*command, *sys.argv[3:]], cwd=folder, env=os.environ | places))


if __name__ == "__main__":
    main()
