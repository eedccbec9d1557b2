"""Train every shipped model: one target a file, skipped when its recipe has not changed.

    python tools/train_weights.py                 all that are missing or out of date
    python tools/train_weights.py --only NAME     one of them
    python tools/train_weights.py --list          their names, and which are up to date

A recipe is hashed; the hash is stored in the file it made, and decides whether to train again.
An interrupted run keeps every file finished so far: each is written aside and renamed.
"""

import argparse
import hashlib
import json
import time
from dataclasses import asdict

import torch
from torch.nn import functional as F
from tqdm import tqdm

from vaelib import data, metrics, weights
from vaelib.models import Architecture, Judge, seeded
from vaelib.training import Config, evaluate, fit

# The network of chapters 1 and 2: every step of the experiment shares its widths.
SMALL = {"latent_dim": 2, "encoder_hidden": (256, 128), "decoder_hidden": (128, 128)}
STEPS = {
    "step1-ae": (Architecture(kind="ae", **SMALL), Config(epochs=30, beta=0.0)),
    "step2-noise": (Architecture(kind="ae", noise=0.5, **SMALL), Config(epochs=30, beta=0.0)),
    "step3-sigma": (Architecture(kind="vae", **SMALL), Config(epochs=30, beta=0.0)),
    "step4-vae": (Architecture(kind="vae", **SMALL), Config(epochs=30, beta=1.0)),
}
SEEDS = (0, 1, 2)
# Chapter 4: one network with 16 latents, one weight of the KL after another.
BETAS = {"0": 0.0, "0p1": 0.1, "0p5": 0.5, "1": 1.0, "2": 2.0, "4": 4.0, "8": 8.0}
WIDE = {**SMALL, "latent_dim": 16}

# The models of the explorers: encoder and decoder each fit in 300 kB, for the reader's browser.
POCKET = {"latent_dim": 2, "encoder_hidden": (160, 128), "decoder_hidden": (128, 160)}
LONG = {"epochs": 100, "batch_size": 128, "lr": 3e-3}

MODELS = (
    {
        "vae-mnist-2d": (Architecture(kind="vae", **POCKET), Config(**LONG)),
        "ae-mnist-2d": (Architecture(kind="ae", **POCKET), Config(**LONG, beta=0.0)),
        "vae-mnist-20d": (
            Architecture(latent_dim=20, decoder="conv", decoder_hidden=(64, 48)),
            Config(epochs=50, batch_size=128, lr=3e-3),
        ),
    }
    | {
        f"{step}-{seed}": (architecture, Config(**{**asdict(config), "seed": seed}))
        for step, (architecture, config) in STEPS.items()
        for seed in SEEDS
    }
    | {
        f"beta-{name}": (Architecture(kind="vae", **WIDE), Config(epochs=30, beta=beta))
        for name, beta in BETAS.items()
    }
)
JUDGE = {
    "epochs": 10, "batch_size": 128, "lr": 2e-3, "seed": 0,
    "spoiled": 0.3, "blur": 1.5, "shift": 2,
}  # fmt: skip


def targets() -> dict[str, dict]:
    """Name -> recipe: everything that decides the numbers, as plain data."""
    source = {"data": "MNIST, 60,000 training images", "md5": data.MNIST_MD5}
    recipes = {"judge-mnist": {**source, "judge": JUDGE}}
    for name, (architecture, config) in MODELS.items():
        recipes[name] = {
            **source,
            "architecture": architecture.asdict(),
            "config": asdict(config),
            "loss": "Bernoulli on grey pixels + beta * KL, z sampled",
        }
    return json.loads(json.dumps(recipes))  # tuples become lists, as they do in a file


def recipe_hash(recipe: dict) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def is_current(name: str, recipe: dict) -> bool:
    """True if the shipped file was made by this very recipe and is intact."""
    try:
        weights.load(name)
        return weights.recipe(name).get("hash") == recipe_hash(recipe)
    except weights.WeightsError:
        return False


def train_model(name: str, mnist: data.Mnist):
    architecture, config = MODELS[name]
    model = architecture.build(config.seed)
    fit(model, mnist.train, config)
    weights.half(model)
    return model, evaluate(model, mnist.test, beta=config.beta)._asdict()


def train_judge(mnist: data.Mnist):
    """A classifier that names blurred digits and is unsure of what is not a digit.

    A decoder's pictures are softer than real digits, so each batch is blurred by a Gaussian of
    random width and shifted by up to two pixels. A share of each batch is spoiled, and labelled
    "every digit alike": double exposures of two different digits, and the top half of one digit on
    the bottom half of another (outlier exposure, Hendrycks et al. 2019). A plainly trained network
    would be confident about those.
    """
    c = JUDGE
    with seeded(c["seed"]):
        judge = Judge()
    generator = torch.Generator().manual_seed(c["seed"])
    optimiser = torch.optim.Adam(judge.parameters(), lr=c["lr"])
    steps = c["epochs"] * -(-len(mnist.train) // c["batch_size"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, c["lr"], total_steps=steps)
    with tqdm(total=steps, unit="step", leave=False) as bar:
        for _ in range(c["epochs"]):
            for x, labels in mnist.train.batches(c["batch_size"], generator):
                target = F.one_hot(labels, 10).float()
                count = int(c["spoiled"] * len(x))
                bad, is_bad = spoil(x, labels, count, generator)
                x = torch.cat([bad, x[count:]])
                target[:count][is_bad] = 0.1
                loss = F.cross_entropy(judge(soften(x, c["blur"], c["shift"], generator)), target)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                bar.update()
    weights.half(judge.eval())
    return judge, {"accuracy": metrics.accuracy(judge, mnist.test)}


def spoil(x, labels, count, generator):
    """The first ``count`` images mixed with others, and which of them are no longer digits."""
    other = torch.randint(len(x), (count,), generator=generator)
    mine, theirs = x[:count], x[other]
    t = 0.3 + 0.4 * torch.rand(count, 1, 1, 1, generator=generator)
    halves = torch.cat([mine[:, :, :14], theirs[:, :, 14:]], dim=2)
    blend = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    mixed = torch.where(blend, t * mine + (1 - t) * theirs, halves)
    return mixed, labels[:count] != labels[other]


def soften(x, widest, furthest, generator):
    """Blur a batch by a Gaussian of random width (pixels), and shift it by whole pixels."""
    width = widest * torch.rand(1, generator=generator).clamp_min(0.01)
    kernel = torch.exp(-(torch.arange(-3.0, 4) ** 2) / (2 * width**2))
    kernel = kernel / kernel.sum()
    x = F.conv2d(x, kernel.view(1, 1, 7, 1), padding=(3, 0))
    x = F.conv2d(x, kernel.view(1, 1, 1, 7), padding=(0, 3))
    shift = torch.randint(-furthest, furthest + 1, (2,), generator=generator)
    return torch.roll(x, shift.tolist(), dims=(2, 3))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="train this one alone")
    parser.add_argument("--list", action="store_true", help="list the names and leave")
    arguments = parser.parse_args()
    recipes = targets()
    if arguments.only:
        if arguments.only not in recipes:
            parser.error(f"no target {arguments.only!r}; there are: {', '.join(recipes)}")
        recipes = {arguments.only: recipes[arguments.only]}
    if arguments.list:
        for name, recipe in recipes.items():
            print(f"{'current' if is_current(name, recipe) else 'to train':9} {name}")
        return
    mnist = data.mnist()
    for name, recipe in recipes.items():
        if is_current(name, recipe):
            print(f"{name}: up to date")
            continue
        start = time.perf_counter()
        model, figures = train_judge(mnist) if "judge" in recipe else train_model(name, mnist)
        seconds = round(time.perf_counter() - start)
        made = {**recipe, "hash": recipe_hash(recipe), "figures": figures, "seconds": seconds}
        weights.save_model(name, model, made)
        shown = ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
        print(f"{name}: {shown} ({seconds} s)", flush=True)


if __name__ == "__main__":
    main()
