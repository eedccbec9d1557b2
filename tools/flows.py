"""Train the flows of chapter 12 on the codes that a shipped VAE gives its training images."""

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from vaelib import avatars, data, judges, metrics, weights
from vaelib.flow import Flow
from vaelib.latent import decode_images, encode_images, sample_prior
from vaelib.models import seeded

ACTIVE = 0.1  # nats above which a latent counts


def flow_loss(flow: Flow, z: Tensor, told: Tensor | None, generator: torch.Generator) -> Tensor:
    """Squared error of the velocity on the straight path from noise to each code ``z`` (N, K), at a
    random time, averaged (Lipman et al. 2023, equation 9): the regression of flow matching."""
    noise = torch.randn(z.shape, generator=generator)
    t = torch.rand(len(z), generator=generator)
    x = torch.lerp(noise, z, t[:, None])
    return (flow(x, t, told) - (z - noise)).square().mean()


def arguments(flow: Flow) -> dict:
    """What :class:`Flow` is to be built with for the numbers of ``flow``."""
    return {
        "latent_dim": flow.latent_dim, "active": flow.active, "attributes": flow.attributes,
        "width": flow.first.out_features, "depth": len(flow.hidden),
    }  # fmt: skip


def figures(vae: str, flow: Flow) -> dict:
    """What the judges say of 2,000 samples, and of as many draws of N(0, I)."""
    model = weights.load(vae)
    drawn = {"prior": sample_prior(2000, flow.latent_dim), "flow": flow.sample(2000)}
    drawn = {how: decode_images(model, z) for how, z in drawn.items()}
    if vae == "vae-avatars":
        held_out = avatars.faces(2000, start=20_000)
        found = {}
        for name in ("judge-avatars", "judge-avatars-2"):
            judge = weights.load(name)
            threshold = judges.clarity_threshold(judge, held_out)
            found[name] = {
                how: (judges.clarity(judge, x) >= threshold).double().mean().item()
                for how, x in drawn.items()
            }
        return {"clear": found}
    judge = weights.load("judge-mnist")
    threshold = judges.recognition_threshold(judge, data.mnist().test)
    return {
        "recognised": {how: judges.recognised(judge, x, threshold) for how, x in drawn.items()},
        "balance": {how: judges.balance(judge, x, threshold) for how, x in drawn.items()},
    }


def train_flow(
    vae: str, images, *, attributes: int, width: int, depth: int, steps: int, batch_size: int,
    lr: float, average: float, untold: float, seed: int,
) -> Flow:  # fmt: skip
    """A flow for the codes of ``images``.

    Codes are drawn anew from q(z|x) at each step. Each attribute is left untold with probability
    ``untold``, and all of them for as large a share of the codes; ``average`` is the decay of the
    mean of the weights that is kept.
    """
    codes = encode_images(weights.load(vae), images)
    active = (metrics.nats_of_latents(codes) > ACTIVE).nonzero().flatten().tolist()
    with seeded(seed):
        flow = Flow(codes.mu.shape[1], active, attributes, width, depth)
    mu, sigma = codes.mu[:, flow.active], codes.sigma[:, flow.active]
    has = 2 * images.labels.float() - 1 if attributes else None
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(flow.parameters(), lr=lr, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    mean = AveragedModel(flow, multi_avg_fn=get_ema_multi_avg_fn(average))
    for _ in tqdm(range(steps), unit="step", desc="flow", leave=False):
        index = torch.randint(len(mu), (batch_size,), generator=generator)
        z = mu[index] + sigma[index] * torch.randn(batch_size, mu.shape[1], generator=generator)
        told = has
        if attributes:
            keep = torch.rand(batch_size, attributes, generator=generator) > untold
            keep &= torch.rand(batch_size, 1, generator=generator) > untold
            told = has[index] * keep
        loss = flow_loss(flow, z, told, generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        mean.update_parameters(flow)
    return mean.module.eval()
