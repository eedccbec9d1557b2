"""Looking into the latent space: codes of a data set, grids, paths, and one honest transform.

Shapes: N images, C channels, H x W pixels, K latents. Pictures are pixels in [0, 1], never logits.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vaelib.images import Images, at_least_one, whole
from vaelib.models import VAE, device_of, taking

BATCH = 100  # of faces: what is between two layers stays in the processor's cache, twice as fast


class Codes(NamedTuple):
    """The encoded images: ``mu`` (N, K); ``log_var`` (N, K), None for an autoencoder; ``z``
    (N, K), one sample per image (equal to ``mu`` for an autoencoder); ``labels`` (N,), of faces
    (N, A). An autoencoder with noise has that one sigma for all images."""

    mu: Tensor
    log_var: Tensor | None
    z: Tensor
    labels: Tensor

    @property
    def sigma(self) -> Tensor:
        """Standard deviations (N, K); zeros for an autoencoder, whose codes are points."""
        return torch.zeros_like(self.mu) if self.log_var is None else (self.log_var / 2).exp()


@torch.no_grad()
def encode_images(model: nn.Module, images: Images, seed: int = 0, batch_size=BATCH) -> Codes:
    """Encode a data set, on the model's device; the result is on the CPU.

    ``seed`` fixes the sampled ``z``. ``z`` is one draw from each image's posterior, so all N of
    them are a sample of the aggregate posterior q(z), the mean of q(z|x) over images.
    """
    device, images = device_of(model), at_least_one(images)
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    mus, log_vars = [], []
    for x, _ in images.batches(batch_size):
        with taking(model, x):
            code = model.encode(x.to(device))
        mu, log_var = code if isinstance(model, VAE) else (code, None)
        mus.append(mu.cpu())
        log_vars.append(log_var if log_var is None else log_var.cpu())
    mu, labels = torch.cat(mus), images.labels.cpu()
    if isinstance(model, VAE):
        log_var = torch.cat(log_vars)
    elif model.noise:
        log_var = torch.full_like(mu, 2 * math.log(model.noise))
    else:
        return Codes(mu, None, mu, labels)
    epsilon = torch.randn(mu.shape, generator=generator)
    return Codes(mu, log_var, mu + (log_var / 2).exp() * epsilon, labels)


@torch.no_grad()
def decode_images(model: nn.Module, z: Tensor, batch_size: int = BATCH) -> Tensor:
    """Pictures (N, C, H, W) in [0, 1] of the codes ``z`` (N, K): the sigmoid of the logits."""
    whole(1, batch_size=batch_size)
    device = device_of(model)
    model.eval()
    with taking(model, z):
        if z.isnan().any():
            raise ValueError(f"{int(z.isnan().any(-1).sum())} of {len(z)} codes hold NaN")
        parts = [model.decode(part.to(device)).sigmoid().cpu() for part in z.split(batch_size)]
    return torch.cat(parts)


def sample_prior(n: int, latent_dim: int, seed: int = 0) -> Tensor:
    """n draws (n, K) from the prior N(0, I)."""
    whole(1, n=n, latent_dim=latent_dim)
    return torch.randn(n, latent_dim, generator=torch.Generator().manual_seed(seed))


def probability_integral_transform(z: Tensor) -> Tensor:
    """The standard normal CDF of every entry: a value in [0, 1], same shape.

    If an entry follows N(0, 1), its transform is uniform on (0, 1). Feed it sampled codes, not
    means: it is the aggregate of the samples that a VAE pulls towards the prior (chapter 9).
    """
    if not isinstance(z, Tensor) or z.isnan().any():
        raise ValueError(f"codes are a tensor without NaN, got {z!r:.60}")
    return torch.special.ndtr(z)


def quantile_grid(n: int, low: float = 0.01, high: float = 0.99) -> Tensor:
    """A grid of 2-D codes (n, n, 2) spaced evenly in prior probability: the inverse normal CDF.

    Row 0 is the top (largest z2), column 0 the left (smallest z1). low and high cut the tails: the
    inverse CDF of 0 and 1 is infinite, and decoding infinity shows nothing.
    """
    whole(1, n=n)
    if not 0 < low < high < 1:
        raise ValueError(f"need 0 < low < high < 1, got low={low}, high={high}")
    z = torch.special.ndtri(torch.linspace(low, high, n, dtype=torch.float64)).float()
    z2, z1 = torch.meshgrid(z.flip(0), z, indexing="ij")
    return torch.stack([z1, z2], dim=-1)


def box_grid(n: int, low: Tensor, high: Tensor) -> Tensor:
    """A grid of 2-D codes (n, n, 2) evenly spaced between two corners (2,); rows as above."""
    z1, z2 = (torch.linspace(float(a), float(b), n) for a, b in zip(low, high))
    z2, z1 = torch.meshgrid(z2.flip(0), z1, indexing="ij")
    return torch.stack([z1, z2], dim=-1)


def manifold(model: nn.Module, grid: Tensor) -> Tensor:
    """Decode a grid of codes (rows, columns, K) -> pictures (rows, columns, C, H, W)."""
    return decode_images(model, grid.flatten(0, 1)).unflatten(0, grid.shape[:2])


def traversals(model: nn.Module, z: Tensor, latents: Tensor, values: Tensor) -> Tensor:
    """Pictures (rows, columns, C, H, W) of one code ``z`` (K,): a row for each of ``latents``,
    that one set to each of ``values`` in turn and the others as they are."""
    grid = z.repeat(len(latents), len(values), 1)
    for row, k in zip(grid, latents.tolist()):
        row[:, k] = values
    return manifold(model, grid)


def interpolate(start: Tensor, end: Tensor, steps: int, spherical: bool = False) -> Tensor:
    """Codes from ``start`` to ``end``, both (K,) or (N, K) -> (steps, K) or (steps, N, K).

    Linear, or spherical (Shoemake 1985): the angle moves at constant speed and the length goes
    linearly from one to the other. In high dimensions a sample of N(0, I) lies near the sphere of
    radius sqrt(K) and the straight line leaves it; in 2-D there is no such reason (chapter 9).
    """
    if start.shape != end.shape:
        raise ValueError(f"start is {tuple(start.shape)}, end {tuple(end.shape)}: one shape needed")
    whole(2, steps=steps)  # its two ends at least
    t = torch.linspace(0, 1, steps, device=start.device).reshape(-1, *[1] * start.dim())
    if not spherical:
        return (1 - t) * start + t * end  # so written, both ends are exact
    lengths = start.norm(dim=-1, keepdim=True), end.norm(dim=-1, keepdim=True)
    if not (lengths[0].all() and lengths[1].all()):
        raise ValueError("a code that is zero has no direction to turn from: use a linear path")
    a, b = start / lengths[0], end / lengths[1]
    angle = (a * b).sum(-1, keepdim=True).clamp(-1, 1).acos()
    sine = angle.sin()
    direction = torch.where(
        sine > 1e-6,
        (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / sine.clamp_min(1e-6),
        (1 - t) * a + t * b,  # one direction, or opposite ones: no single arc
    )
    return direction * (lengths[0] + t * (lengths[1] - lengths[0]))


def feature_vector(mu: Tensor, has: Tensor, others: Tensor | None = None) -> Tensor:
    """The mean code with an attribute minus the mean code without it: (N, K), (N,) -> (K,).

    Adding it once moves a code by the whole gap between the two class means (chapter 10). Give it
    means ``mu``, not samples, and the training images. others: attributes (N, B) whose influence
    is taken out: the difference is then formed among faces that agree on all of those,
    and averaged over the kinds of such faces, each weighted by the smaller of its two sides. A
    correlation between the attribute and those others no longer counts.

    Raises ValueError if nobody has the attribute or everybody has it; with ``others``, if no kind
    of face has both sides.
    """
    has = has.bool()
    if mu.shape[:1] != has.shape:
        raise ValueError(f"{len(mu)} codes need as many answers, got {tuple(has.shape)}")
    if has.all() or not has.any():
        who = "everybody" if has.all() else "nobody"
        raise ValueError(
            f"{who} among these {len(has)} has the attribute: a difference needs both sides. Take "
            "more images, or another attribute."
        )
    if others is None:
        return mu[has].mean(0) - mu[~has].mean(0)
    _, kind = others.bool().unique(dim=0, return_inverse=True)
    gaps, weights = [], []
    for k in range(int(kind.max()) + 1):
        with_it, without = mu[(kind == k) & has], mu[(kind == k) & ~has]
        if weight := min(len(with_it), len(without)):
            gaps.append(with_it.mean(0) - without.mean(0))
            weights.append(weight)
    if not gaps:
        raise ValueError(
            "no two faces that agree on the other attributes differ in this one: balance fewer of "
            f"them (got {others.shape[1]}), or take more images than {len(has)}"
        )
    weights = torch.tensor(weights, dtype=mu.dtype, device=mu.device)
    return (weights[:, None] * torch.stack(gaps)).sum(0) / weights.sum()


def add_feature(z: Tensor, vector: Tensor, alpha: float | Tensor) -> Tensor:
    """z + alpha * feature_vector: codes (N, K), a vector (K,) and a number, or one for each (N,).

    Raises ValueError for an alpha that is not finite: its picture would be noise or NaN.
    """
    alpha = torch.as_tensor(alpha, dtype=z.dtype, device=z.device)
    if not alpha.isfinite().all():
        raise ValueError(f"alpha is a finite number, -2 to 2 in chapter 10; got {alpha.tolist()}")
    if z.shape[-1:] != vector.shape:
        raise ValueError(f"codes (N, K) need a vector (K,): got {z.shape} and {vector.shape}")
    return z + alpha[..., None] * vector
