"""The scoreboard of chapter 4: one set of figures, computed alike for every model.

Every figure is a property of held-out images or of samples, and says in its docstring how it is
computed. Where a figure needs to know what a digit looks like it asks a judge (:mod:`.judges`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vaelib import judges, latent
from vaelib.images import Images, whole
from vaelib.latent import Codes, decode_images, encode_images, interpolate, sample_prior
from vaelib.losses import kl_divergence
from vaelib.training import evaluate

SAMPLERS = ("prior", "box", "gaussian", "mixture")


def __getattr__(name: str):
    """What judges are asked was here before they had a module: saved notebooks still say so."""
    return getattr(judges, name)


def sample_codes(codes: Codes, n: int, how: str, seed: int = 0) -> Tensor:
    """n codes (n, K) to decode, drawn in one of four ways.

    prior: N(0, I), which needs no codes at all. The other three are what one can do when the model
    defines no distribution; each is fitted to ``codes.z``: box, uniform in the smallest box that
    holds them; gaussian, a normal distribution with their mean and covariance; mixture, ten
    Gaussians with full covariance fitted to the first 10,000 by expectation maximisation, its draws
    in the order of its Gaussians.
    """
    generator = torch.Generator().manual_seed(seed)
    if how == "prior":
        return sample_prior(n, codes.z.shape[1], seed)
    if how == "box":
        low, high = codes.z.amin(0), codes.z.amax(0)
        return low + (high - low) * torch.rand(n, codes.z.shape[1], generator=generator)
    if how == "gaussian":
        normal = torch.randn(n, codes.z.shape[1], generator=generator)
        covariance = torch.atleast_2d(codes.z.T.cov())  # of one latent, a number
        return codes.z.mean(0) + normal @ torch.linalg.cholesky(covariance).T
    if how == "mixture":
        from sklearn.mixture import GaussianMixture

        mixture = GaussianMixture(10, random_state=seed).fit(codes.z[:10_000].double().numpy())
        return torch.from_numpy(mixture.sample(n)[0]).float()
    raise ValueError(f"how is one of {', '.join(SAMPLERS)}; got {how!r}")


def mass_covered(fitted: Tensor, held_out: Tensor, z: Tensor, keep: float = 0.99) -> float:
    """Share of the codes ``z`` that lie where the decoder has seen codes.

    "Where": within a radius of the nearest of the ``fitted`` codes (training images), the radius
    being the one within which a share ``keep`` of the ``held_out`` codes finds one. The radius is
    each model's own, so a model whose codes are all far apart is not punished for its scale. With
    z from the prior this is how much of the prior's mass is covered. All inputs (N, K).
    """
    from sklearn.neighbors import NearestNeighbors

    tree = NearestNeighbors(n_neighbors=1).fit(fitted.numpy())
    radius = torch.from_numpy(tree.kneighbors(held_out.numpy())[0]).quantile(keep)
    distance = torch.from_numpy(tree.kneighbors(z.numpy())[0])
    return (distance <= radius).double().mean().item()


def interpolation_validity(
    model: nn.Module, judge: nn.Module, threshold: float, codes: Codes,
    pairs: int = 1000, steps: int = 9, seed: int = 0,
) -> float:  # fmt: skip
    """Share of the pictures strictly between two digits that are recognised as any digit.

    Pairs of held-out images of *different* digits are drawn; the straight line between their
    ``mu`` is cut at steps + 2 points, and the ``steps`` inner ones are decoded. A double exposure
    of two digits is rarely recognised: the judge was trained to spread its vote on those.
    """
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randint(len(codes.labels), (2, 2 * pairs), generator=generator)
    differ = codes.labels[first] != codes.labels[second]
    first, second = first[differ][:pairs], second[differ][:pairs]
    path = interpolate(codes.mu[first], codes.mu[second], steps + 2)[1:-1]
    return judges.recognised(judge, decode_images(model, path.flatten(0, 1)), threshold)


def knn_accuracy(fitted: Codes, held_out: Codes, k: int = 10, limit: int = 10_000) -> float:
    """Share of held-out images whose digit the k nearest training codes (by mu) vote for.

    The first ``limit`` training codes are used.
    """
    from sklearn.neighbors import KNeighborsClassifier

    seen = fitted.mu[:limit].numpy(), fitted.labels[:limit].numpy()
    whole(1, len(seen[0]), k=k)
    classifier = KNeighborsClassifier(k).fit(*seen)
    return float(classifier.score(held_out.mu.numpy(), held_out.labels.numpy()))


def ks_distance(z: Tensor) -> Tensor:
    """Kolmogorov-Smirnov distance of each column of ``z`` (N, K) to N(0, 1): (K,), in [0, 1].

    The largest gap between the empirical CDF and the normal CDF. Quote D, not its p-value: with
    10,000 codes a D of .0136 already rejects at the 5 % level (chapter 9). Feed it sampled codes.
    """
    u = latent.probability_integral_transform(z.double()).sort(dim=0).values
    n = len(u)
    steps = torch.arange(n + 1, dtype=torch.float64)[:, None] / n
    return torch.maximum((steps[1:] - u).amax(0), (u - steps[:-1]).amax(0))


def uniformity_2d(z: Tensor, cells: int = 10) -> float:
    """How far 2-D codes (N, 2) are from filling the unit square evenly after the normal CDF.

    The square is cut into cells x cells; the result is half the sum of |share - 1 / cells^2|: the
    total variation distance of the binned joint, 0 when even, near 1 when all in one cell. Columns
    that are each uniform can still be jointly uneven, and this sees it. Sampling noise alone gives
    about .04 with 10,000 codes and 10 x 10 cells.
    """
    whole(1, cells=cells)
    u = latent.probability_integral_transform(z)
    index = (u * cells).long().clamp(0, cells - 1)
    share = torch.bincount(index[:, 0] * cells + index[:, 1], minlength=cells**2) / len(z)
    return (share - 1 / cells**2).abs().sum().item() / 2


def area_per_digit(codes: Codes) -> Tensor:
    """The room each digit takes in a 2-D latent space (10,): the area of its one-sigma ellipse,
    pi * sqrt(det(covariance of its mu)), in units of the code."""
    covariances = torch.stack([codes.mu[codes.labels == digit].T.cov() for digit in range(10)])
    return torch.pi * torch.linalg.det(covariances).clamp_min(0).sqrt()


@dataclass(frozen=True)
class Score:
    """One row of the scoreboard, of held-out images and of decoded samples."""

    reconstruction: float  # held-out mean in nats (:func:`vaelib.training.evaluate`)
    kl: float  # likewise
    rebuilt: float  # share of held-out images whose reconstruction is :func:`judges.recognised`
    right: float  # share of held-out images whose reconstruction's digit the judge still names
    recognised: dict[str, float]  # of decoded samples, by how they were drawn (`sample_codes`)
    balance: dict[str, float]  # likewise
    interpolation: float  # :func:`interpolation_validity`
    covered: float  # :func:`mass_covered` by the prior's samples
    knn: float  # :func:`knn_accuracy`
    ks: float  # mean over latents of :func:`ks_distance` of the sampled codes
    ks_standardised: float  # the same, of codes less their mean over their standard deviation
    sigma: float  # median posterior standard deviation, 0 for a point
    spread: float  # standard deviation of `mu` over images, root mean square over latents
    room: float | None  # largest :func:`area_per_digit` over the smallest; None but for 2-D codes
    nats: tuple[float, ...]  # mean KL of each latent, largest first


def scoreboard(
    model: nn.Module, judge: nn.Module, train: Images, test: Images,
    samples: int = 2000, seed: int = 0, threshold: float | None = None,
) -> Score:  # fmt: skip
    """All figures for one model. One to two seconds on two cores.

    Codes are sampled from what training images gave; everything else is held out. ``threshold`` is
    the judge's (:func:`judges.recognition_threshold` of ``test``), computed here if not given.
    """
    if threshold is None:
        threshold = judges.recognition_threshold(judge, test)
    fitted = encode_images(model, train[:20_000], seed)
    held_out = encode_images(model, test, seed)
    means = evaluate(model, test, seed=seed)
    rebuilt = decode_images(model, held_out.mu)
    named = judges.judge_probabilities(judge, rebuilt).argmax(1)
    drawn = {how: sample_codes(fitted, samples, how, seed) for how in SAMPLERS}
    drawn = {how: decode_images(model, z) for how, z in drawn.items()}
    shares = {how: judges.digit_shares(judge, x, threshold) for how, x in drawn.items()}
    prior = sample_prior(samples, held_out.z.shape[1], seed)
    flat = held_out.mu.shape[1] == 2
    area = area_per_digit(held_out) if flat else None
    return Score(
        reconstruction=means.reconstruction,
        kl=means.kl,
        rebuilt=judges.recognised(judge, rebuilt, threshold),
        right=(named == held_out.labels).double().mean().item(),
        recognised={how: share.sum().item() for how, share in shares.items()},
        balance={how: judges.evenness(share) for how, share in shares.items()},
        interpolation=interpolation_validity(model, judge, threshold, held_out, seed=seed),
        covered=mass_covered(fitted.z, held_out.z, prior),
        knn=knn_accuracy(fitted, held_out),
        ks=ks_distance(held_out.z).mean().item(),
        ks_standardised=ks_distance(standardised(held_out.z)).mean().item(),
        sigma=held_out.sigma.median().item(),
        spread=held_out.mu.var(0).mean().sqrt().item(),
        room=(area.max() / area.min()).item() if flat else None,
        nats=tuple(nats_of_latents(held_out).sort(descending=True).values.tolist()),
    )


def standardised(z: Tensor) -> Tensor:
    """Each column of ``z`` (N, K) less its mean, over its standard deviation."""
    return (z - z.mean(0)) / z.std(0)


def nats_of_latents(codes: Codes) -> Tensor:
    """The mean over images of each latent's KL from N(0, 1), latent by latent: (K,), nats; zeros
    for an autoencoder, whose codes are points."""
    if codes.log_var is None:
        return torch.zeros(codes.mu.shape[1])
    each = kl_divergence(codes.mu.reshape(-1, 1), codes.log_var.reshape(-1, 1))
    return each.reshape(codes.mu.shape).mean(0)
