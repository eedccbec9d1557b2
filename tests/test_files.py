"""A file is written whole or not at all, and nothing is removed but what this package left."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest
import torch
from support import TINY, fail_half_way

import weight_files
from codes import write
from vaelib.files import aside, remove_leftovers, write_aside
from vaelib.training import Config, History


def save_history(path: Path, epochs: int) -> None:
    History(Config(epochs=epochs), []).save(path)


def save_asset(path: Path, value: int) -> None:
    write(path, {"x": torch.full((9,), value)}, {})


def save_model(path: Path, seed: int) -> None:
    name = path.name.removesuffix(".decoder.safetensors")
    weight_files.save_model(name, TINY.build(seed), {}, path.parent)


WRITERS = {
    "run.json": save_history,
    "digits.safetensors": save_asset,
    "a.decoder.safetensors": save_model,
}


@pytest.mark.parametrize("trouble", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_or_ctrl_c_leaves_the_good_old_file_and_nothing_else(
    tmp_path, monkeypatch, name, trouble
):
    WRITERS[name](tmp_path / name, 1)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with monkeypatch.context() as disk:
        fail_half_way(disk, name, trouble)
        with pytest.raises(type(trouble)):
            WRITERS[name](tmp_path / name, 2)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    WRITERS[name](tmp_path / name, 2)
    after = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert after.keys() == before.keys()
    assert after[tmp_path / name] != before[tmp_path / name]


def test_while_it_is_written_the_file_is_as_it_was(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with write_aside(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize("umask", [0o022, 0o027, 0o002])
def test_the_permissions_follow_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        with write_aside(tmp_path / "file") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_what_it_points_to_is_written(tmp_path, there):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "target", tmp_path / "link"
    if there:
        target.write_bytes(b"old")
    link.symlink_to(target)
    with write_aside(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "far", target, link]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of Unix")
def test_a_pipe_is_written_into_and_not_replaced(tmp_path):
    pipe, came = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: came.append(pipe.read_bytes()), daemon=True)
    reader.start()
    with write_aside(pipe) as file:
        file.write(b"x")
    assert pipe.is_fifo()
    reader.join()
    assert came == [b"x"]


def test_many_writers_of_one_file_never_mix(tmp_path):
    path, all_write = tmp_path / "file", threading.Barrier(8)

    def write(i: int) -> None:
        with write_aside(path) as file:
            file.write(bytes([i]) * 1000)
            all_write.wait()
            file.write(bytes([i]) * 1000)

    writers = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_bytes() in [bytes([i]) * 2000 for i in range(8)]
    assert list(tmp_path.iterdir()) == [path]


def leave_behind(parent: Path, purpose: str) -> tuple[Path, object]:
    """What a killed run leaves, and the context that has to be kept alive for it."""
    context = aside(parent, purpose)
    folder = context.__enter__()
    (folder / "half").write_bytes(b"half")
    return folder.parent, context


def test_what_a_killed_run_left_is_removed_for_its_purpose_alone(tmp_path):
    (mnist, first), (celeba, second) = (leave_behind(tmp_path, p) for p in ("mnist", "celeba"))
    remove_leftovers(tmp_path, "mnist")
    assert not mnist.exists()
    assert (celeba / "files" / "half").exists()
    del first, second


def test_a_run_that_was_killed_before_it_wrote_leaves_nothing_either(tmp_path):
    left, context = leave_behind(tmp_path, "mnist")
    (left / "files" / "half").unlink()
    (left / "files").rmdir()
    remove_leftovers(tmp_path, "mnist")
    assert list(tmp_path.iterdir()) == []
    del context


def test_a_leftover_that_was_renamed_or_copied_or_is_linked_to_is_kept(tmp_path):
    root, far = tmp_path / "root", tmp_path / "far"
    root.mkdir()
    far.mkdir()
    renamed, first = leave_behind(root, "mnist")
    renamed = renamed.rename(root / "unfinished-mnist-0123456789abcdef")
    linked, second = leave_behind(far, "mnist")
    (root / linked.name).symlink_to(linked)
    remove_leftovers(root, "mnist")
    assert (renamed / "files" / "half").read_bytes() == b"half"
    assert (linked / "files" / "half").read_bytes() == b"half"
    assert (root / linked.name).is_symlink()
    del first, second


def test_what_cannot_be_removed_keeps_its_mark_for_the_next_run(tmp_path, monkeypatch):
    left, context = leave_behind(tmp_path, "mnist")
    with monkeypatch.context() as busy:
        busy.setattr("vaelib.files.shutil.rmtree", lambda *_, **__: None)
        remove_leftovers(tmp_path, "mnist")
    assert (left / "files" / "half").exists()
    remove_leftovers(tmp_path, "mnist")
    assert list(tmp_path.iterdir()) == []
    del context
