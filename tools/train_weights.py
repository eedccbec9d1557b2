"""Train every model that the book speaks of: one target a file, skipped when its recipe has not
changed.

    python tools/train_weights.py                 all that are missing or out of date
    python tools/train_weights.py --only NAME     one of them, and what it starts from
    python tools/train_weights.py --list          their names, and which are up to date

A recipe is hashed; the hash is stored in the file it made, and decides whether to train again.
An interrupted run keeps every file finished so far: each is written aside and renamed.

Of the experiment and the sweep only seed 0 ships. The other seeds, and the rivals that no page
shows, stay in .cache/weights; what they score goes into vaelib/weights/scores.json, a row for each
with its recipe's hash. A row that is current needs no weights. `--score` scores anew what is there.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from filelock import FileLock
from sklearn.neighbors import KDTree
from torch import Tensor

from project import ROOT
from vaelib import avatars, data, judges, metrics, weights
from vaelib.files import write_aside
from vaelib.latent import decode_images, encode_images
from vaelib.losses import LossTerms, kl_divergence
from vaelib.models import Architecture, Output
from vaelib.training import Config, Loss, elbo_loss, evaluate, fit, gaussian_loss, priced_loss

KEPT = ROOT / ".cache" / "weights"  # what is trained and does not ship

# The network of the digits with a code of two numbers: encoder and decoder each fit in 300 kB, for
# the reader's browser. One recipe for all, so that what differs is what the experiment changes.
POCKET = {"latent_dim": 2, "encoder_hidden": (142, 128, 128), "decoder_hidden": (128, 128, 142)}
LONG = Config(epochs=60, batch_size=128, lr=2.5e-3)
SEEDS = (0, 1, 2)
# The constant sigma: the VAE's own median. On 10,000 training images kept back its bound was better
# than that of .1 (138.9 against 140.7 nats after 20 epochs).
CONSTANT = 0.03
BERNOULLI = "Bernoulli on grey pixels"


@dataclass(frozen=True)
class Digits:
    """How a model of MNIST is trained: `loss` says in words what `make_loss` does; `start` names
    the model it is trained on from, instead of fresh weights."""

    architecture: Architecture
    config: Config
    loss: str = f"{BERNOULLI} + beta * KL, z sampled"
    make_loss: Callable[[], Loss] = lambda: elbo_loss
    start: str | None = None

    def seeds(self, name: str) -> dict[str, "Digits"]:
        """`name` for seed 0, and `name-1`, `name-2`."""
        start = self.start
        return {
            numbered(name, seed): replace(
                self,
                config=replace(self.config, seed=seed),
                start=numbered(start, seed) if start else None,
            )
            for seed in SEEDS
        }


def numbered(name: str, seed: int) -> str:
    return f"{name}-{seed}" if seed else name


def step(kind: str, noise=0.0, beta=1.0, **price) -> Digits:
    """A network of the experiment of chapter 4."""
    network = Architecture(kind=kind, noise=noise, **POCKET)
    if not price:
        return Digits(network, replace(LONG, beta=beta))
    words = " and ".join(name for name, charged in price.items() if charged)
    return Digits(
        network,
        replace(LONG, beta=beta),
        f"{BERNOULLI} + beta * the part of the KL for {words}, z sampled",
        lambda: priced_loss(**price),
    )


EXPERIMENT = {
    "ae-mnist-2d": step("ae", beta=0.0),
    "noise-mnist-2d": step("ae", noise=0.5, beta=0.0),
    "sigma-mnist-2d": step("vae", beta=0.0),
    "sigma-priced-mnist-2d": step("vae", mu=False, sigma=True),
    "mu-priced-mnist-2d": step("vae", mu=True, sigma=False),
    "constant-mnist-2d": step("ae", noise=CONSTANT, mu=True, sigma=False),
    "vae-mnist-2d": step("vae"),
}


def squares_loss(of_squares: Callable[[Tensor], Tensor]) -> Loss:
    """A loss of chapter 7: ``of_squares`` takes the squared errors (N, D) of a batch and gives one
    number per image, or one for all."""

    def loss(output: Output, x: Tensor, beta: float) -> LossTerms:
        nll = of_squares((output.logits.sigmoid() - x).square().flatten(1)).expand(len(x))
        kl = kl_divergence(output.mu, output.log_var)
        return LossTerms(nll + beta * kl, nll, kl)

    return loss


# Chapter 8: one network with 16 latents, one weight of the KL after another; and from the network
# of beta 1 on to the larger ones, since a fresh network may stop at fewer latents than pay.
WIDE = Architecture(latent_dim=16, encoder_hidden=(128, 128), decoder_hidden=(128, 128))
SWEEP = Config(epochs=40, batch_size=256, lr=3e-3)
BETAS = {"0": 0.0, "0p1": 0.1, "0p5": 0.5, "1": 1.0, "2": 2.0, "4": 4.0, "8": 8.0}
COLD = {f"beta-{name}": Digits(WIDE, replace(SWEEP, beta=beta)) for name, beta in BETAS.items()}
WARM = {
    f"beta-{name}-from-{first}": Digits(
        WIDE, replace(SWEEP, beta=BETAS[name]), start=f"beta-{first}"
    )
    for name, first in (("1", "0p5"), ("2", "1"), ("4", "1"), ("8", "1"))
}
# Its rivals, as long as the first training and the second together: no change of beta at all,
# and a beta that rises from 0 over the first half.
TWICE = replace(SWEEP, epochs=2 * SWEEP.epochs)
RIVALS = {
    f"beta-{name}-{kind}": Digits(WIDE, replace(TWICE, beta=BETAS[name], warmup_epochs=warmup))
    for name, kind, warmup in (("1", "long", 0), ("8", "long", 0), ("8", "warmup", SWEEP.epochs))
}

# Chapter 7: the same network with squared errors, by three losses that people use.
LEARNED = "half the pixels * log of the batch's mean of squares"
ACCIDENTS = {
    name: Digits(WIDE, SWEEP, f"{loss} + beta * KL, z sampled", partial(squares_loss, of_squares))
    for name, loss, of_squares in (
        ("squares-mean", "mean of squares", lambda squares: squares.mean(1)),
        ("squares-1000", "1000 * mean of squares", lambda squares: 1000 * squares.mean(1)),
        ("squares-learned", LEARNED, lambda squares: squares[0].numel() / 2 * squares.mean().log()),
    )
}

DIGITS = {
    name: digits
    for group in (EXPERIMENT, COLD, WARM, RIVALS, ACCIDENTS)
    for first, one in group.items()
    for name, digits in one.seeds(first).items()
} | {
    "vae-mnist-20d": Digits(
        Architecture(latent_dim=20, decoder="conv", decoder_hidden=(64, 48)),
        Config(epochs=50, batch_size=128, lr=3e-3),
    )
}
# Only these ship. Of the others the package has what they score.
SHIPPED = {*EXPERIMENT, *COLD, "vae-mnist-20d"}
JUDGE = {
    "epochs": 10, "batch_size": 128, "lr": 2e-3, "seed": 0,
    "spoiled": 0.3, "blur": 1.5, "shift": 2,
}  # fmt: skip

# Chapter 10: one network for the drawn faces.
FACE = Architecture(
    latent_dim=32, encoder="conv", decoder="conv", encoder_hidden=(32, 64, 96, 128),
    decoder_hidden=(128, 96, 48, 32), decoder_dense=(128,), image_shape=(3, 64, 64),
)  # fmt: skip
TRAINING_FACES, HELD_OUT_FACES = 20_000, 2_000  # the first so many of seed 0, and the next
# Small batches: a face is a few parts that are there or not, and many small steps find them.
FACES = {"vae-avatars": (Config(epochs=24, batch_size=32, lr=1.5e-3), 0.3, TRAINING_FACES)}
FACE_JUDGE = {
    "epochs": 5, "batch_size": 128, "lr": 2e-3, "seed": 0,
    "spoiled": 0.3, "blur": 1.0, "shift": 0,
}  # fmt: skip
# A second one, of another seed and build: what one judge helped to choose, the other reports.
FACE_JUDGES = {
    "judge-avatars": (FACE_JUDGE, {}),
    "judge-avatars-2": ({**FACE_JUDGE, "seed": 1}, {"channels": (24, 48, 64)}),
}


def targets() -> dict[str, dict]:
    """Name -> recipe: everything that decides the numbers, as plain data."""
    source = {"data": "MNIST, 60,000 training images", "md5": data.MNIST_MD5}
    recipes = {"judge-mnist": {**source, "judge": JUDGE}}
    for name, digits in DIGITS.items():
        recipes[name] = {
            **source,
            "architecture": digits.architecture.asdict(),
            "config": asdict(digits.config),
            "loss": digits.loss,
        }
        if digits.start:
            recipes[name]["start"] = recipe_hash(recipes[digits.start])
    source = {"data": "vaelib.avatars, faces from 0 of seed 0", "drawn_by": avatars.recipe()}
    for name, (judge, build) in FACE_JUDGES.items():
        recipes[name] = {
            **source,
            "faces": TRAINING_FACES,
            "judge": judge,
            "network": judges.network(avatars.NAMES, **build),
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


def folder_of(name: str) -> Path:
    """Where the files of ``name`` belong: in the package, or in this clone's cache."""
    return weights.FOLDER if name in SHIPPED or name not in DIGITS else KEPT


def load(name: str):
    """The trained model ``name``, shipped or kept."""
    return weights.load(name, folder_of(name))


def is_scored(name: str, recipe: dict) -> bool:
    return weights.scores().get(name, {}).get("hash") == recipe_hash(recipe)


def is_current(name: str, recipe: dict) -> bool:
    """True if the file was made by this very recipe and is intact, or need not be there: of what
    does not ship, its row among the scores is what counts."""
    if folder_of(name) == KEPT and is_scored(name, recipe):
        return True
    try:
        load(name)
        return weights.recipe(name, folder_of(name)).get("hash") == recipe_hash(recipe)
    except weights.WeightsError:
        return False


def train(name: str):
    """The trained model ``name``, its numbers rounded to what the file will hold."""
    if name == "judge-mnist":
        return weights.half(judges.fit_digit_judge(data.mnist().train, **JUDGE))
    if name in FACE_JUDGES:
        judge, build = FACE_JUDGES[name]
        faces = avatars.faces(TRAINING_FACES)
        return weights.half(judges.fit_attribute_judge(faces, **judge, **build))
    if name in DIGITS:
        digits = DIGITS[name]
        model = digits.architecture.build(digits.config.seed)
        if digits.start:
            model.load_state_dict(load(digits.start).state_dict())
        fit(model, data.mnist().train, digits.config, loss=digits.make_loss())
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
        digits = DIGITS[name]
        test, beta = data.mnist().test, digits.config.beta
        return evaluate(model, test, digits.make_loss(), beta)._asdict()
    held_out = avatars.faces(HELD_OUT_FACES, start=TRAINING_FACES)
    if name in FACE_JUDGES:
        right = metrics.attribute_accuracy(model, held_out).tolist()
        return {"accuracy": dict(zip(avatars.NAMES, right))}
    config, sigma, _ = FACES[name]
    mean = decode_images(model, encode_images(model, held_out).mu)
    squares = (mean - held_out.float()).square().mean().item()
    terms = evaluate(model, held_out, gaussian_loss(sigma), config.beta)
    return {**terms._asdict(), "mean_squared_error": squares}


def thin(model, train: data.Images, sampler: str) -> float:
    """Share of 2,000 draws around which there are fewer than half of the codes that the sampler
    promises: chapter 4, reason 3, defines it."""
    seen = encode_images(model, train[:20_000])
    z, reference = (
        metrics.sample_codes(seen, count, sampler, count).double() for count in (2000, 20_000)
    )
    reach = KDTree(reference.numpy()).query(z.numpy(), 50)[0][:, -1]
    found = KDTree(seen.z.double().numpy()).query_radius(z.numpy(), reach, count_only=True)
    return float((found < 25).mean())


def row_of(name: str) -> dict:
    """What the trained model ``name`` scores, as plain data."""
    train, test = data.mnist()
    judge, model = weights.load("judge-mnist"), load(name)
    made = weights.recipe(name, folder_of(name))
    squares = (decode_images(model, encode_images(model, test).mu) - test.float()).square()
    digits = DIGITS[name]
    row = {
        "hash": made["hash"],
        "seconds": made["seconds"],
        "loss": made["figures"]["loss"],
        "training_loss": evaluate(model, train, digits.make_loss(), digits.config.beta).loss,
        **asdict(metrics.scoreboard(model, judge, train, test, seed=digits.config.seed)),
        "mean_squared_error": squares.mean().item(),
    }
    if digits.architecture.latent_dim == 2:
        row["thin"] = {how: thin(model, train, how) for how in metrics.SAMPLERS}
    return json.loads(json.dumps(row), parse_float=five_digits)


def score(name: str) -> None:
    """Put what the trained model ``name`` scores into its row of scores.json."""
    row = row_of(name)
    KEPT.mkdir(parents=True, exist_ok=True)
    with FileLock(KEPT / "scores.lock"):  # two trainings may end at once
        rows = weights.scores() | {name: row}
        with write_aside(weights.SCORES) as file:
            file.write((json.dumps(rows, indent=1, sort_keys=True) + "\n").encode())


def five_digits(number: str) -> float:
    return float(f"{float(number):.5g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", help="train these alone")
    parser.add_argument("--list", action="store_true", help="list the names and leave")
    parser.add_argument("--score", action="store_true", help="score anew what is there, and leave")
    arguments = parser.parse_args()
    recipes = targets()
    if arguments.only:
        if unknown := set(arguments.only) - set(recipes):
            parser.error(f"no target {unknown}; there are: {', '.join(recipes)}")
        starts = [DIGITS[name].start for name in arguments.only if name in DIGITS]
        recipes = {name: recipes[name] for name in [*filter(None, starts), *arguments.only]}
    if arguments.list:
        for name, recipe in recipes.items():
            print(f"{'current' if is_current(name, recipe) else 'to train':9} {name}")
        return
    if arguments.score:
        there = {*weights.available(), *weights.available(KEPT)}
        for name in sorted(there & recipes.keys() & DIGITS.keys()):
            score(name)
        return
    for name, recipe in recipes.items():
        if is_current(name, recipe):
            print(f"{name}: up to date")
            if name in DIGITS and not is_scored(name, recipe):
                score(name)
            continue
        start = time.perf_counter()
        model = train(name)
        scores = figures(name, model)
        seconds = round(time.perf_counter() - start)
        made = {**recipe, "hash": recipe_hash(recipe), "figures": scores, "seconds": seconds}
        folder_of(name).mkdir(parents=True, exist_ok=True)
        weights.save_model(name, model, made, folder_of(name))
        if name in DIGITS:
            score(name)
        print(f"{name}: {json.dumps(scores)} ({seconds} s)", flush=True)


if __name__ == "__main__":
    main()
