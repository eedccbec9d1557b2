"""How the codes form while a network trains."""

import torch

from vaelib import plots, weights
from vaelib.explorer_assets import STATIC
from vaelib.explorers.widgets import KINDS, Explorer, canvas, slider, square_box
from vaelib.images import whole


def training_replay(frame: int = 0) -> Explorer:
    """An AE and a VAE while they train: the codes of 1,000 test images, and five reconstructions.

    frame: which of the 24 recorded steps is shown first; -1 is the last. Recorded by
    ``tools/replay.py``, spaced evenly in the logarithm of the step.
    """
    tensors = load_replay()
    count = len(tensors["steps"])
    whole(-count, count - 1, frame=frame)
    frame %= count
    boxes = [square_box(tensors[f"{kind}.codes"].flatten(0, 1)) for kind in KINDS]
    shown = canvas("replay", frame=float(frame), boxes=boxes, colours=plots.DIGIT_COLORS)
    moment = slider("moment", frame, 0, count - 1, 1, readout_format="d")
    step = int(tensors["steps"][frame])
    text = f"Training replay: codes and reconstructions of test images, step {step}, AE and VAE."

    def still(figure):
        figure.set_size_inches(7.2, 4.6)
        axes = figure.subplots(2, 2, height_ratios=[3, 1])
        for (above, below), (kind, title), box in zip(axes.T, KINDS.items(), boxes):
            points = tensors[f"{kind}.codes"][frame].float()
            plots.codes(points, tensors["labels"].long(), ax=above, title=title)
            above.set(xlim=box[:2], ylim=box[2:])
            pictures = torch.cat([tensors["originals"], tensors[f"{kind}.pictures"][frame]])
            plots.pictures(pictures[:, None].float() / 255, columns=5, ax=below)
        figure.suptitle(f"after {step} steps")

    return Explorer({"frame": moment}, shown, still, text)


def load_replay() -> dict[str, torch.Tensor]:
    """What ``tools/replay.py`` recorded of two trainings, ``ae.*`` and ``vae.*``: codes (frames, N,
    2), pictures uint8 (frames, 5, 28, 28), held-out loss (frames,); and what both share: steps
    (frames,), labels (N,), originals uint8 (5, 28, 28)."""
    return weights.read(STATIC / "replay.safetensors")[1]
