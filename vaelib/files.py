"""The cache folder, and the one way in which this package writes a file: aside, then renamed.

So an interrupted run, a doubled one or a full disk leaves nothing half-made, and a good old file
stays. What is unfinished lies in a folder that this package made and marked; nothing else is ever
removed, whatever its name.
"""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout
from platformdirs import user_cache_dir
from tqdm import tqdm

_MARK = "made-by-vaelib.txt"
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


class DataError(RuntimeError):
    """Data could not be had, or is not what it should be; the message says what to do."""


def cache_folder() -> Path:
    """``$VAELIB_DATA``, else ``vaelib`` in the platform's cache; DataError without a home."""
    try:
        chosen = os.environ.get("VAELIB_DATA") or user_cache_dir("vaelib", False, opinion=False)
    except RuntimeError:  # where neither HOME nor the list of users says
        chosen = "~/.cache/vaelib"
    if (folder := os.path.expanduser(chosen)).startswith("~"):
        raise DataError(f"there is no home folder for {folder}: set VAELIB_DATA to another")
    return Path(folder)


@contextmanager
def writing(what: str, folder: Path, lock: Path, needs: str) -> Iterator[None]:
    """Make ``folder`` and hold ``lock`` while it is written to; DataError where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(lock):
            yield
    except OSError as error:
        full = error.errno in DISK_FULL  # which is not another's folder
        remedy = f"It needs {needs}. Free some space, or" if full else "It may be another user's:"
        raise DataError(
            f"{what} could not be written to {folder}: {error}. {remedy} "
            "set VAELIB_DATA to another folder."
        ) from error


@contextmanager
def write_aside(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A file to write into; it becomes ``path`` when the block ends well, else it is gone.

    Its permissions follow the umask. Where ``path`` is a link, what it points to is replaced.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a device or a pipe: a rename would replace it
        with path.open("wb") as file:
            yield file
        return
    path = Path(os.path.realpath(path))
    with aside(path.parent, "file") as folder:
        with (folder / path.name).open("wb") as file:
            yield file
        os.replace(folder / path.name, path)


@contextmanager
def aside(parent: Path, purpose: str) -> Iterator[Path]:
    """A marked folder of one's own in ``parent``, and so on its disk; removed with all in it."""
    folder = parent / f"unfinished-{purpose}-{uuid.uuid4().hex}"
    folder.mkdir()
    try:
        (folder / _MARK).write_bytes(_marking(folder))
        (folder / "files").mkdir()
        yield folder / "files"
    finally:
        _remove(folder)


def remove_leftovers(parent: Path, purpose: str) -> None:
    """Remove what killed runs left :func:`aside`; to be called with ``parent`` :func:`locked`."""
    for folder in parent.glob(f"unfinished-{purpose}-*"):
        with suppress(OSError):  # it has no mark, so it is not ours
            if (folder / _MARK).read_bytes() == _marking(folder) and not folder.is_symlink():
                _remove(folder)


def _marking(folder: Path) -> bytes:
    # It names its folder, so that one which somebody renamed or copied, to keep it, is kept.
    return f"vaelib made {folder.name} for what it has not finished, and will remove it.\n".encode()


def _remove(folder: Path) -> None:
    shutil.rmtree(folder / "files", ignore_errors=True)
    if not (folder / "files").exists():  # the mark goes last: a removal may be killed as well
        with suppress(OSError):
            (folder / _MARK).unlink()
        with suppress(OSError):
            folder.rmdir()


def locked(path: Path) -> AbstractContextManager:
    """Hold the lock ``path``; wait for a process that has it, and say so."""
    try:
        return FileLock(path).acquire(timeout=0)
    except Timeout:
        tqdm.write(f"Another process is at work in {path.parent} and holds {path.name}: waiting.")
        return FileLock(path).acquire()
