"""Noise on its way to codes, and the face that forms."""

import torch

from vaelib import avatars, flow, latent, plots, weights
from vaelib.explorer_assets import FACE_MODEL, FLOW, STATIC
from vaelib.explorers.widgets import Explorer, canvas, slider
from vaelib.images import attribute_index, whole

BOX = [-3.5, 3.5, -3.5, 3.5]
TIMES = (0, 0.25, 0.5, 0.75, 1)  # of the still's faces


def noise_to_face(
    told: dict[str, bool] | None = None, time: float = 0.0, steps: int = 20, draw: int = 0
) -> Explorer:
    """A hundred draws of noise on their way to codes, and the face that one of them becomes.

    told: attribute -> whether a face shall have it; of those not named the flow is told nothing.
    time: from 0, noise, to 1; steps: midpoint steps on the whole way, 1 to 50; draw: which of the
    hundred is decoded, 0 to 99. All is computed in the page (``static/flow.js``). Chapter 12
    derives it; ``tools/codes.py`` writes the file with the noise.

    Raises ValueError for an attribute, time, number of steps or draw that there is not.
    """
    tensors = load_flow()
    values = dict.fromkeys(avatars.NAMES, 0)
    for name, there in (told or {}).items():
        attribute_index(name, avatars.NAMES)
        values[name] = 1 if there else -1
    whole(0, steps=steps, draw=draw)
    sliders = {
        "time": slider("Time t", time, 0, 1, 0.02),
        "steps": slider("Steps", steps, 1, 50, 1, readout_format="d"),
        "draw": slider("Draw", draw, 0, 99, 1, readout_format="d"),
    }
    numbers = {"time": float(time), "steps": float(steps), "draw": float(draw)}
    shown = canvas("flow", flow=FLOW, name=FACE_MODEL, box=BOX, **numbers, **values)
    text = f"Noise to face: draw {draw} after {steps} steps of a flow, at times 0 to 1; its cloud."

    def still(figure):
        figure.set_size_inches(7.2, 4.2)
        model = weights.load(FLOW)
        asked = torch.tensor([list(values.values())]).float().expand(len(tensors["noise"]), -1)
        z = tensors["noise"].repeat(steps + 1, 1, 1)
        with torch.no_grad():
            z[..., model.active] = flow.way(
                lambda x, t: model(x, t, asked), z[0][:, model.active], steps
            )

        def at(t: float) -> torch.Tensor:  # steps are straight
            before = min(int(t * steps), steps - 1)
            return torch.lerp(z[before], z[before + 1], t * steps - before)

        above, below = figure.subplots(2, 1, height_ratios=[2, 1])
        above.scatter(*tensors["codes"].T, s=1, color="#999")
        above.scatter(*at(time)[:, tensors["latents"]].T, s=9, color=plots.BLUE)
        above.set(xlim=BOX[:2], ylim=BOX[2:], aspect="equal", title=f"t = {time:g}")
        codes = torch.stack([at(t)[draw] for t in TIMES])
        decoded = latent.decode_images(weights.load(FACE_MODEL), codes)
        plots.pictures(decoded, columns=len(TIMES), ax=below)
        below.set_title("t = " + ", ".join(f"{t:g}" for t in TIMES))

    return Explorer(sliders, shown, still, text)


def load_flow() -> dict[str, torch.Tensor]:
    """What the explorer of chapter 12 shows beside its weights: float32 ``noise`` (100, 32), and of
    1,000 held-out faces ``codes`` (1000, 2) on the two ``latents`` (2,) that cost most."""
    tensors = weights.read(STATIC / "flow.safetensors")[1]
    return {name: of.long() if name == "latents" else of.float() for name, of in tensors.items()}
