"""vaelib: the small package behind *From autoencoders to variational autoencoders*.

Data flows one way; tests/test_package.py holds the order of the layers, and README a picture of it.
Units are the same everywhere: pixels in [0, 1], losses in nats per image, latent codes in
standard deviations of the prior. Shape letters: N images, C channels, H x W pixels, K latents.
"""

from importlib import import_module

__version__ = "0.1.0"

# Which public names live where. Modules are imported when a name is first used (PEP 562), so
# `import vaelib` does not pay for matplotlib, scikit-learn or ipywidgets.
_PUBLIC = {
    "data": "Faces Images celeba faces_from_folder mnist",
    "models": "Architecture Autoencoder Output VAE",
    "losses": """LossTerms bernoulli_nll continuous_bernoulli_nll effective_beta elbo gaussian_nll
        iwae kl_divergence mean_squared_error negative_elbo root_mean_squared_error""",
    "training": "Config History fit evaluate gaussian_loss",
    "latent": """Codes add_feature decode_images encode_images feature_vector interpolate manifold
        probability_integral_transform""",
    "metrics": "scoreboard",
    "weights": "load",
}
_HOME = {name: module for module, names in _PUBLIC.items() for name in names.split()}
_MODULES = (
    "files", "images", "digits", "photographs", "data", "avatars", "models", "losses", "flow",
    "training", "judges", "evaluation", "latent", "metrics", "plots", "weights", "explorer_assets",
    "explore", "exercises", "mistakes",
)  # fmt: skip

__all__ = ["__version__", *_HOME, *_MODULES]


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(f"vaelib.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module("vaelib.explorers" if name == "explore" else f"vaelib.{name}")
    raise AttributeError(f"module 'vaelib' has no attribute {name!r}; it has: {', '.join(__all__)}")


def __dir__():
    return sorted(__all__)
