"""The KL between two normals."""

import torch

from vaelib import losses, plots
from vaelib.explorers.widgets import Explorer, canvas, slider


def kl_playground(mu: float = 1.0, log_var: float = -1.0) -> Explorer:
    """KL(q || p) of q = N(mu, exp(log_var)) from p = N(0, 1): integrand, value in nats, gradient.

    mu, log_var: where the sliders start, within -3 to 3 and -6 to 3. Chapter 5 derives it.
    """
    values, labels = {"mu": mu, "log_var": log_var}, {"mu": "μ", "log_var": "log σ²"}
    limits = {"mu": (-3.0, 3.0), "log_var": (-6.0, 3.0)}
    box, colours = [*limits["mu"], *limits["log_var"]], [plots.ORANGE, plots.BLUE]
    shown = canvas("kl", box=box, colours=colours, mu=float(mu), log_var=float(log_var))
    sliders = {name: slider(labels[name], values[name], *ends) for name, ends in limits.items()}
    nats = losses.kl_divergence(torch.tensor([[mu]]), torch.tensor([[log_var]])).item()
    text = (
        f"KL playground: the densities of N(0, 1) and of a posterior with mu {mu:g} and log_var "
        f"{log_var:g}, and the integrand of the KL between them, {nats:.3f} nats."
    )

    def still(figure):
        ax = plots.kl_integrand(mu, log_var, ax=figure.subplots())
        ax.set(title=f"mu {mu:g}, log_var {log_var:g}: KL {nats:.3f} nats", xlabel="z")
        ax.legend(frameon=False, fontsize=9, loc="upper left")

    return Explorer(sliders, shown, still, text)
