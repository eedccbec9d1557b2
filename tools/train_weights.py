"""Train every model that the book speaks of: one target a file, skipped when its recipe has not
changed.

    python tools/train_weights.py                 all that are missing or out of date
    python tools/train_weights.py --only NAME     one of them, and what it starts from
    python tools/train_weights.py --list          their names, and which are up to date

The recipes stand in recipes.py. An interrupted run keeps every file finished so far: each is
written aside and renamed.

Of the experiment and the sweep only seed 0 ships. The other seeds, and the rivals that no page
shows, stay in .cache/weights; what they score goes into vaelib/weights/scores.json, a row for each
with its recipe's hash. A row that is current needs no weights. `--score` scores anew what is there.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import torch
from filelock import FileLock
from sklearn.neighbors import KDTree

import flows
import weight_files
from project import ROOT
from recipes import (
    DIGITS,
    FACE,
    FACE_JUDGES,
    FACES,
    FLOWS,
    HELD_OUT_FACES,
    JUDGE,
    SHIPPED,
    TRAINING_FACES,
    Digits,
    Tossed,
    Trainee,
    recipe_hash,
    targets,
)
from vaelib import avatars, data, evaluation, judges, metrics, weights
from vaelib.files import write_aside
from vaelib.latent import decode_images, encode_images
from vaelib.training import elbo_loss, evaluate, fit, gaussian_loss

KEPT = ROOT / ".cache" / "weights"  # what is trained and does not ship


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


def seen_by(digits: Digits) -> data.Images:
    """What a model of digits is trained on."""
    train = data.mnist().train[: digits.images]
    return Tossed(train.pixels, train.labels, ink=train.ink) if digits.tossed else train


def unseen_by(digits: Digits) -> data.Images:
    """The test images, for a model of tossed pixels tossed once and for all."""
    test = data.mnist().test
    if not digits.tossed:
        return test
    return data.Images.from_float(evaluation.toss(test.float()), test.labels, ink=test.ink)


def note_bound(model, digits: Digits, curve: list):
    """An ``on_epoch`` that notes epoch, ELBO and the bound of 20 draws of the test images."""
    test = unseen_by(digits)

    def note(_, record):
        if record.epoch in digits.curve:
            row = [record.epoch, record.loss, evaluate(model, test).loss]
            if digits.scored[1] == 5000:
                row.append(-evaluation.log_likelihood(model, test.float(), 20).mean)
            curve.append([float(f"{value:.5g}") for value in row])

    return note


def images_of(vae: str) -> data.Images:
    """What the shipped ``vae`` was trained on."""
    return avatars.faces(FACES[vae][2]) if vae in FACES else data.mnist().train


def train(name: str, curve: list):
    """The trained model ``name``, its numbers rounded to what the file will hold.

    ``curve`` takes what is noted on the way: epoch, training loss, test ELBO, test bound."""
    if name == "judge-mnist":
        return weight_files.half(judges.fit_digit_judge(data.mnist().train, **JUDGE))
    if name in FACE_JUDGES:
        judge, build = FACE_JUDGES[name]
        faces = avatars.faces(TRAINING_FACES)
        return weight_files.half(judges.fit_attribute_judge(faces, **judge, **build))
    if name in DIGITS:
        digits = DIGITS[name]
        model = digits.architecture.build(digits.config.seed)
        if digits.start:
            model.load_state_dict(load(digits.start).state_dict())
        learner, loss = model, digits.make_loss()
        if digits.draws > 1 or digits.average:
            learner = Trainee(model, digits)
            loss = learner.loss
        on_epoch = note_bound(model, digits, curve) if digits.curve else None
        fit(learner, seen_by(digits), digits.config, loss=loss, on_epoch=on_epoch)
        return weight_files.half(learner.average[0].module if digits.average else model)
    if name in FLOWS:
        vae, arguments = FLOWS[name]
        return weight_files.half(flows.train_flow(vae, images_of(vae), **arguments))
    config, sigma, count = FACES[name]
    # The same sums in another order in memory, which the processor goes through faster.
    model = FACE.build(config.seed).to(memory_format=torch.channels_last)
    fit(model, avatars.faces(count), config, loss=gaussian_loss(sigma))
    return weight_files.half(model.to(memory_format=torch.contiguous_format))


def figures(name: str, model) -> dict:
    """What the recipe says about ``model`` on images that it has not seen."""
    if name == "judge-mnist":
        return {"accuracy": judges.accuracy(model, data.mnist().test)}
    if name in DIGITS:
        digits = DIGITS[name]
        loss = elbo_loss if digits.draws > 1 else digits.make_loss()
        return evaluate(model, unseen_by(digits), loss, digits.config.beta)._asdict()
    if name in FLOWS:
        return flows.figures(FLOWS[name][0], model)
    held_out = avatars.faces(HELD_OUT_FACES, start=TRAINING_FACES)
    if name in FACE_JUDGES:
        right = judges.attribute_accuracy(model, held_out).tolist()
        return {"accuracy": dict(zip(avatars.NAMES, right))}
    config, sigma, _ = FACES[name]
    mean = decode_images(model, encode_images(model, held_out).mu)
    squares = (mean - held_out.float()).square().mean().item()
    # In batches of 100 the draws are those of 1,000, and the work is less.
    terms = evaluate(model, held_out, gaussian_loss(sigma), config.beta, batch_size=100)
    return {**terms._asdict(), "mean_squared_error": squares}


def thin(model, train: data.Images, sampler: str) -> float:
    """Share of 2,000 draws around which there are fewer than half of the codes that the sampler
    promises: chapter 4, reason 3, defines it."""
    seen = encode_images(model, train[:20_000])
    # One fit makes both. A mixture draws component by component, hence the new order.
    drawn = metrics.sample_codes(seen, 22_000, sampler).double()
    drawn = drawn[torch.randperm(22_000, generator=torch.Generator().manual_seed(0))]
    z, reference = drawn[:2000], drawn[2000:]
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
    if digits.tossed:
        return json.loads(json.dumps(tossed_row(digits, model, made)), parse_float=five_digits)
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


def tossed_row(digits: Digits, model, made: dict) -> dict:
    """What a model of tossed pixels scores."""
    seed, judge = digits.config.seed, weights.load("judge-mnist")
    test, sharp = unseen_by(digits), judges.recognition_threshold(judge, data.mnist().test)
    seen = encode_images(model, data.mnist().train[:20_000], seed)
    drawn = {how: metrics.sample_codes(seen, 2000, how, seed) for how in ("prior", "gaussian")}
    drawn = {how: decode_images(model, z) for how, z in drawn.items()}
    row = {
        "hash": made["hash"],
        "seconds": made["seconds"],
        **made["figures"],
        "training_loss": evaluate(model, seen_by(digits), beta=digits.config.beta).loss,
        "recognised": {how: judges.recognised(judge, x, sharp) for how, x in drawn.items()},
        "balance": {how: judges.balance(judge, x, sharp) for how, x in drawn.items()},
    }
    if digits.architecture.kind == "vae":
        nats = metrics.nats_of_latents(encode_images(model, test))
        row["nats"] = nats.sort(descending=True).values.tolist()
    if made.get("curve"):
        row["curve"] = made["curve"]
    if digits.scored:
        images, draws = digits.scored
        found = evaluation.log_likelihood(model, test[:images].float(), draws)
        row["nll"] = {
            "images": images, "draws": draws, "mean": -found.mean, "error": found.error,
            "first_200": -found.log_p[:200].mean().item(),
            "effective": found.effective.mean().item(),
            "below_10": (found.effective < 10).double().mean().item(),
        }  # fmt: skip
        if images > 2500:  # beside the seeds that were scored on so many
            row["nll"]["first_2500"] = -found.log_p[:2500].mean().item()
    return row


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


def make(name: str, recipe: dict) -> None:
    """Train ``name`` and put it where it belongs."""
    start, curve = time.perf_counter(), []
    model = train(name, curve)
    scores = figures(name, model)
    seconds = round(time.perf_counter() - start)
    made = {**recipe, "hash": recipe_hash(recipe), "figures": scores, "seconds": seconds}
    if curve:
        made["curve"] = curve
    if name in FLOWS:
        made["flow"] = flows.arguments(model)
    folder_of(name).mkdir(parents=True, exist_ok=True)
    weight_files.save_model(name, model, made, folder_of(name))
    print(f"{name}: {json.dumps(scores)} ({seconds} s)", flush=True)


def with_starts(names: list[str]) -> list[str]:
    """These targets, and before them what they start from."""
    starts = [
        FLOWS[n][0] if n in FLOWS else DIGITS[n].start if n in DIGITS else None for n in names
    ]
    return [*filter(None, starts), *names]


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
        recipes = {name: recipes[name] for name in with_starts(arguments.only)}
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
        make(name, recipe)
        if name in DIGITS:
            score(name)


if __name__ == "__main__":
    main()
