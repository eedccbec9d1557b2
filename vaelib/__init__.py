"""vaelib: the small package behind *From autoencoders to variational autoencoders*.

Data flows one way: ``data -> models, losses -> training -> latent, metrics -> plots, explore``.
Units are the same everywhere: pixels in [0, 1], losses in nats per image, latent codes in
standard deviations of the prior. Shape letters: N images, C channels, H x W pixels, K latents.
"""

from importlib import import_module

__version__ = "0.1.0"

# What each public name lives in. Modules are imported when a name is first used (PEP 562), so
# `import vaelib` does not pay for matplotlib, scikit-learn or ipywidgets.
_HOME = {
    "Faces": "data",
    "Images": "data",
    "celeba": "data",
    "mnist": "data",
    "Architecture": "models",
    "Autoencoder": "models",
    "Output": "models",
    "VAE": "models",
    "LossTerms": "losses",
    "bernoulli_nll": "losses",
    "continuous_bernoulli_nll": "losses",
    "effective_beta": "losses",
    "elbo": "losses",
    "gaussian_nll": "losses",
    "iwae": "losses",
    "kl_divergence": "losses",
    "mean_squared_error": "losses",
    "negative_elbo": "losses",
    "root_mean_squared_error": "losses",
    "Config": "training",
    "History": "training",
    "fit": "training",
    "evaluate": "training",
    "gaussian_loss": "training",
    "Codes": "latent",
    "add_feature": "latent",
    "decode_images": "latent",
    "encode_images": "latent",
    "feature_vector": "latent",
    "interpolate": "latent",
    "manifold": "latent",
    "probability_integral_transform": "latent",
    "scoreboard": "metrics",
    "load": "weights",
}
_MODULES = (
    "files", "data", "avatars", "models", "losses", "training", "judges", "latent", "metrics",
    "plots", "weights", "explorer_assets", "stills", "explore", "exercises", "mistakes",
)  # fmt: skip

__all__ = ["__version__", *_HOME, *_MODULES]


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(f"vaelib.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"vaelib.{name}")
    raise AttributeError(f"module 'vaelib' has no attribute {name!r}; it has: {', '.join(__all__)}")


def __dir__():
    return sorted(__all__)
