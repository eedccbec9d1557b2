"""Set-up: which torch is asked for, that two at once wait, and what is run on which system."""

import os
import re
import socket
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

import colab_list
import run
import setup
from project import ROOT

# --- torch without CUDA ---------------------------------------------------------------------------


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def wheel(folder: Path, version: str) -> None:
    """A package torch of this version with nothing in it, in an index as PyTorch's own."""
    (folder / "torch").mkdir(parents=True)
    name = f"torch-{version}-py3-none-any.whl"
    info = f"torch-{version}.dist-info"
    with zipfile.ZipFile(folder / "torch" / name, "w") as archive:
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\nRoot-Is-Purelib: true\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    link = name.replace("+", "%2B")
    (folder / "torch" / "index.html").write_text(f'<a href="{link}">{name}</a>')


@contextmanager
def served(folder: Path):
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder)))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def test_where_the_cpu_index_answers_its_build_is_taken(tmp_path):
    wheel(tmp_path / "ordinary", "2.13.0")
    wheel(tmp_path / "cpu", "2.13.0+cpu")
    with served(tmp_path / "ordinary") as ordinary, served(tmp_path / "cpu") as cpu:
        options = setup.cpu_index(cpu)
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "torch==2.13.0"]
        command += ["--index-url", ordinary, *options, "--dest", tmp_path / "got"]
        # Without this machine's own settings, which may know of other places for a torch.
        alone = {name: v for name, v in os.environ.items() if not name.startswith("PIP_")}
        alone |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
        subprocess.run(command, check=True, capture_output=True, env=alone)
    assert [path.name for path in (tmp_path / "got").iterdir()] == [
        "torch-2.13.0+cpu-py3-none-any.whl"
    ]


def test_an_index_that_never_answers_or_refuses_is_left_out():
    with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts, and says nothing
        port = mute.getsockname()[1]
        assert setup.cpu_index(f"http://127.0.0.1:{port}", patience=0.2) == []
    assert setup.cpu_index(f"http://127.0.0.1:{port}") == []  # closed by now
    assert setup.cpu_index.__defaults__[1] <= 3  # seconds that a reader waits at most


def test_an_index_without_torch_is_left_out(tmp_path):
    with served(tmp_path) as empty:
        assert setup.cpu_index(empty) == []


# --- two at once ----------------------------------------------------------------------------------

HOLD = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import setup
with setup.alone(Path(sys.argv[2])):
    print("in", flush=True)
    sys.stdin.readline()
"""


def test_a_second_set_up_says_so_and_waits_for_the_first(tmp_path):
    command = [sys.executable, "-c", HOLD, ROOT / "tools", tmp_path / "lock"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as first:
        assert first.stdout.readline() == "in\n"
        with subprocess.Popen(command, **pipes) as second:
            assert second.stdout.readline() == "Another set-up is under way; waiting for it\n"
            first.communicate("\n")
            assert second.communicate("\n")[0] == "in\n"


def test_the_lock_of_a_killed_set_up_holds_nobody_up(tmp_path):
    command = [sys.executable, "-c", HOLD, ROOT / "tools", tmp_path / "lock"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killed:
        killed.stdout.readline()
        killed.kill()
    with setup.alone(tmp_path / "lock"):
        pass


# --- other systems --------------------------------------------------------------------------------


def test_a_virtual_environment_s_python_is_found_on_windows_too():
    assert setup.python_of(Path("env")) == Path("env/bin/python")
    assert setup.python_of(Path("env"), "nt").as_posix() == "env/Scripts/python.exe"


def test_what_set_up_imports_is_there_on_every_system():
    for name in ("setup.py", "run.py", "lab.py", "build_book.py", "serve.py"):
        code = (ROOT / "tools" / name).read_text()
        assert not re.search(r"^(?:import|from) (?:fcntl|pwd|grp|resource|msvcrt)\b", code, re.M)


def test_the_makefile_and_run_py_have_the_same_targets():
    makefile = (ROOT / "Makefile").read_text()
    rules = dict(re.findall(r"^([a-z0-9-]+):\n\t\$\(run\) ([a-z0-9-]+)", makefile, re.MULTILINE))
    assert rules == {name: name for name in run.TARGETS}


@pytest.mark.parametrize("name", run.TARGETS)
def test_what_a_target_names_is_there(name):
    target = run.TARGETS[name]
    assert set(target.steps.split()) <= set(setup.STEPS)
    for command in target.commands:
        first = run.arguments(command, target.default)[0]
        assert first == "-m" or (ROOT / first).is_file()


def test_the_marks_of_the_quick_tests_are_one_argument():
    words = run.arguments(run.TARGETS["test-unit"].commands[0], "")
    assert words[-2:] == ["-m", "not notebooks and not book and not live"]


def test_the_python_of_the_tools_may_be_3_14():
    assert run.PYTHONS == ((3, 11), (3, 14))
    assert "(3, 11) <= sys.version_info < (3, 15)" in (ROOT / "tools/find-python.sh").read_text()


# --- Colab's list ---------------------------------------------------------------------------------

OTHERS = "".join(f"package{i}==1.{i}\n" for i in range(60))


def test_colabs_list_is_compared_by_name_and_version():
    ours = '# a comment\nNum_Py==2.1.3\ntorch==2.11.0; python_version >= "3.13"\ntorch==2.13.0\n'
    theirs = OTHERS + "numpy==9\nnum-py==2.1.3\ntorch @ https://x/torch.whl\ntorch==2.11.0+cu128\n"
    assert colab_list.moved(ours, theirs) == []
    assert colab_list.moved(ours, theirs.replace("num-py==2.1.3", "num-py==2.2")) == [
        "num-py: 2.1.3 here, 2.2 in Colab"
    ]
    assert colab_list.moved("gone==1\n", OTHERS) == ["gone: 1 here, none in Colab"]


def test_a_page_in_place_of_colabs_list_is_no_list():
    with pytest.raises(ValueError, match="not the list"):
        colab_list.moved("numpy==1\n", "<html>Not found</html>")


def test_our_list_is_of_one_version_each_for_colabs_own_python():
    found = colab_list.versions(colab_list.OURS.read_text())
    assert found["anywidget"] == "0.9.21"
    assert found["torch"] == "2.11.0"
    assert setup.COLAB_PYTHON == (3, 13)


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=str)
def test_a_workflow_calls_what_is_there(path):
    workflow = yaml.safe_load(path.read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = "\n".join(step.get("run", "") for step in steps)
    assert commands
    for tool in re.findall(r"\b(?:tools/\w+\.py|\.ci/run)\b", commands):
        assert (ROOT / tool).exists()
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z-]+)", commands):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
