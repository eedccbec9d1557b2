"""Every chapter, run the way a reader in Google Colab runs it.

Only the notebook, in an empty folder, on Colab's Python (where there is one) and its ipywidgets,
with torch there and vaelib not. The bootstrap cell is the reader's own; git alone is told that the
repository's address means a snapshot of this working tree.
"""

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from project import ROOT, repository_url

pytestmark = pytest.mark.notebooks

CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
COLAB_PYTHON = ROOT / ".venv-colab" / "bin" / "python"
STUB = Path(__file__).parent / "colab_stub"


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory) -> Path:
    """A git repository that holds the working tree as it is, committed or not."""
    folder = tmp_path_factory.mktemp("snapshot")
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-C", folder]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "The working tree"]):
        subprocess.run([*git, *command], check=True)
    return folder


@pytest.fixture(scope="session")
def environment(snapshot, tmp_path_factory) -> dict[str, str]:
    """What the subprocesses see: the stub, the kernel, and where git finds the repository."""
    if not COLAB_PYTHON.exists():
        pytest.fail(f"{COLAB_PYTHON} is missing; `make test` and `make test-notebooks` make it.")
    jupyter = tmp_path_factory.mktemp("jupyter")
    kernel = jupyter / "kernels" / "colab" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    argv = [str(COLAB_PYTHON), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    # Only the kernel gets the stub on its path: the tests' own Python is not Colab's.
    spec = {"argv": argv, "display_name": "Colab", "env": {"PYTHONPATH": str(STUB)}}
    kernel.write_text(json.dumps(spec | {"language": "python"}))
    return os.environ | {
        "JUPYTER_PATH": str(jupyter),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{snapshot.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": repository_url(),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


def versions() -> dict[str, str]:
    """Everything that is installed where the notebooks run."""
    code = (
        "import json, importlib.metadata as m;"
        "print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
    )
    return json.loads(subprocess.check_output([COLAB_PYTHON, "-I", "-c", code], text=True))


@pytest.fixture(scope="module")
def fresh_colab():
    """A runtime without vaelib before, and as it was afterwards; yields its versions. The bootstrap
    cell is the same in all chapters, so only the first finds it fresh: the others find it as the
    reader of a second chapter does.
    """
    uninstall = [COLAB_PYTHON, "-m", "pip", "uninstall", "-q", "-y"]
    subprocess.run([*uninstall, "vaelib"], check=True, capture_output=True)
    before = versions()
    yield before
    if added := sorted(set(versions()) - set(before)):
        subprocess.run([*uninstall, *added], check=True, capture_output=True)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_runs_in_colab_and_changes_nothing_there(
    chapter, environment, fresh_colab, tmp_path, aloud, say
):
    folder = tmp_path / "content"
    folder.mkdir()
    shutil.copy(chapter, folder)
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-kernel-name=colab"]
    command += ["--nbval-cell-timeout=300", "--durations=5", "-p", "no:cacheprovider"]
    command += ["-q", f"--junitxml={report}", f"--rootdir={folder}", chapter.name]
    with aloud():
        print(f"\n  running {chapter.stem} as Colab does …", file=sys.stderr, flush=True)
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]

    after = versions()
    changed = {name: (old, after.get(name)) for name, old in fresh_colab.items()}
    changed = {name: pair for name, pair in changed.items() if pair[0] != pair[1]}
    assert not changed, f"installing vaelib changed what Colab ships (before, after): {changed}"
    added = {name: version for name, version in after.items() if name not in fresh_colab}
    assert "vaelib" in added, f"the bootstrap cell installed no vaelib; it added {added}"

    cells = [(case.get("name"), float(case.get("time"))) for case in cells_of(report)]
    slowest = max(cells[1:], key=lambda cell: cell[1])
    say(
        f"{chapter.stem}: {sum(t for _, t in cells):.0f} s, of it {cells[0][1]:.0f} s install; "
        f"slowest {slowest[0].split('::')[-1]}, {slowest[1]:.0f} s; "
        f"added {', '.join(f'{n} {v}' for n, v in sorted(added.items()))}"
    )


def cells_of(report: Path):
    return ElementTree.parse(report).getroot().iter("testcase")
