"""Faces drawn with known attributes, and the same face with one attribute changed.

A face is what ``(seed, index)`` says: its attributes, each tossed with a probability of its own,
and its looks, tossed for both sides of each attribute. So "the same face, smiling" exists: the
:func:`counterfactual` flips one attribute and leaves every other toss as it was. No set of
photographs has that, and chapter 10 measures with it.

Drawn by DiceBear (MIT) in the style "Avataaars" by Pablo Stanley (free for personal and commercial
use), rendered by resvg. Two changes to the style: the hat is a part of its own, so that there can
be hair below it, and it sits a little higher, so that short hair shows too. The style draws no
gender; a beard and long hair are as likely together as apart.

    pip install "vaelib[faces]"
"""

import copy
import hashlib
import io
import itertools
import json
import os
import random
import zipfile
import zlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from vaelib.files import DataError, cache_folder, remove_leftovers, write_aside, writing
from vaelib.images import Faces, attribute_index, room, whole

SIZE = 64
_TOSSED = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
# Attribute -> how likely a face has it. The names are CelebA's where it has one for what is drawn;
# narrow eyes are drawn as closed ones.
ATTRIBUTES: dict[str, float] = _TOSSED["attributes"]
NAMES = tuple(ATTRIBUTES)
# Looks that no attribute decides. Each value is as likely as the others of its row, whatever the
# rest of the face: no skin tone is rarer than another, or wears other hair.
LOOKS: dict[str, list] = _TOSSED["looks"]
# What an attribute decides: option -> the choices without it, and with it.
DECIDED: dict[str, dict[str, list]] = _TOSSED["decided"]
# Looks that are tossed for every face, and seen only on one that has the attribute.
REVEALED: dict[str, list[str]] = _TOSSED["revealed"]
FIXED: dict[str, str | int] = _TOSSED["fixed"]
VIEW = "38 -2 204 204"  # the part of the style's 280 x 280 that is drawn: hat to shoulders
HAT_PLACE = "translate(8 -26)"
BLOCK = 1000  # faces in one file of the cache
MANY = 50_000  # faces of which time and room are told beforehand


def faces(
    n: int, seed: int = 0, start: int = 0, plant: tuple[str, str, float] | None = None,
    root: str | os.PathLike | None = None, progress: bool = True,
) -> Faces:  # fmt: skip
    """The faces ``start`` to ``start + n - 1`` of ``seed``: pixels (n, 3, 64, 64), labels (n, 7).

    plant: ``(follower, leader, strength)`` makes a correlation: in a share ``strength`` of the
    faces the follower is set to what the leader is, and in the others tossed as ever. root: the
    cache folder. Some 200 faces a second and processor the first time, read from the cache after;
    a face in it takes 2 kB. Raises DataError where DiceBear or resvg is not installed and the
    cache has not the faces, and where they do not fit into memory; ValueError for an unknown
    attribute or a number below 0.
    """
    whole(1, n=n)
    whole(0, start=start)
    pixels = room(n, 3, SIZE).numpy()  # the one array that stays: 12 kB a face
    if progress and n >= MANY:
        tqdm.write(
            f"{n:,} faces: {n / 8e4:,.1f} GB of memory; where they are not drawn yet, "
            f"{n / 24_000:,.0f} minutes on two processors, {n / 5e5:,.1f} GB of disk"
        )
    tosses = [traits(seed, index, plant)[0] for index in range(start, start + n)]
    folder = _folder(root, seed, plant)
    blocks = range(start // BLOCK, (start + n - 1) // BLOCK + 1)

    def fill(blocks: Iterable[int]) -> list[int]:
        """Copy what the cache has of these blocks; give back those that have to be drawn."""
        missing = []
        for block in blocks:
            if (drawn := _read(folder / f"{block}.npz")) is None:
                missing.append(block)
                continue
            begin = block * BLOCK
            first, last = max(start, begin), min(start + n, begin + BLOCK)
            pixels[first - start : last - start] = drawn[first - begin : last - begin]
        return missing

    if missing := fill(blocks):
        lock = folder.parents[1] / "avatars.lock"
        with writing("the drawn faces", folder, lock, "2.3 MB a thousand"):
            for other in folder.parent.iterdir():
                remove_leftovers(other, "file")
            # Another run may have drawn them while this one waited.
            if missing := fill(missing):
                _draw_blocks(missing, folder, seed, plant, progress)
        if gone := fill(missing):
            raise DataError(f"blocks {gone} of {folder} were lost as they were drawn: try again")
    return Faces(torch.from_numpy(pixels), torch.tensor(tosses), NAMES)


def counterfactual(
    index: int | Iterable[int], attribute: str, seed: int = 0,
    plant: tuple[str, str, float] | None = None,
) -> Faces:  # fmt: skip
    """The faces ``index`` of ``seed`` with ``attribute`` alone flipped; drawn anew, 3 ms each.

    Raises ValueError for an unknown attribute or an index below 0, DataError where DiceBear or
    resvg is not installed.
    """
    flipped = attribute_index(attribute, NAMES)
    pixels, labels = [], []
    for i in [index] if isinstance(index, int) else index:
        has, tosses = traits(seed, int(i), plant)
        has[flipped] = not has[flipped]
        pixels.append(draw(options(has, tosses)))
        labels.append(has)
    return Faces(torch.from_numpy(np.stack(pixels)), torch.tensor(labels), NAMES)


def admissible(index: int, attribute: str, seed: int = 0) -> torch.Tensor:
    """All that the face ``index`` could be, ``attribute`` flipped: uint8 pixels (V, 3, 64, 64).

    A bare face does not say which of five hats it would wear; each is as good an answer. The first
    is the :func:`counterfactual`. Raises as that does.
    """
    flipped = attribute_index(attribute, NAMES)
    has, tosses = traits(seed, index)
    has[flipped] = not has[flipped]
    own = options(has, tosses)
    rows = {option: sides[has[flipped]] for option, sides in DECIDED[attribute].items()}
    rows |= {look: LOOKS[look] for look in REVEALED.get(attribute, ()) if has[flipped]}
    kinds = [dict(zip(rows, values)) for values in itertools.product(*rows.values())]
    kinds.sort(key=lambda kind: kind.items() - own.items() != set())  # its own first
    faces = [own | kind | {"facialHairColor": (own | kind)["hairColor"]} for kind in kinds]
    return torch.from_numpy(np.stack([draw(choices) for choices in faces]))


def traits(
    seed: int, index: int, plant: tuple[str, str, float] | None = None
) -> tuple[list[bool], dict[str, float]]:
    """What the face ``index`` of ``seed`` has, (7,), and the toss in [0, 1) behind each look."""
    whole(0, index=index)
    # Python promises that a seeded generator's random() stays the same from version to version.
    toss = random.Random(f"{seed}/{index}").random
    has = [toss() < share for share in ATTRIBUTES.values()]
    looks = [*LOOKS, *(f"{option} {side}" for row in DECIDED.values() for option in row
                       for side in (0, 1))]  # fmt: skip
    tosses = {look: toss() for look in looks}
    if plant:
        follower, leader, strength = plant
        if not 0 <= strength <= 1:
            raise ValueError(f"strength is a share from 0 to 1, got {strength}")
        follower, leader = (attribute_index(name, NAMES) for name in (follower, leader))
        if toss() < strength:
            has[follower] = has[leader]
    return has, tosses


def options(has: list[bool], tosses: dict[str, float]) -> dict:
    """The options of DiceBear that draw a face with these traits."""
    chosen = {look: _choose(values, tosses[look]) for look, values in LOOKS.items()}
    for present, row in zip(has, DECIDED.values()):
        for option, sides in row.items():
            chosen[option] = _choose(sides[present], tosses[f"{option} {int(present)}"])
    return {**FIXED, **chosen, "facialHairColor": chosen["hairColor"]}


def _choose(values: list, toss: float):
    return values[int(toss * len(values))]


def draw(choices: dict) -> np.ndarray:
    """One picture, uint8 (3, 64, 64), of the options of DiceBear."""
    dicebear, _, resvg = _painters()
    from PIL import Image

    svg = str(dicebear.Avatar(_style(), {"seed": "face", **choices}))
    svg = svg.replace('viewBox="0 0 280 280"', f'viewBox="{VIEW}"', 1)
    svg = svg.replace("<svg ", f'<svg width="{SIZE}" height="{SIZE}" ', 1)
    png = resvg.svg_to_bytes(svg_string=svg, background="#ffffff", skip_system_fonts=True)
    picture = Image.open(io.BytesIO(bytes(png))).convert("RGB")
    return np.asarray(picture).transpose(2, 0, 1)


def _painters():
    """DiceBear, its styles and resvg; DataError where they are not installed."""
    try:
        import dicebear
        import dicebear_styles
        import resvg_py
    except ImportError as error:
        raise DataError(
            f"drawing faces needs DiceBear and resvg, and {error.name} is not installed: run "
            '`pip install "vaelib[faces]"`, or `pip install dicebear-core dicebear-styles resvg-py`'
        ) from error
    return dicebear, dicebear_styles, resvg_py


@cache
def _style():
    """The style "Avataaars", its hats drawn above the hair and a little higher."""
    dicebear, styles, _ = _painters()
    file = Path(next(iter(styles.__path__)), "avataaars.json")
    definition = json.loads(file.read_text(encoding="utf-8"))
    definition["components"]["hat"] = copy.deepcopy(definition["components"]["top"])
    elements = definition["canvas"]["elements"]
    hair = next(i for i, element in enumerate(elements) if element["name"] == "top")
    elements.insert(hair + 1, {**elements[hair], "name": "hat"})
    elements[hair + 1]["attributes"] = {"transform": HAT_PLACE}
    return dicebear.Style(definition)


def recipe() -> str:
    """A checksum of all that decides which pictures are drawn, but for releases of the painters.

    A new release of DiceBear or resvg is not part of it: readers without either can use what was
    drawn before, and the tests compare pictures.
    """
    parts = [ATTRIBUTES, LOOKS, DECIDED, FIXED, VIEW, HAT_PLACE, SIZE, BLOCK]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _folder(root, seed: int, plant) -> Path:
    # The code that draws is part of the key: what it drew wrongly shall not outlive it.
    key = hashlib.sha256(recipe().encode() + Path(__file__).read_bytes()).hexdigest()[:16]
    name = f"{key}-{seed}" + ("" if plant is None else "-" + "-".join(map(str, plant)))
    return Path(root or cache_folder()) / "avatars" / name


def _draw_blocks(blocks: list[int], folder: Path, seed: int, plant, progress: bool) -> None:
    from joblib import Parallel, delayed

    _painters()  # missing ones are named here and not by a worker
    starts = [block * BLOCK + part for block in blocks for part in range(0, BLOCK, 50)]
    tasks = (delayed(_draw_range)(seed, start, 50, plant) for start in starts)
    drawn = Parallel(n_jobs=-1, return_as="generator")(tasks)
    how = {"unit": "face", "unit_scale": 50, "desc": "drawing", "leave": False}
    drawn = iter(tqdm(drawn, total=len(starts), disable=not progress, **how))
    for block in blocks:
        pixels = np.concatenate(list(itertools.islice(drawn, BLOCK // 50)))
        with write_aside(folder / f"{block}.npz") as file:
            np.savez_compressed(file, pixels=pixels)


def _draw_range(seed: int, start: int, count: int, plant) -> np.ndarray:
    return np.stack([draw(options(*traits(seed, start + i, plant))) for i in range(count)])


def _read(path: Path) -> np.ndarray | None:
    """The pixels of a block; None if it is not there or damaged, so that it is drawn again."""
    try:
        # Opened here: np.load does not close a file that it cannot read.
        with path.open("rb") as file, np.load(file) as content:
            pixels = content["pixels"]
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile):
        return None
    fits = pixels.shape == (BLOCK, 3, SIZE, SIZE) and pixels.dtype == np.uint8
    return pixels if fits else None
