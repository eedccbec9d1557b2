"""The explorers: ipywidgets sliders beside a canvas on which the reader's browser runs the model.

No kernel is needed: the canvas's code runs in the page. It joins the sliders to the canvas
(``static/sliders.js``) and decodes by itself from the very weights files that :mod:`vaelib.weights`
reads. In the published book those files and the code in ``vaelib/static`` are fetched from the site
when the explorer comes into view; with a live kernel they come from here, in answer to a message.

A cell makes an explorer as its last expression and needs nothing else::

    from vaelib import explore

    explore.latent_explorer("ae-mnist-2d", "vae-mnist-2d")
"""

import base64
import math
import re
import secrets
from collections.abc import Callable

import anywidget
import ipywidgets
import torch
import traitlets

from vaelib import avatars, losses, weights
from vaelib.data import attribute_index
from vaelib.explorer_assets import (
    BETAS,
    FACE_MODEL,
    STATIC,
    asset,
    load_betas,
    load_codes,
    load_digits,
    load_mixer,
    load_replay,
)

KINDS = {"ae": "Autoencoder", "vae": "VAE"}
PRIOR = [-4.0, 4.0, -4.0, 4.0]  # of the plane: nearly every sample of N(0, I) lies there


class _Short(ipywidgets.Widget):
    """A page holds the state of each of its widgets, with names of 32 letters and what is empty;
    eight letters of 64 kinds tell a page's widgets apart."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, model_id=secrets.token_urlsafe(6), **kwargs)

    def get_state(self, key=None, drop_defaults=False):
        state = super().get_state(key, drop_defaults)
        if key is not None:
            return state
        return {name: value for name, value in state.items() if value not in (None, ())}


class Canvas(_Short, anywidget.AnyWidget):
    """The part of an explorer that draws. ``explorer`` names its module in ``vaelib/static``.

    What is embedded in a page is only the loader and these traits; see ``static/loader.js``.
    ``sliders`` names those that move it: trait -> [model's id, "value" or "index"], and where the
    slider's min and max are traits too, their names.
    """

    _esm = re.sub(r"(?m)^ *//.*\n", "", (STATIC / "loader.js").read_text(encoding="utf-8"))
    explorer = traitlets.Unicode().tag(sync=True)
    sliders = traitlets.Dict().tag(sync=True)

    def __init__(self, **traits):
        super().__init__(layout=_Layout(), **traits)
        self.on_msg(self._answer)

    def _answer(self, _, message: dict, buffers) -> None:
        """Send the file that the page asks for; it asks only where there is no book around it."""
        path = message.get("path", "")
        try:
            self.send({"path": path}, buffers=[asset(path).read_bytes()])
        except OSError as error:
            self.send({"path": path, "error": f"the kernel could not send {path} ({error})"})


class _Slim(_Short):
    """For ipywidgets' own widgets: defaults, known to its scripts, need not lengthen a page."""

    def get_state(self, key=None, drop_defaults=False):
        if key is not None:
            return super().get_state(key, drop_defaults)
        # The last four have other defaults in Python than in the scripts.
        kept = ("_model_name", "_model_module", "_model_module_version")
        kept += ("min", "max", "step", "index")
        names = [name for name in self.keys if name in kept]
        return {**super().get_state(drop_defaults=True), **super().get_state(names)}


class _Layout(_Slim, ipywidgets.Layout):
    pass


class _Slider(_Slim, ipywidgets.FloatSlider):
    style = None  # which is a widget too, and may be missing


class _Choice(_Slim, ipywidgets.SelectionSlider):
    style = None


class Explorer(_Slim, ipywidgets.VBox):
    """Sliders above a canvas, and what there is to see where neither can work.

    sliders: the canvas's trait -> options of a FloatSlider that is joined to it, in the page;
    ``limits`` may name two more traits, for its min and max. With ``options`` it is a
    SelectionSlider instead, and the trait is the position among them.
    still: makes a picture of the explorer, a PNG file's bytes; text: says what it shows. The book
    shows that picture until the page's scripts have made the explorer, and wherever they cannot.
    """

    def __init__(self, sliders: dict[str, dict], canvas: Canvas, still: Callable[[], bytes], text):
        children, joined = [], {}
        for trait, options in sliders.items():
            limits = options.pop("limits", ())
            make, moves = (_Choice, "index") if "options" in options else (_Slider, "value")
            slider = make(layout=canvas.layout, **options)  # one for all keeps the page short
            joined[trait] = [slider.model_id, moves, *limits]
            children.append(slider)
        canvas.sliders = joined
        super().__init__([*children, canvas], layout=canvas.layout)
        self._still, self._text = still, text

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        still = base64.b64encode(self._still()).decode()
        return {**bundle, "image/png": still, "text/plain": self._text}


class LatentPlane(Canvas):
    """The canvas of :func:`latent_explorer`: the point, the view, and what the panes show."""

    z1 = traitlets.Float(0.0).tag(sync=True)
    z2 = traitlets.Float(0.0).tag(sync=True)
    cdf = traitlets.Bool(False).tag(sync=True)
    zoom = traitlets.Bool(False).tag(sync=True)
    low = traitlets.Float().tag(sync=True)
    high = traitlets.Float().tag(sync=True)
    panes = traitlets.List().tag(sync=True)
    colours = traitlets.List().tag(sync=True)


def latent_explorer(
    left: str = "ae-mnist-2d",
    right: str | None = "vae-mnist-2d",
    z: tuple[float, float] = (0.0, 0.0),
    cdf: bool = False,
    zoom: bool = False,
) -> Explorer:
    """Two models under one point of the plane: move it, and both decode it.

    left, right: names of shipped models with a 2-D code and a file of codes (``tools/codes.py``);
    ``right=None`` shows one model alone. z: where the point starts. cdf: start with each axis
    through the normal CDF. zoom: start with all maps at the prior's scale, -4 to 4.

    Each map shows the codes of 2,000 test images, by itself on its own scale, drawn to hold them
    all; a VAE's loupe shows the one-sigma ellipse of each image near the point. Through the CDF the
    codes are sampled, as chapter 9 explains. The sliders reach as far as the widest map.
    """
    names = [name for name in (left, right) if name is not None]
    panes = [{"name": name, "title": _title(name), "box": code_box(name)} for name in names]
    from vaelib import plots, stills  # late: matplotlib takes long to import

    corners = [PRIOR] if zoom else [pane["box"] for pane in panes]
    low, high = min(min(box) for box in corners), max(max(box) for box in corners)
    canvas = LatentPlane(
        explorer="latent", panes=panes, colours=plots.DIGIT_COLORS, z1=z[0], z2=z[1], cdf=cdf,
        zoom=zoom, low=low, high=high,
    )  # fmt: skip
    sliders = {
        trait: {
            "description": label,
            "value": value,
            "min": low,
            "max": high,
            "step": 0.05,
            "limits": ("low", "high"),
        }
        for trait, label, value in (("z1", "z₁", z[0]), ("z2", "z₂", z[1]))
    }
    titles = " and ".join(f"{pane['title']} ({pane['name']})" for pane in panes)
    text = f"Latent explorer: codes of test images, and the picture decoded at one point. {titles}."

    def still() -> bytes:
        drawn = [
            {
                "title": pane["title"],
                "box": PRIOR if zoom else pane["box"],
                "codes": load_codes(pane["name"]),
                "model": weights.load(pane["name"]),
            }
            for pane in panes
        ]
        return stills.latent_plane(drawn, z)

    return Explorer(sliders, canvas, still, text)


class Reparameterisation(Canvas):
    """The canvas of :func:`reparameterisation_explorer`: the chosen image, and epsilon."""

    name = traitlets.Unicode().tag(sync=True)
    image = traitlets.Int(0).tag(sync=True)
    epsilon1 = traitlets.Float(0.0).tag(sync=True)
    epsilon2 = traitlets.Float(0.0).tag(sync=True)
    colours = traitlets.List().tag(sync=True)


def reparameterisation_explorer(
    name: str = "vae-mnist-2d", digit: int = 0, epsilon: tuple[float, float] = (1.0, -0.5)
) -> Explorer:
    """How a sample is made: choose an image and move epsilon; z = mu + sigma * epsilon is decoded.

    name: a shipped VAE with a 2-D code and a file of codes; digit: which of ten test images is
    chosen first; epsilon: where the sliders start, within -3 to 3. Chapter 3 derives it.
    """
    if "sigma" not in load_codes(name):
        raise ValueError(f"{name} is no VAE: its codes are points, and there is nothing to sample")
    from vaelib import plots, stills

    canvas = Reparameterisation(
        explorer="reparameterise", name=name, image=digit, colours=plots.DIGIT_COLORS,
        epsilon1=epsilon[0], epsilon2=epsilon[1],
    )  # fmt: skip
    sliders = {
        f"epsilon{k}": {"description": label, "value": value, "min": -3, "max": 3, "step": 0.05}
        for k, label, value in ((1, "ε₁", epsilon[0]), (2, "ε₂", epsilon[1]))
    }
    text = f"Reparameterisation: an image of a {digit}, its posterior, and a sample of it, decoded."

    def still() -> bytes:
        return stills.reparameterisation(weights.load(name), *_posterior(name, digit), epsilon)

    return Explorer(sliders, canvas, still, text)


class DrawnDigit(Canvas):
    """The canvas of :func:`draw_a_digit`."""

    name = traitlets.Unicode().tag(sync=True)
    digit = traitlets.Int(3).tag(sync=True)
    tour = traitlets.Bool(False).tag(sync=True)
    box = traitlets.List().tag(sync=True)
    colours = traitlets.List().tag(sync=True)


def draw_a_digit(name: str = "vae-mnist-2d", digit: int = 2, tour: bool = False) -> Explorer:
    """Draw with mouse or finger: the encoder runs in the page and says where the drawing lies.

    name: a shipped VAE with a 2-D code and a file of codes; digit: which of ten test images is
    there at first; tour: the others follow until the reader takes over. A drawing is made into a
    picture as MNIST's were: into 20 x 20, centred by mass in 28 x 28 (``static/mnist.js``).
    """
    if "sigma" not in load_codes(name):
        raise ValueError(f"{name} is no VAE: its codes are points, without a sigma to show")
    from vaelib import plots, stills

    plane = {"box": code_box(name), "colours": plots.DIGIT_COLORS}
    canvas = DrawnDigit(explorer="draw", name=name, digit=digit, tour=tour, **plane)
    text = f"Draw a digit: an image of a {digit}, where it lies among the codes, and its decoding."

    def still() -> bytes:
        picture, mu, _ = _posterior(name, digit)
        return stills.drawn_digit(weights.load(name), picture, mu, load_codes(name), plane["box"])

    return Explorer({}, canvas, still, text)


class ExactPosterior(DrawnDigit):
    """The canvas of :func:`exact_posterior`; ``position`` is the slider's, which has k draws."""

    position = traitlets.Int().tag(sync=True)


def exact_posterior(name: str = "vae-mnist-2d", digit: int = 2) -> Explorer:
    """The exact posterior of one of ten test images, the encoder's q on it, and bounds of k draws
    below log p(x): summed over the plane in the page (``static/evidence.js``), as in chapter 6."""
    from vaelib import stills

    canvas = ExactPosterior(explorer="posterior", name=name, digit=digit)
    draws = [str(k) for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)]  # in posterior.js too
    slider = {"description": "k", "options": draws, "index": 0}
    model, posterior = weights.load(name), _posterior(name, digit)
    text = f"The exact posterior of an image of a {digit}, and the encoder's normal on it."
    still = lambda: stills.reparameterisation(model, *posterior, exact=True)  # noqa: E731
    return Explorer({"position": slider}, canvas, still, text)


class Replay(Canvas):
    """The canvas of :func:`training_replay`: which of the recorded steps is shown."""

    frame = traitlets.Float(0.0).tag(sync=True)
    boxes = traitlets.List().tag(sync=True)
    colours = traitlets.List().tag(sync=True)


def training_replay(frame: int = 0) -> Explorer:
    """An AE and a VAE while they train: the codes of 1,000 test images, and five reconstructions.

    frame: which of the 24 recorded steps is shown first; -1 is the last. Recorded by
    ``tools/replay.py``, spaced evenly in the logarithm of the step.
    """
    from vaelib import plots, stills

    tensors = load_replay()
    count = len(tensors["steps"])
    if not -count <= frame < count:
        raise ValueError(f"frame is one of {count}, from 0 to {count - 1}; got {frame}")
    frame %= count
    boxes = [square_box(tensors[f"{kind}.codes"].flatten(0, 1)) for kind in KINDS]
    canvas = Replay(explorer="replay", frame=frame, boxes=boxes, colours=plots.DIGIT_COLORS)
    slider = {"description": "moment", "value": frame, "min": 0, "max": count - 1, "step": 1}
    slider["readout_format"] = "d"
    step = int(tensors["steps"][frame])
    text = f"Training replay: codes and reconstructions of test images, step {step}, AE and VAE."

    def still() -> bytes:
        return stills.training_replay(tensors, frame, KINDS, boxes)

    return Explorer({"frame": slider}, canvas, still, text)


class KLPlayground(Canvas):
    """The canvas of :func:`kl_playground`: one posterior, the limits of both numbers, colours."""

    mu = traitlets.Float(0.0).tag(sync=True)
    log_var = traitlets.Float(0.0).tag(sync=True)
    box = traitlets.List().tag(sync=True)
    colours = traitlets.List().tag(sync=True)


def kl_playground(mu: float = 1.0, log_var: float = -1.0) -> Explorer:
    """KL(q || p) of q = N(mu, exp(log_var)) from p = N(0, 1): integrand, value in nats, gradient.

    mu, log_var: where the sliders start, within -3 to 3 and -6 to 3. Chapter 5 derives it.
    """
    limits = {"mu": (-3.0, 3.0), "log_var": (-6.0, 3.0)}
    values = {"mu": mu, "log_var": log_var}
    for name, (low, high) in limits.items():
        if not low <= values[name] <= high:
            raise ValueError(f"{name} is from {low:g} to {high:g}; got {values[name]}")
    from vaelib import plots, stills

    box, colours = [*limits["mu"], *limits["log_var"]], [plots.ORANGE, plots.BLUE]
    canvas = KLPlayground(explorer="kl", box=box, colours=colours, **values)
    sliders = {
        name: {"description": label, "value": values[name], "min": low, "max": high, "step": 0.05}
        for label, (name, (low, high)) in zip(("μ", "log σ²"), limits.items(), strict=True)
    }
    nats = losses.kl_divergence(torch.tensor([[mu]]), torch.tensor([[log_var]])).item()
    text = (
        f"KL playground: the densities of N(0, 1) and of a posterior with mu {mu:g} and log_var "
        f"{log_var:g}, and the integrand of the KL between them, {nats:.3f} nats."
    )
    return Explorer(sliders, canvas, lambda: stills.kl(mu, log_var, nats), text)


class Betas(Canvas):
    """The canvas of :func:`beta_explorer`: which of the models is shown."""

    position = traitlets.Int().tag(sync=True)
    names = traitlets.List().tag(sync=True)
    betas = traitlets.List().tag(sync=True)
    boxes = traitlets.List().tag(sync=True)
    colours = traitlets.List().tag(sync=True)


def beta_explorer(beta: float = 1) -> Explorer:
    """Seven trained VAEs that differ in beta alone: samples, what each latent costs, the codes.

    beta: which of 0, 0.1, 0.5, 1, 2, 4, 8 is shown first. The page fetches the decoder of a model
    when the slider reaches it; everything else is in one file (``tools/codes.py``).
    """
    betas = list(BETAS.values())
    if beta not in betas:
        raise ValueError(f"beta is one of {', '.join(f'{b:g}' for b in betas)}; got {beta}")
    from vaelib import plots, stills

    tensors, position = load_betas(), betas.index(beta)
    boxes = [_cloud_box(codes) for codes in tensors["codes"]]
    canvas = Betas(
        explorer="betas", position=position, names=list(BETAS), betas=betas, boxes=boxes,
        colours=plots.DIGIT_COLORS,
    )  # fmt: skip
    slider = {"description": "β", "options": [f"{b:g}" for b in betas], "index": position}
    text = (
        f"Beta explorer: at β = {beta:g} ten samples of the prior, what each of 16 latents costs, "
        "and the codes of test digits on the two that cost most."
    )

    def still() -> bytes:
        model = weights.load(list(BETAS)[position])
        return stills.betas(model, beta, tensors, position, boxes[position])

    return Explorer({"position": slider}, canvas, still, text)


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
    from vaelib import mistakes, plots, stills

    told = ("name", "sentence", "question", "symptom", "source")
    museum = [{key: getattr(mistakes.MISTAKES[name], key) for key in told} for name in MUSEUM]
    shown = {"museum": museum, "colours": plots.DIGIT_COLORS}
    canvas, name = Playground(explorer="playground", **shown, **settings), "vae-mnist-2d"
    pane = {"title": "codes of a trained VAE", "box": PRIOR, "codes": load_codes(name)}
    text = "Playground: codes of test digits and a decoded picture, of a VAE once it is trained."

    def still() -> bytes:
        return stills.latent_plane([{**pane, "model": weights.load(name)}], (0.0, 0.0))

    return Explorer({}, canvas, still, text)


class AttributeMixer(Canvas):
    """The canvas of :func:`attribute_mixer`: two faces, the morph, and each attribute's alpha."""

    name = traitlets.Unicode(FACE_MODEL).tag(sync=True)
    face = traitlets.Int(0).tag(sync=True)
    other = traitlets.Int(0).tag(sync=True)
    morph = traitlets.Float(0.0).tag(sync=True)
    Smiling = traitlets.Float(0.0).tag(sync=True)
    Eyeglasses = traitlets.Float(0.0).tag(sync=True)
    Blond_Hair = traitlets.Float(0.0).tag(sync=True)
    Beard = traitlets.Float(0.0).tag(sync=True)
    Wearing_Hat = traitlets.Float(0.0).tag(sync=True)
    Long_Hair = traitlets.Float(0.0).tag(sync=True)
    Narrow_Eyes = traitlets.Float(0.0).tag(sync=True)


ALPHA = 2.0  # the sliders reach from minus this to this


def attribute_mixer(
    face: int = 0, alphas: dict[str, float] | None = None, morph: float = 0.0
) -> Explorer:
    """A face's code plus alpha times the feature vector of each attribute, decoded in the page.

    face: which of 12 held-out faces is chosen first; alphas: attribute -> where its slider starts,
    within -2 to 2, 0 for those not named; morph: from 0, the face, to 1, a second one that the
    reader chooses; first it is the next. Where exactly one attribute is flipped the same face drawn
    so, its counterfactual, is shown beside. Chapter 10 derives it; ``tools/codes.py`` writes the
    file with the faces.

    Raises ValueError for a face, attribute, alpha or morph that there is not.
    """
    tensors = load_mixer()
    count = len(tensors["mu"])
    if face not in range(count):
        raise ValueError(f"face is one of {count}, from 0 to {count - 1}; got {face}")
    values = dict.fromkeys(avatars.NAMES, 0.0)
    for name, alpha in (alphas or {}).items():
        attribute_index(name, avatars.NAMES)
        if not -ALPHA <= alpha <= ALPHA:
            raise ValueError(f"alpha is from {-ALPHA:g} to {ALPHA:g}; got {alpha} for {name}")
        values[name] = float(alpha)
    if not 0 <= morph <= 1:
        raise ValueError(f"morph is from 0, the face, to 1, another one; got {morph}")
    from vaelib import stills

    other = (face + 1) % count
    canvas = AttributeMixer(explorer="mixer", face=face, other=other, morph=morph, **values)
    sliders = {
        name: {"description": readable(name), "min": -ALPHA, "max": ALPHA, "step": 0.1, "value": a}
        for name, a in values.items()
    }
    sliders["morph"] = {"description": "Morph", "max": 1, "step": 0.05, "value": morph}
    moved = [f"{readable(name)} {alpha:+g}" for name, alpha in values.items() if alpha]
    if morph:
        moved.insert(0, f"morphed by {morph:g} into face {other}")
    text = (
        f"Attribute mixer: face {face} as drawn and as decoded; decoded again with "
        f"{', '.join(moved) or 'no attribute moved'}."
    )

    def still() -> bytes:
        z = (1 - morph) * tensors["mu"][face] + morph * tensors["mu"][other]
        z_new = z + torch.tensor(list(values.values())) @ tensors["vectors"]
        flipped = _flipped(tensors["has"][face], list(values.values()), morph)
        drawn = None if flipped is None else tensors["pictures"][face, 1 + flipped]
        codes = torch.stack([tensors["mu"][face], z_new])
        picture = tensors["pictures"][face, 0]
        return stills.attribute_mixer(weights.load(FACE_MODEL), codes, picture, drawn)

    return Explorer(sliders, canvas, still, text)


def _flipped(has: torch.Tensor, alphas: list[float], morph: float) -> int | None:
    """The one attribute that is moved, and to its other side: a counterfactual of it is drawn."""
    moved = [k for k, alpha in enumerate(alphas) if alpha]
    flips = not morph and len(moved) == 1 and (alphas[moved[0]] > 0) != bool(has[moved[0]])
    return moved[0] if flips else None


def readable(attribute: str) -> str:
    """The name of an attribute as a slider shows it: Blond_Hair -> Blond hair."""
    return attribute.replace("_", " ").capitalize()


def _cloud_box(codes: torch.Tensor) -> list[float]:
    """The prior's square where nearly all codes lie in it, otherwise one that holds them all."""
    inside = (codes.abs() <= PRIOR[1]).all(1).float().mean()
    return PRIOR if inside > 0.98 else square_box(codes)


def _title(name: str) -> str:
    return KINDS[weights.recipe(name)["architecture"]["kind"]]


def _posterior(name: str, digit: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One of the ten test images, (1, 1, 28, 28), and the VAE's mu and sigma of it, (2,)."""
    pictures, rows = load_digits()
    codes = load_codes(name)
    mu, sigma = (codes[key][rows[digit]].float() for key in ("mu", "sigma"))
    return pictures[digit : digit + 1], mu, sigma


def code_box(name: str) -> list[float]:
    """The :func:`square_box` of all codes, and all sampled codes, of a map."""
    tensors = load_codes(name)
    return square_box(torch.cat([tensors["mu"], tensors["z"]]))


def square_box(points: torch.Tensor) -> list[float]:
    """A square [low1, high1, low2, high2], in whole numbers, that holds ``points`` (N, 2)."""
    low, high = points.float().min(0).values, points.float().max(0).values
    half = math.ceil(float((high - low).max()) / 2 + 0.5)  # the middle is rounded too
    middle = ((low + high) / 2).round().tolist()
    return [edge for centre in middle for edge in (centre - half - 0.0, centre + half + 0.0)]
