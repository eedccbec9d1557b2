"""Containers: images, and faces with attributes, each set one uint8 tensor."""

import difflib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real

import psutil
import torch
from torch import Tensor

from vaelib.files import DataError


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
        given, expected = getattr(self.labels, "shape", None), self._shape_of_labels()
        if given != expected:
            given = type(self.labels).__name__ if given is None else tuple(given)
            raise ValueError(f"{len(self.pixels)} images need labels {expected}, got {given}")

    def _shape_of_labels(self) -> tuple[int, ...]:
        return (len(self.pixels),)

    @classmethod
    def from_float(cls, x: Tensor, labels: Tensor | None = None, **fields) -> "Images":
        """Images from float pixels in [0, 1], rounded to 256 levels; ValueError outside.

        fields: ``ink``, and of :class:`Faces` the ``names``.
        """
        if not bool(((x >= 0) & (x <= 1)).all()):  # False for NaN too
            raise ValueError(
                f"pixels must lie in [0, 1]; got {x.min():.4g} to {x.max():.4g}"
                f"{' with NaN' if x.isnan().any() else ''}. Divide 8-bit pixels by 255."
            )
        labels = x.new_zeros(len(x), dtype=torch.int64) if labels is None else labels
        return cls((x * 255).round().to(torch.uint8), labels, **fields)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index) -> "Images":
        """The chosen images as a smaller set; ``index`` is a slice, a list or a tensor."""
        if isinstance(index, Integral):
            index = range(len(self))[index]  # IndexError past the end, which ends a `for` loop
            index = slice(index, index + 1)
        return replace(self, pixels=self.pixels[index], labels=self.labels[index])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return tuple(self.pixels.shape[1:])

    def float(self) -> Tensor:
        """All pixels as float32 in [0, 1], (N, C, H, W). Four times the memory of the set."""
        return self.pixels.float().div_(255)

    def to(self, device) -> "Images":
        """The same set on another device."""
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    def batches(
        self, batch_size: int, generator: torch.Generator | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (x, labels), x float32 (N, C, H, W) in [0, 1]; shuffled if a generator is given.
        The last batch may be smaller. Raises ValueError for batches of no image."""
        whole(1, batch_size=batch_size)
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
    """Faces with attributes: ``labels`` is bool (N, A), a column for each of the ``names``."""

    names: tuple[str, ...] = ()

    def __post_init__(self):
        super().__post_init__()
        if self.labels.dtype != torch.bool:  # as a bool, -1 and NaN would be True
            raise ValueError(
                f"labels are bool (N, A), True where a face has the attribute; got "
                f"{self.labels.dtype}. Labels of 1 and 0, or of 1 and -1: give labels == 1."
            )
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"each attribute has a name of its own; got {', '.join(self.names)}")

    def _shape_of_labels(self) -> tuple[int, ...]:
        return len(self.pixels), len(self.names)

    def has(self, attribute: str) -> Tensor:
        """Which faces have ``attribute``, bool (N,). ValueError for a name that is not known."""
        return self.labels[:, attribute_index(attribute, self.names)]


def at_least_one(images: Images) -> Images:
    """``images``, which are a set with something in it; TypeError or ValueError if they are not."""
    if not isinstance(images, Images):
        raise TypeError(
            f"images come as vaelib.Images, got a {type(images).__name__}: make them of pixels "
            "(N, C, H, W) in [0, 1] by Images.from_float"
        )
    if not len(images):
        raise ValueError("there are no images: is the slice or mask empty?")
    return images


def attribute_index(attribute: str, names: Sequence[str]) -> int:
    """The place of ``attribute`` among ``names``; ValueError with the nearest name if not there."""
    if attribute in names:
        return list(names).index(attribute)
    near = difflib.get_close_matches(str(attribute), names, 1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"no attribute {attribute!r}.{hint} There are: {', '.join(names)}")


def whole(least: int, most: float = math.inf, **numbers: int) -> None:
    """ValueError, by its name, for a number that is not whole or not ``least`` to ``most``."""
    ends = f"at least {least}" if most == math.inf else f"from {least} to {most:,}"
    _check(numbers, Integral, lambda value: least <= value <= most, f"a whole number, {ends}")


def above_0(**numbers: float) -> None:
    """ValueError, by its name, for a number that is not finite and above 0."""
    _check(numbers, Real, lambda value: 0 < value < math.inf, "finite and above 0")


def at_least_0(**numbers: float) -> None:
    """ValueError, by its name, for a number that is not finite and at least 0."""
    _check(numbers, Real, lambda value: 0 <= value < math.inf, "finite and at least 0")


def _check(numbers: dict, kind: type, fits: Callable, wanted: str) -> None:
    for name, value in numbers.items():
        if not (isinstance(value, kind) and fits(value)):
            raise ValueError(f"{name} must be {wanted}, got {value!r}")


def room(n: int, channels: int, size: int) -> Tensor:
    """An uninitialised uint8 (n, channels, size, size), or DataError where it does not fit."""
    needed = n * channels * size**2
    try:
        # Linux grants more than it has, and kills the process that makes use of it.
        if needed > (free := psutil.virtual_memory().available):
            raise MemoryError(f"{free / 1e6:,.0f} MB are free")
        return torch.empty(n, channels, size, size, dtype=torch.uint8)
    except (MemoryError, RuntimeError) as error:
        raise DataError(
            f"{n:,} faces of {size} x {size} need {needed / 1e6:,.0f} MB of memory, which cannot "
            f"be had: {error}. Ask for fewer, or for a smaller size."
        ) from error
