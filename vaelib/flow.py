"""A better prior for a VAE that is trained: a flow that carries noise to its codes. Chapter 12.

Shapes: N codes, K latents that the flow knows, A attributes.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from vaelib.images import whole


class Flow(nn.Module):
    """The velocity at which noise moves to become codes.

    active: which of a VAE's ``latent_dim`` latents it knows; the others stay noise. attributes: how
    many of A it can be told, each +1 (there), -1 (not there) or 0 (not told). A residual network of
    ``depth`` layers, each preceded by a layer norm and a SiLU.
    """

    def __init__(
        self, latent_dim: int, active: Sequence[int], attributes: int = 0,
        width: int = 384, depth: int = 4,
    ):  # fmt: skip
        super().__init__()
        whole(1, 100, depth=depth)
        self.latent_dim, self.active, self.attributes = latent_dim, list(active), attributes
        self.first = nn.Linear(len(active) + 16 + attributes, width)
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(depth)])
        self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.last = nn.Linear(width, len(active))

    def forward(self, x: Tensor, t: Tensor, told: Tensor | None = None) -> Tensor:
        """Velocity (N, K) of points ``x`` (N, K) at times ``t`` (N,) in [0, 1]."""
        told = x.new_zeros(len(x), self.attributes) if told is None else told
        angles = torch.pi * t[:, None] * torch.arange(1, 9, device=x.device)
        h = self.first(torch.cat([x, angles.sin(), angles.cos(), told], 1))
        for norm, layer in zip(self.norms, self.hidden):
            h = h + layer(nn.functional.silu(norm(h)))
        return self.last(h)

    @torch.no_grad()
    def sample(self, n: int, told: Tensor | None = None, steps: int = 50, seed: int = 0) -> Tensor:
        """n codes (n, latent_dim), by midpoint steps; ``told`` (A,) or (n, A)."""
        z = torch.randn(n, self.latent_dim, generator=torch.Generator().manual_seed(seed))
        z, told = z.to(w := self.last.weight), None if told is None else told.to(w).expand(n, -1)
        z[:, self.active] = way(lambda x, t: self(x, t, told), z[:, self.active], steps)[-1]
        return z


def way(velocity: Callable[[Tensor, Tensor], Tensor], x: Tensor, steps: int) -> Tensor:
    """Where points ``x`` (N, K) of time 0 are after each of ``steps`` steps of the midpoint rule,
    (steps + 1, N, K): the velocity (N, K) in the middle of a step, reached at that of its start."""
    whole(1, steps=steps)
    points, h = [x], 1 / steps
    for step in range(steps):
        t = x.new_full((len(x),), step * h)
        x = x + h * velocity(x + h / 2 * velocity(x, t), t + h / 2)
        points.append(x)
    return torch.stack(points)
