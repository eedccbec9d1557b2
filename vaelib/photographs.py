"""Photographs of faces: CelebA, from the official files or from shards of a mirror, and one's own.

CelebA is Liu et al. (2015), for non-commercial research only: nothing that is derived from it is
part of this package.
"""

import csv
import io
import json
import os
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from vaelib._download import HUB, download
from vaelib.files import DataError, aside, cache_folder, remove_leftovers, writing
from vaelib.images import Faces, room, whole

CELEBA_SHAPE = (178, 218)  # width and height of the aligned and cropped images
CELEBA_CROP = 140
_PAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
_ATTRIBUTES = "list_attr_celeba.txt"
_PARTITION = "list_eval_partition.txt"
_FACES = "img_align_celeba"
_FACES_ZIP = f"{_FACES}.zip"
_FACES_BYTES = 1_443_490_838
_NAMES = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
_HUB = "huggan/CelebA-faces-with-attributes"
SHARDS = 132
SHARD_BYTES = 10_600_000  # about; some 1,535 faces
FEWEST = 10  # faces with an attribute, and without: a mean of fewer is these people
_TRUTH = {"1": True, "true": True, "0": False, "-1": False, "false": False}
_PICTURES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


class Celeba(NamedTuple):
    """The official split: 162,770 training, 19,867 validation and 19,962 test faces in all."""

    train: Faces
    valid: Faces
    test: Faces


class _Album(NamedTuple):
    """Faces to be read: ``read(i)`` gives the JPEG of face i, ``title(i)`` says where it is."""

    names: tuple[str, ...]
    labels: Tensor  # bool (N, A)
    parts: list[list[int]]  # the places of the training, validation and test faces
    title: Callable[[int], str]
    read: Callable[[int], bytes]
    remedy: str


def celeba(
    root: str | os.PathLike | None = None, *,
    faces: int | None = None, size: int = 64, shards: int | None = None,
) -> Celeba:  # fmt: skip
    """CelebA as ``(train, valid, test)``, each a :class:`Faces` of (N, 3, size, size).

    root: the folder that holds ``celeba``, by default :func:`cache_folder`. In it, as they came:
    ``list_attr_celeba.txt``, ``list_eval_partition.txt``, and ``img_align_celeba``, a folder or
    ``.zip``. Nothing is written there.
    shards: take so many of the 132 files of ``huggan/CelebA-faces-with-attributes`` on Hugging
    Face instead, 10.6 MB and some 1,535 faces each. What is missing in ``celeba/shards`` is
    fetched, without an account; a shard that is damaged where it comes from is passed over. The
    set has no split: of each ten faces the ninth is for validation and the tenth for testing, so
    a person may be in two sets. Needs ``pip install "vaelib[celeba]"``, which Colab has. Tested
    with files of that layout, and not yet with the host: a weekly run of the project tries that.
    faces: how many in all, shared among the three sets as the split shares them. Each set is the
    beginning of the whole one: more faces are the same faces and others, in every run.
    size: height and width, at most 140. Each face is the middle 140 x 140 of the 178 x 218 image,
    scaled with antialiasing (Lanczos), as the code of the Wasserstein autoencoder does it
    (github.com/tolstikhin/wae, ``closecrop``). Another habit is 148
    (github.com/AntixK/PyTorch-VAE): a little more hair, a little less face.

    Memory: ``3 * size * size`` bytes a face, taken once for all three sets: 2.5 GB for all faces
    at 64 x 64, 250 MB for 20,000; and 0.2 GB at most for the lists. Time: some 1,500 faces a
    second on one core, after 3 s for the lists. Labels are True where the file says 1; ``names``
    are the 40 official ones (``5_o_Clock_Shadow``, ``No_Beard``, ``Smiling``). A damage inside a
    JPEG that leaves it readable cannot be seen: the format has no checksum.

    Raises DataError when a file is missing or not what it should be, when the files disagree, or
    when memory does not suffice; ValueError for a number of faces or a size that cannot be.
    """
    whole(1, CELEBA_CROP, size=size)
    root = Path(root) if root is not None else cache_folder()
    with _official(root / "celeba") if shards is None else _from_hub(root, shards) as album:
        parts = album.parts if faces is None else _first_faces(album.parts, faces)
        # One tensor that the three sets are views of. It is not kept on disk: that would be a
        # second copy of up to 2.5 GB that can go stale, to save two minutes before an hour.
        pixels = room(sum(map(len, parts)), 3, size)
        todo = tqdm([i for part in parts for i in part], "CelebA", unit=" faces", leave=False)
        for i, face in zip(todo, pixels.numpy()):  # which shares the tensor's memory
            try:
                face[:] = _decode(album.read(i), size, CELEBA_CROP, CELEBA_SHAPE)[0]
            except Exception as error:  # what zip files and decoders raise has no common name
                raise DataError(
                    f"{album.title(i)}: {error}. Expected a whole JPEG of 178 x 218 pixels, as the "
                    "aligned and cropped images come: of others the wrong part would be cut out. "
                    f"{album.remedy}"
                ) from error
    sets = zip(pixels.split([len(part) for part in parts]), parts)
    return Celeba(*(Faces(views, album.labels[part], album.names) for views, part in sets))


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


def _decode(content: bytes, size: int, crop: int | None = None, shape: tuple | None = None):
    """(the middle of a picture as uint8 (C, size, size), its mode); ``crop`` pixels wide or all.
    C is 1 where the file is grey. DataError for another ``shape`` than the one asked for."""
    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():  # a bomb half as large is only warned of
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content))
    except UnidentifiedImageError:
        raise DataError("it is no image") from None  # Pillow's message shows a memory address
    with image:
        if shape and image.size != shape:
            raise DataError(f"it has {image.width:,} x {image.height:,} pixels")
        if image.mode[0] in "IF":  # Pillow would clip its values at 255
            raise DataError("it has more than 8 bits a pixel")
        grey = not shape and image.mode in ("1", "L", "LA")
        # A telephone held upright saves the picture on its side, and notes how it was held.
        image = (image if shape else ImageOps.exif_transpose(image)).convert("L" if grey else "RGB")
    crop = crop or min(image.size)
    left, top = ((side - crop) // 2 for side in image.size)
    # First crop, then scale: given as `box`, the crop would let pixels beyond it seep in.
    image = image.crop((left, top, left + crop, top + crop))
    pixels = np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))
    return np.atleast_3d(pixels).transpose(2, 0, 1), "grey" if grey else "colour"


# --- The official files ---------------------------------------------------------------------
# torchvision's class wants three lists that nobody here needs, parses everything once for each
# split, decodes a face each time it is asked for, and says "not found or corrupted" of any trouble.


@contextmanager
def _official(folder: Path) -> Iterator[_Album]:
    names, files, labels = _read_attributes(folder / _ATTRIBUTES)
    parts = _read_partition(folder / _PARTITION, files)
    where, inner, by_hand = folder / _FACES, "", _get_by_hand(folder / _FACES_ZIP)
    with ExitStack() as stack:
        if where.is_dir():
            there, read = set(os.listdir(where)), lambda name: (where / name).read_bytes()
        else:
            where, inner = folder / _FACES_ZIP, f"{_FACES}/"
            _check_there(where)
            try:
                archive = stack.enter_context(zipfile.ZipFile(where))
            except zipfile.BadZipFile as error:
                raise DataError(
                    f"{where} is no whole zip ({error}); it has {where.stat().st_size:,} bytes, "
                    f"expected {_FACES_BYTES:,}. It was cut short: delete it. {by_hand}"
                ) from error
            there, read = set(archive.namelist()), archive.read
        if missing := [file for file in files if inner + file not in there]:
            raise DataError(
                f"{where} lacks {len(missing):,} of the {len(files):,} images that {_ATTRIBUTES} "
                f"names, the first {missing[0]}. Expected all, and in no deeper folder: unpack "
                f"the zip again, or delete what is there. {by_hand}"
            )
        yield _Album(
            names, labels, parts, lambda i: f"{where}, {files[i]}",
            lambda i: read(inner + files[i]), f"Unpack the zip again, or delete it. {by_hand}",
        )  # fmt: skip


def _get_by_hand(path: Path) -> str:
    """How the reader comes by the file and by whatever else is missing beside it."""
    folder = path.parent
    needed = [_ATTRIBUTES, _PARTITION, *([] if (folder / _FACES).is_dir() else [_FACES_ZIP])]
    missing = [name for name in needed if not (folder / name).exists()]
    return (
        f"Get {' and '.join(dict.fromkeys([path.name, *missing]))} by hand, in a browser, from "
        f"{_PAGE} (under Anno, Eval, Align&Cropped Images), into {folder}; a zip may stay packed."
    )


def _check_there(path: Path) -> None:
    """DataError where ``path`` is missing, or is a web page that was saved under its name."""
    try:
        with path.open("rb") as file:
            begin = file.read(2**16).lstrip()
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
            "Or take some of a mirror's: celeba(shards=3)."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}. Expected the official file.") from error
    if begin.startswith(b"<"):
        title = re.search(rb"<title>(.*?)</title>", begin, re.DOTALL | re.IGNORECASE)
        page = title[1].decode(errors="replace").strip() if title else "without a title"
        raise DataError(
            f"{path} is a web page ({page}), not the official file: Google Drive hands one out "
            f"when too many have asked for a file. Delete it. {_get_by_hand(path)}"
        )


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


def _wrong_names(names: list[str], *more: str) -> str:
    """What is wrong with the names of the columns; empty if they are CelebA's 40 and ``more``."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    lost = [name for name in (*more, *_NAMES) if name not in names]
    return f"two columns {twice[0]}" if twice else f"no column {lost[0]}" if lost else ""


def _read_attributes(path: Path) -> tuple[tuple[str, ...], list[str], Tensor]:
    """(names, file names, labels bool (N, A)) from the number of faces, the names, a row each."""
    rows = _rows(path)
    first = next(rows, [])
    if len(first) != 1 or not first[0].isdecimal():
        raise _bad_list(path, f"it begins with {' '.join(first)[:60]!r}", "the number of faces")
    names = tuple(next(rows, []))
    if wrong := _wrong_names(names):
        raise _bad_list(path, wrong, "the 40 official attributes")
    files, labels = [], bytearray()
    for file, *values in rows:
        if len(values) != len(names) or not {"1", "-1"}.issuperset(values):
            came = f"{file} has {' '.join(values)[:60]!r}"
            raise _bad_list(path, came, f"1 or -1 for {len(names)} names")
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
        if row[0] != (expected := files[row_of - 1] if row_of <= len(files) else "the end"):
            raise _bad_list(path, f"face {row_of} is {row[0]}", f"{expected} as in {_ATTRIBUTES}")
        parts[row[1]].append(row_of - 1)
    if row_of != len(files):
        raise _bad_list(path, f"{row_of:,} faces", f"{len(files):,} as in {_ATTRIBUTES}")
    if empty := [part for part, found in parts.items() if not found]:
        expected = "training (0), validation (1), test (2)"
        raise _bad_list(path, f"no face of set {empty[0]}", expected)
    return list(parts.values())


# --- Shards of the mirror -------------------------------------------------------------------


@contextmanager
def _from_hub(root: Path, shards: int) -> Iterator[_Album]:
    """Faces of the first ``shards`` whole files; each is opened again as its turn comes."""
    whole(1, SHARDS, shards=shards)
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(f'{error.name} is not installed: pip install "vaelib[celeba]"') from error
    sound, labels, place = [], [], []
    for number in range(SHARDS):
        path = _shard(root, number)
        try:
            with parquet.ParquetFile(path) as file:
                table = file.read()
        except (pyarrow.ArrowException, OSError) as error:  # two of the host's own are cut short
            tqdm.write(f"{path} is damaged ({error}): the next is taken. Delete it to try again.")
            continue
        wrong = _wrong_names(table.column_names, "image")
        columns = [] if wrong else [table[name].to_pylist() for name in _NAMES]
        if wrong or (odd := set().union(*columns) - {1, -1, 0}):  # True is 1
            wrong = wrong or f"labels {', '.join(map(repr, list(odd)[:5]))}"
            raise DataError(f"{path}: {wrong}; expected image and 40 attributes that are 1 or -1")
        labels += zip(*[[value == 1 for value in column] for column in columns])
        place += [(len(sound), row) for row in range(len(table))]
        sound.append(path)
        if len(sound) == shards:
            break
    else:
        raise DataError(f"{len(sound)} of {SHARDS} shards are whole, wanted were {shards}")

    @lru_cache(1)  # a shard at a time: all at once are 1.4 GB
    def images(shard: int):
        return parquet.read_table(sound[shard], columns=["image"])["image"]

    parts = [[i for i in range(len(place)) if i % 10 in digits] for digits in (range(8), [8], [9])]
    yield _Album(
        tuple(_NAMES), torch.tensor(labels), parts,
        lambda i: f"{sound[place[i][0]]}, row {place[i][1]}",
        lambda i: images(place[i][0])[place[i][1]].as_py()["bytes"],
        "Delete the file and try again.",
    )  # fmt: skip


def _shard(root: Path, number: int) -> Path:
    """The shard in the cache; fetched if it is not there, with a bar that shows its bytes."""
    name = f"train-{number:05}-of-{SHARDS:05}.parquet"
    folder = root / "celeba" / "shards"
    if (path := folder / name).exists():
        return path
    with writing("CelebA", folder, root / "celeba.lock", "11 MB a shard"):
        remove_leftovers(root, "celeba")
        if path.exists():  # another run may have fetched it while this one waited
            return path
        with aside(root, "celeba") as made:
            command, source = ["-c", HUB, _HUB, f"data/{name}", made], f"Hugging Face ({number})"
            try:
                download(command, made, source, SHARD_BYTES)
            except DataError as error:
                raise DataError(
                    f"{name} of {_HUB} could not be had: {str(error).strip(' .')}. Try again: what "
                    f"came is kept. If the set is gone, get the official files from {_PAGE}."
                ) from error
            os.replace(made / "data" / name, path)
    return path


# --- One's own photographs ------------------------------------------------------------------


def faces_from_folder(
    pictures: str | os.PathLike, labels_csv: str | os.PathLike, size: int = 64
) -> Faces:
    """Your photographs as :class:`Faces` of (N, C, size, size), in the order of the list.

    pictures: a folder of pictures of any size, all grey (C = 1) or all in colour (C = 3). Each
    is turned as its camera notes, cut to its middle square, and scaled with antialiasing (Lanczos);
    nobody looks for the face in it.
    labels_csv: a table with a header; first the name of the file within ``pictures``, then a column
    for each attribute: 1 or true, 0, -1 or false. Commas or semicolons.

    Raises DataError that names the picture, line or column where something is missing, doubled,
    unreadable or of another kind, and where fewer than 10 have an attribute or lack it.
    """
    pictures, table = Path(pictures), Path(labels_csv)
    whole(1, size=size)
    try:
        there = {path.name for path in pictures.iterdir() if path.suffix.lower() in _PICTURES}
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{pictures} or {table}: {error}. Expected a folder of pictures and a table in UTF-8"
        ) from error
    lines = csv.reader(text.splitlines(), delimiter=";" if ";" in text.split("\n")[0] else ",")
    rows = [row for line in lines if any(row := [cell.strip() for cell in line])]
    header, *rows = rows or [[]]
    names = tuple(header[1:])
    if not names or not all(names):
        raise DataError(
            f"{table} begins with {header}, expected a name for the files and for each attribute"
        )
    files, labels = [row[0] for row in rows], []
    for what, some in (("columns", names), ("lines for", files)):
        if alike := [name for name, count in Counter(some).items() if count > 1]:
            raise DataError(f"{table} has two {what} {alike[0]}, expected one")
    for file, *values in rows:
        if len(values) != len(names) or not set(map(str.lower, values)) <= _TRUTH.keys():
            raise DataError(
                f"{table}: {file} has {', '.join(values)[:60]!r}, expected 1, 0, -1, true or false "
                f"for {len(names)} attributes"
            )
        labels.append([_TRUTH[value.lower()] for value in values])
    if unlabelled := sorted(there - set(files)):
        raise DataError(
            f"{len(unlabelled)} pictures have no line in {table}, the first {unlabelled[0]}. "
            "Expected one for each: add it, or take the picture out"
        )
    has = torch.tensor(labels, dtype=torch.bool).view(len(files), len(names))
    for name, count in zip(names, has.sum(0).tolist()):
        for verb, number in (("have", count), ("lack", len(files) - count)):
            if number < FEWEST:
                raise DataError(
                    f"{number or 'no'} faces {verb} {name!r} in {table}, expected at least "
                    f"{FEWEST}, for a mean. Add some, or take out the column"
                )
    for i, file in enumerate(tqdm(files, "your faces", unit=" faces", leave=False)):
        try:
            face, kind = _decode((pictures / file).read_bytes(), size)
        except Exception as error:  # what decoders raise has no common name
            raise DataError(
                f"{pictures / file}: {error}. Expected a picture for each line of {table}"
            ) from error
        if i == 0:
            pixels, first = room(len(files), len(face), size), kind
        if kind != first:
            raise DataError(
                f"{file} is {kind}, {files[0]} is {first}: expected all of one kind. Convert some"
            )
        pixels[i] = torch.from_numpy(face.copy())
    return Faces(pixels, has, names)
