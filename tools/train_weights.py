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

from vaelib import avatars, data, judges, metrics, weights
from vaelib.latent import decode_images, encode_images
from vaelib.models import Architecture
from vaelib.training import Config, evaluate, fit, gaussian_loss

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

DIGITS = (
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

# Chapter 6: one network for the drawn faces, one standard deviation of its decoder's pixels after
# another, on half of the training faces; then the chosen one on all of them, for longer.
FACE = Architecture(
    latent_dim=32, encoder="conv", decoder="conv", encoder_hidden=(32, 64, 96, 128),
    decoder_hidden=(128, 96, 48, 32), decoder_dense=(128,), image_shape=(3, 64, 64),
)  # fmt: skip
TRAINING_FACES, HELD_OUT_FACES = 20_000, 2_000  # the first so many of seed 0, and the next
TRADE = {"0p6": 0.6, "0p3": 0.3, "0p15": 0.15}
# Small batches: a face is a few parts that are there or not, and many small steps find them.
BRIEF, FULL = (Config(epochs=epochs, batch_size=32, lr=1.5e-3) for epochs in (20, 24))
FACES = {f"avatars-sigma-{name}": (BRIEF, sigma, 10_000) for name, sigma in TRADE.items()}
FACES["vae-avatars"] = (FULL, 0.3, TRAINING_FACES)
FACE_JUDGE = {
    "epochs": 5, "batch_size": 128, "lr": 2e-3, "seed": 0,
    "spoiled": 0.3, "blur": 1.0, "shift": 0,
}  # fmt: skip


def targets() -> dict[str, dict]:
    """Name -> recipe: everything that decides the numbers, as plain data."""
    source = {"data": "MNIST, 60,000 training images", "md5": data.MNIST_MD5}
    recipes = {"judge-mnist": {**source, "judge": JUDGE}}
    for name, (architecture, config) in DIGITS.items():
        recipes[name] = {
            **source,
            "architecture": architecture.asdict(),
            "config": asdict(config),
            "loss": "Bernoulli on grey pixels + beta * KL, z sampled",
        }
    source = {"data": "vaelib.avatars, faces from 0 of seed 0", "drawn_by": avatars.recipe()}
    recipes["judge-avatars"] = {
        **source,
        "faces": TRAINING_FACES,
        "judge": FACE_JUDGE,
        "network": judges.network(avatars.NAMES),
    }
    for name, (config, sigma, count) in FACES.items():
        recipes[name] = {
            **source,
            "faces": count,
            "architecture": FACE.asdict(),
            "config": asdict(config),
            "loss": "Gaussian decoder of one sigma for all pixels + beta * KL, z sampled",
            "sigma": sigma,
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


def train(name: str):
    """The trained model ``name``, its numbers rounded to what the file will hold."""
    if name == "judge-mnist":
        return weights.half(judges.fit_digit_judge(data.mnist().train, **JUDGE))
    if name == "judge-avatars":
        faces = avatars.faces(TRAINING_FACES)
        return weights.half(judges.fit_attribute_judge(faces, **FACE_JUDGE))
    if name in DIGITS:
        architecture, config = DIGITS[name]
        model = architecture.build(config.seed)
        fit(model, data.mnist().train, config)
        return weights.half(model)
    config, sigma, count = FACES[name]
    # The same sums in another order in memory, which the processor goes through faster.
    model = FACE.build(config.seed).to(memory_format=torch.channels_last)
    fit(model, avatars.faces(count), config, loss=gaussian_loss(sigma))
    return weights.half(model.to(memory_format=torch.contiguous_format))


def figures(name: str, model) -> dict:
    """What the recipe says about ``model`` on images that it has not seen."""
    if name == "judge-mnist":
        return {"accuracy": metrics.accuracy(model, data.mnist().test)}
    if name in DIGITS:
        beta = DIGITS[name][1].beta
        return evaluate(model, data.mnist().test, beta=beta)._asdict()
    held_out = avatars.faces(HELD_OUT_FACES, start=TRAINING_FACES)
    if name == "judge-avatars":
        right = metrics.attribute_accuracy(model, held_out).tolist()
        return {"accuracy": dict(zip(avatars.NAMES, right))}
    config, sigma, _ = FACES[name]
    mean = decode_images(model, encode_images(model, held_out).mu)
    squares = (mean - held_out.float()).square().mean().item()
    terms = evaluate(model, held_out, gaussian_loss(sigma), config.beta)
    return {**terms._asdict(), "mean_squared_error": squares}


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
    for name, recipe in recipes.items():
        if is_current(name, recipe):
            print(f"{name}: up to date")
            continue
        start = time.perf_counter()
        model = train(name)
        scores = figures(name, model)
        seconds = round(time.perf_counter() - start)
        made = {**recipe, "hash": recipe_hash(recipe), "figures": scores, "seconds": seconds}
        weights.save_model(name, model, made)
        print(f"{name}: {json.dumps(scores)} ({seconds} s)", flush=True)


if __name__ == "__main__":
    main()
