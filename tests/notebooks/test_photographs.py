"""Chapter 10 with its switch on "celeba": every cell runs on a folder in the official format.

The pictures are drawn faces, saved as the official files are, so that nothing of CelebA is needed
to see that the chapter reads it, trains on it, and says what it has to leave out.
"""

import json
import random
import subprocess
import sys

import nbformat
import pytest
from PIL import Image
from test_celeba import NAMES

from project import ROOT
from vaelib import avatars

pytestmark = pytest.mark.notebooks

CHAPTER = ROOT / "chapters" / "10-arithmetic-with-faces.ipynb"
FACES = 330  # 300 to train with, 30 held out


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """A cache folder with drawn faces as CelebA: 178 x 218 pictures and the two lists."""
    root = tmp_path_factory.mktemp("photographs")
    images = root / "celeba" / "img_align_celeba"
    images.mkdir(parents=True)
    drawn = avatars.faces(FACES, progress=False)
    toss = random.Random(0).random
    attributes, partition = [f"{FACES}", " ".join(NAMES)], []
    for i in range(FACES):
        name = f"{i + 1:06}.jpg"
        picture = Image.fromarray(drawn.pixels[i].permute(1, 2, 0).numpy())
        page = Image.new("RGB", (178, 218), "white")
        page.paste(picture.resize((140, 140)), (19, 39))
        page.save(images / name)
        has = {known: bool(drawn.has(known)[i]) for known in avatars.NAMES if known in NAMES}
        has["No_Beard"] = not drawn.has("Beard")[i]
        row = (has.get(column, toss() < 0.5) for column in NAMES)
        attributes.append(name + " " + " ".join("1" if yes else "-1" for yes in row))
        partition.append(f"{name} {0 if i < 270 else 1 if i < 300 else 2}")
    (root / "celeba" / "list_attr_celeba.txt").write_text("\n".join(attributes) + "\n")
    (root / "celeba" / "list_eval_partition.txt").write_text("\n".join(partition) + "\n")
    return root


def test_chapter_10_runs_on_photographs(official, tmp_path, monkeypatch):
    notebook = nbformat.read(CHAPTER, as_version=4)
    changes = {
        'FACES = "avatars"': 'FACES = "celeba"',
        "faces=40_000, epochs=20": f"faces={FACES}, epochs=1",
    }
    for old, new in changes.items():
        (cell,) = [c for c in notebook.cells if c.cell_type == "code" and old in c.source]
        cell.source = cell.source.replace(old, new)
    path = tmp_path / "photographs.ipynb"
    nbformat.write(notebook, path)
    code = (
        "import sys, nbformat, nbclient;"
        "nb = nbformat.read(sys.argv[1], as_version=4);"
        "nbclient.NotebookClient(nb, timeout=300, kernel_name='python3').execute();"
        "nbformat.write(nb, sys.argv[1])"
    )
    monkeypatch.setenv("VAELIB_DATA", str(official))
    run = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr[-4000:]
    executed = json.loads(path.read_text())
    said = "".join(
        "".join(output.get("text", []))
        for cell in executed["cells"]
        for output in cell.get("outputs", [])
    )
    assert "no second photograph" in said
    assert "no true counterfactual" in said
