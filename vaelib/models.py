"""An autoencoder and a variational autoencoder, built from the same two small bodies.

The two models differ in three places, and only there (chapter 3): the encoder's last layer has K
outputs or 2 K, the code is that output or a sample, and the VAE has a prior. Encoder, decoder and
prior are named parts. Decoders return logits; a pixel is ``sigmoid(logit)``.

Shapes: N images, C channels, H x W pixels, K latents, D = C * H * W.
"""

import contextlib
import itertools
from dataclasses import asdict, dataclass, fields
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vaelib.images import at_least_0, whole


class Gaussian(NamedTuple):
    """A diagonal normal distribution for each image: ``mu`` (N, K) and ``log_var`` (N, K)."""

    mu: Tensor
    log_var: Tensor


class Output(NamedTuple):
    """What one pass through a model returns.

    logits (N, C, H, W): log-odds of each pixel, never a picture; ``z`` (N, K): the code that was
    decoded; ``mu`` (N, K) and ``log_var`` (N, K): the posterior, ``log_var`` is None for an
    autoencoder, whose code is a point.
    """

    logits: Tensor
    z: Tensor
    mu: Tensor
    log_var: Tensor | None


class Autoencoder(nn.Module):
    """An image becomes a point, and the point becomes an image (chapter 1).

    encoder: (N, C, H, W) -> (N, K); decoder: (N, K) -> logits (N, C, H, W).
    noise: standard deviation of fixed Gaussian noise that ``forward`` adds to the code, 0 for the
    plain autoencoder (chapter 4 uses it for one step of its experiment); ``encode`` adds none.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, noise: float = 0.0):
        super().__init__()
        self.encoder, self.decoder, self.noise = encoder, decoder, noise

    def encode(self, x: Tensor) -> Tensor:
        """Codes (N, K) of the images ``x`` (N, C, H, W), pixels in [0, 1]."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Logits (N, C, H, W) of the codes ``z`` (N, K)."""
        return self.decoder(z)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Output:
        mu = self.encode(x)
        z = mu + self.noise * _standard_normal(mu, generator) if self.noise else mu
        return Output(self.decode(z), z, mu, None)


class VAE(nn.Module):
    """An image becomes a normal distribution, and a sample of it becomes an image (chapter 3).

    encoder: (N, C, H, W) -> (N, 2 K), read as (mu, log_var); decoder: (N, K) -> logits
    (N, C, H, W); the prior is the standard normal distribution in K dimensions.
    Source: Kingma and Welling, *Auto-Encoding Variational Bayes*, 2014, section 3.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def encode(self, x: Tensor) -> Gaussian:
        """The posterior q(z|x) of each image: ``mu`` and ``log_var``, both (N, K)."""
        mu, log_var = self.encoder(x).chunk(2, dim=1)
        return Gaussian(mu, log_var)

    def reparameterise(
        self, mu: Tensor, log_var: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """A sample z (N, K) of N(mu, sigma^2) through which gradients reach mu and log_var."""
        sigma = torch.exp(log_var / 2)
        epsilon = _standard_normal(mu, generator)
        return mu + sigma * epsilon

    def decode(self, z: Tensor) -> Tensor:
        """Logits (N, C, H, W) of the codes ``z`` (N, K)."""
        return self.decoder(z)

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Output:
        mu, log_var = self.encode(x)
        z = self.reparameterise(mu, log_var, generator)
        return Output(self.decode(z), z, mu, log_var)


def _standard_normal(like: Tensor, generator: torch.Generator | None) -> Tensor:
    # torch.randn_like takes no generator before torch 2.10.
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)


def mlp_encoder(image_shape: tuple[int, int, int], hidden: tuple[int, ...], outputs: int):
    """Fully connected: (N, C, H, W) -> (N, outputs), SiLU between layers."""
    sizes = (prod(image_shape), *hidden, outputs)
    return nn.Sequential(nn.Flatten(), *_dense(sizes))


def mlp_decoder(latent_dim: int, hidden: tuple[int, ...], image_shape: tuple[int, int, int]):
    """Fully connected: (N, K) -> logits (N, C, H, W), SiLU between layers."""
    sizes = (latent_dim, *hidden, prod(image_shape))
    return nn.Sequential(*_dense(sizes), nn.Unflatten(1, image_shape))


def conv_encoder(
    image_shape: tuple[int, int, int], channels: tuple[int, ...], outputs: int,
    dense: tuple[int, ...] = (),
):  # fmt: skip
    """Strided 4 x 4 convolutions, each halving H and W, then linear layers to (N, outputs)."""
    layers = []
    for before, after in zip((image_shape[0], *channels), channels):
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.SiLU()]
    start = (channels[-1], *halved(image_shape, len(channels)))
    return nn.Sequential(*layers, nn.Flatten(), *_dense((prod(start), *dense, outputs)))


def conv_decoder(
    latent_dim: int, channels: tuple[int, ...], image_shape: tuple[int, int, int],
    dense: tuple[int, ...] = (),
):  # fmt: skip
    """Linear layers, then strided 4 x 4 transposed convolutions, each doubling H and W."""
    start = (channels[0], *halved(image_shape, len(channels)))
    layers = [*_dense((latent_dim, *dense, prod(start))), nn.SiLU(), nn.Unflatten(1, start)]
    for before, after in zip(channels, (*channels[1:], image_shape[0])):
        layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def _dense(sizes: tuple[int, ...]) -> list[nn.Module]:
    layers = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.SiLU()]
    return layers[:-1]


def halved(image_shape: tuple[int, int, int], halvings: int) -> tuple[int, int]:
    """Height and width after so many halvings; ValueError where they do not come out even."""
    _, height, width = image_shape
    factor = 2**halvings
    if height % factor or width % factor:
        raise ValueError(
            f"{halvings} convolutions need a height and width divisible by {factor}; "
            f"got {height} x {width}. Use fewer channels entries, or resize the images."
        )
    return height // factor, width // factor


def device_of(model: nn.Module) -> torch.device:
    """Where ``model`` computes. TypeError for what is no module, ValueError for an empty one."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            "a model is a torch module, such as Architecture().build() or weights.load gives; got "
            f"{model!r:.60}"
        )
    for parameter in model.parameters():
        return parameter.device
    raise ValueError(f"the model {type(model).__name__} has no parameters, so it is no network")


@contextlib.contextmanager
def taking(model: nn.Module, x: Tensor):
    """What torch says, within, of a shape that does not fit: a ValueError with what was given."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{type(model).__name__} takes a tensor, got {x!r:.60}")
    try:
        yield
    except (RuntimeError, TypeError) as error:
        if isinstance(error, torch.cuda.OutOfMemoryError) or "memory" in str(error):
            raise
        raise ValueError(
            f"{type(model).__name__} cannot take {x.dtype} {tuple(x.shape)}, but images "
            f"(N, C, H, W) or codes (N, K) of its own shape: {str(error)[:200]}"
        ) from error


@contextlib.contextmanager
def seeded(seed: int):
    """Layers built inside draw their first weights from ``seed``; global state is put back after.

    ``torch.nn`` initialises from the global generator and offers no other, hence this fence.
    """
    where = torch.empty(0).device  # `with torch.device("cuda")` draws from a generator of its own
    gpus = [where] if where.type == "cuda" else []
    with torch.random.fork_rng(gpus):
        torch.random.default_generator.manual_seed(seed)  # and not those of other GPUs
        torch.cuda.manual_seed(seed) if gpus else None
        yield


BODIES = {"mlp": (mlp_encoder, mlp_decoder), "conv": (conv_encoder, conv_decoder)}


@dataclass(frozen=True)
class Architecture:
    """Everything needed to rebuild a model: what a weights file stores beside its numbers.

    kind: "ae" or "vae". encoder, decoder: "mlp" or "conv". encoder_hidden, decoder_hidden: widths
    of the hidden layers ("mlp") or channels ("conv"). encoder_dense, decoder_dense: widths of the
    linear layers between the convolutions and the code ("conv" alone). noise: see
    :class:`Autoencoder`.
    """

    kind: str = "vae"
    latent_dim: int = 2
    encoder: str = "mlp"
    decoder: str = "mlp"
    encoder_hidden: tuple[int, ...] = (512, 256)
    decoder_hidden: tuple[int, ...] = (128, 160)
    encoder_dense: tuple[int, ...] = ()
    decoder_dense: tuple[int, ...] = ()
    image_shape: tuple[int, int, int] = (1, 28, 28)
    noise: float = 0.0

    def __post_init__(self):
        for field in fields(self):
            if isinstance(value := getattr(self, field.name), list):  # JSON gives lists
                object.__setattr__(self, field.name, tuple(value))
        if self.kind not in ("ae", "vae"):
            raise ValueError(f"kind is 'ae' or 'vae', got {self.kind!r}")
        for body in (self.encoder, self.decoder):
            if body not in BODIES:
                raise ValueError(f"a body is one of {sorted(BODIES)}, got {body!r}")
        widths = self.encoder_hidden + self.decoder_hidden + self.encoder_dense + self.decoder_dense
        for size in (self.latent_dim, *self.image_shape, *widths):
            whole(1, 100_000, width=size)  # one wrong bit makes it 0
        for side in ("encoder", "decoder"):
            if getattr(self, f"{side}_dense") and getattr(self, side) == "mlp":
                raise ValueError(f"{side}_dense is for a conv {side}; use {side}_hidden")
        at_least_0(noise=self.noise)
        if self.kind == "vae" and self.noise:
            raise ValueError("noise is for kind='ae': a VAE learns its own, see log_var")

    def build(self, seed: int = 0) -> "Autoencoder | VAE":
        """A fresh model whose first weights depend on ``seed`` alone."""
        outputs = self.latent_dim * (2 if self.kind == "vae" else 1)
        with seeded(seed):
            # The decoder first: the encoder of a VAE draws more numbers than that of an AE, and
            # the two decoders of one seed are to start out the same.
            decoder = self._body("decoder", self.latent_dim, self.decoder_hidden, self.image_shape)
            encoder = self._body("encoder", self.image_shape, self.encoder_hidden, outputs)
        if self.kind == "vae":
            return VAE(encoder, decoder)
        return Autoencoder(encoder, decoder, self.noise)

    def _body(self, side: str, *shapes):
        make = BODIES[getattr(self, side)][side == "decoder"]
        dense = getattr(self, f"{side}_dense")
        return make(*shapes, dense=dense) if dense else make(*shapes)

    def asdict(self) -> dict:
        """The fields as plain data; ``Architecture(**architecture.asdict())`` is the same again."""
        return asdict(self)
