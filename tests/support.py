"""What several test modules share: tiny images, a tiny model, and hypothesis' settings."""

import io
from pathlib import Path
from types import SimpleNamespace

import torch
from hypothesis import settings

from vaelib.data import Images
from vaelib.models import Architecture

# Examples are drawn the same way each time, and none is timed: machines that test are busy.
settings.register_profile("vaelib", deadline=None, derandomize=True, max_examples=50, database=None)
settings.load_profile("vaelib")

SHAPE = (1, 8, 8)
TINY = Architecture(encoder_hidden=(16,), decoder_hidden=(16,), image_shape=SHAPE)
TINY_AE = Architecture(kind="ae", encoder_hidden=(16,), decoder_hidden=(16,), image_shape=SHAPE)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def free(size: float) -> SimpleNamespace:
    """A psutil of a machine with ``size`` bytes of free memory."""
    return SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=size))


def bars(n: int = 64, seed: int = 0) -> Images:
    """8 x 8 pictures of one grey vertical bar; the label is its column."""
    random = generator(seed)
    labels = torch.randint(8, (n,), generator=random)
    pixels = torch.zeros(n, *SHAPE, dtype=torch.uint8)
    grey = torch.randint(128, 256, (n, 8), generator=random, dtype=torch.uint8)
    pixels[torch.arange(n), 0, :, labels] = grey
    return Images(pixels, labels)


def fail_half_way(monkeypatch, name: str, trouble: BaseException) -> None:
    """Writing a file whose name has ``name`` in it ends half way with ``trouble``."""
    really_open = Path.open

    class Half(io.BufferedWriter):
        def write(self, content):
            super().write(bytes(content)[: len(content) // 2])
            self.flush()
            raise trouble

    def opened(path, mode="r", *args, **kwargs):
        if "w" in mode and name in path.name:
            return Half(io.FileIO(path, "w"))
        return really_open(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", opened)
