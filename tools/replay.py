"""Record how the codes form while an AE and a VAE train, for `explore.training_replay`.

Trains the two networks of the other explorers anew, more briefly, and keeps at 24 steps, spaced
evenly in their logarithm, the codes of 1,000 test images and five reconstructions, in
vaelib/static/replay.safetensors (under 400 kB). A file made by today's recipe is left alone.
"""

import json

import torch

from codes import write
from recipes import POCKET
from vaelib import data, explorer_assets, latent, training, weights
from vaelib.models import Architecture
from vaelib.training import Config, elbo_loss, fit

PATH = explorer_assets.STATIC / "replay.safetensors"
CONFIG = {"epochs": 12, "batch_size": 128, "lr": 2.5e-3}
RUNS = {
    "ae": (Architecture(kind="ae", **POCKET), Config(**CONFIG, beta=0.0)),
    "vae": (Architecture(kind="vae", **POCKET), Config(**CONFIG)),
}
FRAMES, CODES, PICTURES = 24, 1000, 5


def record(architecture: Architecture, config: Config, train, test) -> dict[str, torch.Tensor]:
    """Train once: codes (frames, 1000, 2), pictures (frames, 5, 28, 28), loss (frames,)."""
    steps = config.epochs * -(-len(train) // config.batch_size)
    wanted = [0, *torch.logspace(1, torch.tensor(steps).log10(), FRAMES - 1).round().int().tolist()]
    model, frames = architecture.build(config.seed), []

    def take_frame() -> None:
        codes = latent.encode_images(model, test[:CODES])
        pictures = latent.decode_images(model, codes.mu[_one_of_each(test)])[:, 0]
        loss = training.evaluate(model, test[:2000], beta=config.beta).loss
        frames.append((codes.mu.half(), (pictures * 255).round().to(torch.uint8), loss))
        model.train()

    step = 0

    def watched_loss(output, x, beta):
        nonlocal step
        if step in wanted:
            take_frame()  # as the model is before this step
        step += 1
        return elbo_loss(output, x, beta)

    fit(model, train, config, loss=watched_loss)
    take_frame()
    codes, pictures, losses = zip(*frames, strict=True)
    return {
        "steps": torch.tensor(wanted, dtype=torch.float32),
        "codes": torch.stack(codes),
        "pictures": torch.stack(pictures),
        "loss": torch.tensor(losses, dtype=torch.float32),
    }


def _one_of_each(test) -> list[int]:
    """The first images of five digits that look unlike each other."""
    return [int((test.labels == digit).nonzero()[0]) for digit in (0, 1, 2, 4, 7)][:PICTURES]


def recipe() -> dict:
    """What the file's metadata says of how it was made."""
    made = {kind: [a.asdict(), vars(c)] for kind, (a, c) in RUNS.items()}
    return json.loads(json.dumps(made))  # tuples become lists, as in the file


def main() -> None:
    if PATH.is_file() and weights.read(PATH)[0].get("recipe") == recipe():
        return print("replay: current")
    train, test = data.mnist()
    tensors = {}
    for kind, (architecture, config) in RUNS.items():
        print(f"replay: training the {kind}", flush=True)
        run = record(architecture, config, train, test)
        tensors["steps"] = run.pop("steps")
        tensors |= {f"{kind}.{name}": tensor for name, tensor in run.items()}
    tensors["labels"] = test.labels[:CODES].to(torch.uint8)
    tensors["originals"] = test.pixels[_one_of_each(test), 0]
    write(PATH, tensors, {"recipe": recipe()})
    print(f"replay: {PATH.name}, {PATH.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
