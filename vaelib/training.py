"""The one training loop. Nothing in it knows a chapter, a data set or an architecture.

Losses are averaged over images here and nowhere else. Training and validation report the same
quantity, in nats per image.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from vaelib.files import write_aside
from vaelib.images import Images, above_0, at_least_0, at_least_one, whole
from vaelib.losses import LossTerms, bernoulli_nll, gaussian_nll, kl_parts, negative_elbo
from vaelib.models import Output, device_of, taking

Loss = Callable[[Output, Tensor, float], LossTerms]


@dataclass(frozen=True)
class Config:
    """How a model is trained; with the data and the architecture it fixes the result.

    lr: the peak of a one-cycle schedule (Smith and Topin 2019), which begins at a 25th of it and
    ends near 0: some four times what other code has as its constant rate. (A run of one or of two
    epochs at 1e-3 ends 19 or 13 nats above one at a constant 1e-3; at 4e-3, 8 or 4 below it; one
    seed, 784-400-20.) beta: the weight of the KL. warmup_epochs: over how many epochs beta rises
    linearly from 0. seed: of the shuffling and of the samples of z (the first weights have their
    own, see Architecture.build).
    """

    epochs: int = 10
    batch_size: int = 256
    lr: float = 2e-3
    beta: float = 1.0
    warmup_epochs: float = 0.0
    seed: int = 0

    def __post_init__(self):
        whole(1, epochs=self.epochs, batch_size=self.batch_size)
        whole(0, 2**63 - 1, seed=self.seed)  # as torch has it
        above_0(lr=self.lr)
        at_least_0(beta=self.beta, warmup_epochs=self.warmup_epochs)


@dataclass(frozen=True)
class Record:
    """One epoch. loss, reconstruction, kl: means over images in nats, the training ones over the
    epoch's steps; the valid ones are None without validation images. seconds: since the start."""

    epoch: int
    seconds: float
    loss: float
    reconstruction: float
    kl: float
    valid_loss: float | None = None
    valid_reconstruction: float | None = None
    valid_kl: float | None = None


@dataclass
class History:
    """The records of a run, one an epoch."""

    config: Config
    records: list[Record] = field(default_factory=list)

    def __getitem__(self, name: str) -> list[float]:
        """One column, for example ``history["valid_loss"]``."""
        return [getattr(record, name) for record in self.records]

    @property
    def last(self) -> Record:
        return self.records[-1]

    def save(self, path: str | PathLike) -> None:
        """Write the run as JSON."""
        text = json.dumps(asdict(self), indent=1, default=lambda number: number.item())  # numpy's
        with write_aside(path) as file:
            file.write(f"{text}\n".encode())

    @classmethod
    def load(cls, path: str | PathLike) -> "History":
        content = json.loads(Path(path).read_text())
        return cls(Config(**content["config"]), [Record(**r) for r in content["records"]])


def elbo_loss(output: Output, x: Tensor, beta: float) -> LossTerms:
    """The default loss: Bernoulli reconstruction + beta * KL, (N,) each, in nats."""
    return negative_elbo(output.logits, x, output.mu, output.log_var, beta)


def priced_loss(mu: bool, sigma: bool) -> Loss:
    """A loss like :func:`elbo_loss` that charges for a part of the KL alone, for ``mu`` or for
    ``sigma``: the rivals of the VAE in chapter 4. ``kl`` of its terms is what is charged.

    A model whose sigma is fixed has the first price only; the second would be a constant.
    """

    def loss(output: Output, x: Tensor, beta: float) -> LossTerms:
        log_var = torch.zeros_like(output.mu) if output.log_var is None else output.log_var
        of_mu, of_sigma = kl_parts(output.mu, log_var)
        price = of_mu * mu + of_sigma * sigma
        nll = bernoulli_nll(output.logits, x)
        return LossTerms(nll + beta * price, nll, price)

    return loss


def gaussian_loss(sigma: float) -> Loss:
    """A loss like :func:`elbo_loss` for a Gaussian decoder of standard deviation ``sigma``.

    Its mean is the sigmoid of the logits. Up to a constant it weights the mean of squares over D
    pixels by ``r_loss_factor = D / (2 sigma^2)``: a smaller sigma asks for closer pictures and
    lets the KL grow. Derived in chapter 7.
    """

    def loss(output: Output, x: Tensor, beta: float) -> LossTerms:
        given = output.logits, x, output.mu, output.log_var, beta
        return negative_elbo(*given, lambda logits, x: gaussian_nll(logits.sigmoid(), x, sigma))

    return loss


def fit(
    model: nn.Module, train: Images, config: Config, valid: Images | None = None,
    loss: Loss = elbo_loss, on_epoch: Callable[[nn.Module, Record], None] | None = None,
    progress: bool = True,
) -> History:  # fmt: skip
    """Train ``model`` in place, on the device it is on, and return the :class:`History`.

    loss(output, x, beta) -> LossTerms. on_epoch(model, record) is called after each epoch: save,
    draw or stop there. Raises FloatingPointError as soon as a loss is not finite, in training or
    in validation, ValueError for a loss that is not one number per image, for a frozen model and
    where there are no images or such as the model cannot take, and TypeError for what is neither.
    """
    if not (isinstance(config, Config) and callable(loss)):
        raise TypeError(f"fit takes a Config and a loss function; got {config!r:.60}, {loss!r:.60}")
    device = device_of(model)
    train = at_least_one(train).to(device)
    valid = valid if valid is None else at_least_one(valid).to(device)
    generator = torch.Generator(device).manual_seed(config.seed)
    optimiser = _adam(list(model.parameters()), config.lr)
    steps = config.epochs * math.ceil(len(train) / config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.lr, total_steps=steps)
    warmup_steps = config.warmup_epochs * steps / config.epochs
    history, start, step = History(config), time.perf_counter(), 0
    with tqdm(total=steps, unit="step", leave=False, disable=not progress) as bar:
        for epoch in range(1, config.epochs + 1):
            model.train()
            sums = torch.zeros(3, device=device)
            for x, _ in train.batches(config.batch_size, generator):
                beta = config.beta * (min(1.0, step / warmup_steps) if warmup_steps else 1.0)
                with taking(model, x):
                    output = model(x, generator)
                terms = loss(output, x, beta)
                mean = _checked_mean(terms, x, f"in epoch {epoch}, step {step}, lr {config.lr}")
                optimiser.zero_grad()
                mean.backward()
                optimiser.step()
                schedule.step()
                # Reported at the full beta, also while it warms up: one quantity throughout.
                with torch.no_grad():
                    seen = terms if beta == config.beta else loss(output, x, config.beta)
                    sums += torch.stack([term.sum() for term in seen])
                step += 1
                bar.update()
            record = _record(epoch, start, sums / len(train), model, valid, loss, config)
            history.records.append(record)
            bar.set_postfix_str(f"epoch {epoch}, {record.loss:.1f} nats")
            if on_epoch is not None:
                on_epoch(model, record)
    model.eval()
    return history


@torch.no_grad()
def evaluate(
    model: nn.Module, images: Images, loss: Loss = elbo_loss, beta: float = 1.0, seed: int = 0,
    batch_size: int = 1000,
) -> LossTerms:  # fmt: skip
    """Means over ``images`` of the three loss terms, as floats, in nats; one sampled z an image.
    Raises as :func:`fit` does."""
    device, images = device_of(model), at_least_one(images)
    generator = torch.Generator(device).manual_seed(seed)
    model.eval()
    sums = torch.zeros(3, dtype=torch.float64)
    for x, _ in images.to(device).batches(batch_size):
        with taking(model, x):
            output = model(x, generator)
        terms = loss(output, x, beta)
        _checked_mean(terms, x, "on images that it is evaluated on")
        sums += torch.stack([term.sum().cpu().double() for term in terms])
    return LossTerms(*(sums / len(images)).tolist())


def _adam(parameters: list[Tensor], lr: float) -> torch.optim.Optimizer:
    if not any(parameter.requires_grad for parameter in parameters):
        raise ValueError("the model is frozen, as weights.load gives it: .requires_grad_(True)")
    try:
        return torch.optim.Adam(parameters, lr, fused=True)  # the same steps, faster
    except RuntimeError:  # this device has none, or, before torch 2.4, the CPU
        return torch.optim.Adam(parameters, lr)


def _record(epoch, start, means, model, valid, loss, config) -> Record:
    try:
        held_out = () if valid is None else evaluate(model, valid, loss, config.beta, config.seed)
    except FloatingPointError as error:  # lost since the last loss that was looked at
        raise FloatingPointError(f"after epoch {epoch} at lr {config.lr}, {error}") from None
    return Record(epoch, time.perf_counter() - start, *means.tolist(), *held_out)


def _checked_mean(terms: LossTerms, x: Tensor, where: str) -> Tensor:
    """The mean loss of a batch, once each of its terms is one number per image and it is finite.
    The KL alone may be infinite: at beta 0 it is told and not minimised."""
    if getattr(terms, "_fields", None) != LossTerms._fields:
        raise ValueError(
            f"a loss function returns LossTerms({', '.join(LossTerms._fields)}), of which the "
            f"first is minimised; got a {type(terms).__name__}"
        )
    for name, term in zip(terms._fields, terms):
        came = tuple(term.shape) if isinstance(term, Tensor) else type(term).__name__
        if came != (len(x),):
            raise ValueError(
                f"the loss function's {name} is {came} for a batch of {len(x)} images; expected "
                f"one number per image, ({len(x)},), in nats. Sum over the pixels or latents of "
                "each image, and leave the mean over images to the loop."
            )
    mean = terms.loss.mean()
    if not mean.isfinite():
        raise FloatingPointError(
            f"the loss became {mean.item()} {where}: reconstruction "
            f"{terms.reconstruction.mean().item():.4g}, KL {terms.kl.mean().item():.4g} nats. Try "
            "a smaller lr, and look for NaN or unscaled pixels in the images."
        )
    return mean
