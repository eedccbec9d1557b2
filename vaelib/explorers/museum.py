"""The playground (a module of that name would hide the function) and its museum of mistakes."""

import traitlets

from vaelib import mistakes, plots
from vaelib.explorers.latent import still
from vaelib.explorers.widgets import PRIOR, Canvas, Explorer

# The catalogue's mistakes that training in the page can make (static/train.js).
MUSEUM = ("mean over pixels", "sign of the KL", "sigmoid twice", "log variance as sigma")
MUSEUM += ("no sigmoid", "sigma for sigma squared, twice", "one epsilon for the batch")


class Playground(Canvas):
    """The canvas of :func:`playground`: where its switches stand, and what the museum tells."""

    beta = traitlets.Float(1.0, min=0, max=10).tag(sync=True)
    noise = traitlets.Enum(("learned", "fixed", "off"), "learned").tag(sync=True)
    likelihood = traitlets.Enum(("Bernoulli", "Gaussian"), "Bernoulli").tag(sync=True)
    sigma = traitlets.Float(0.3, min=0.05, max=1).tag(sync=True)
    reduction = traitlets.Enum(("sum", "mean"), "sum").tag(sync=True)
    lr = traitlets.Float(0.006, min=1e-4, max=0.1).tag(sync=True)
    warm_up = traitlets.Int(0, min=0, max=2000).tag(sync=True)
    seed = traitlets.Int(1, min=0, max=9999).tag(sync=True)
    mistake = traitlets.Enum(("", *MUSEUM), "").tag(sync=True)
    museum = traitlets.List().tag(sync=True)
    colours = traitlets.List().tag(sync=True)


def playground(**settings) -> Explorer:
    """A VAE of 784-128-2-128-784 that trains in the reader's browser, on 4,000 digits of MNIST.

    settings: traits of :class:`Playground`, where its switches stand first. noise "off" makes it an
    autoencoder; sigma is the Gaussian decoder's; mistake is one of MUSEUM. Raises TraitError for a
    value, TypeError for a name, that there is not.
    """
    if unknown := settings.keys() - Playground.class_own_traits().keys():
        raise TypeError(f"no such switch: {', '.join(unknown)}; see Playground's traits")
    told = ("name", "sentence", "question", "symptom", "source")
    museum = [{key: getattr(mistakes.MISTAKES[name], key) for key in told} for name in MUSEUM]
    settings |= {"museum": museum, "colours": plots.DIGIT_COLORS}
    canvas = Playground(explorer="playground", **settings)
    pane = {"name": "vae-mnist-2d", "title": "codes of a trained VAE", "box": PRIOR}
    text = "Playground: codes of test digits and a decoded picture, of a VAE once it is trained."
    return Explorer({}, canvas, lambda figure: still(figure, [pane], (0.0, 0.0)), text)
