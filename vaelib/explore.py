"""The explorers: ipywidgets sliders beside a canvas on which the reader's browser runs the model.

No kernel is needed: each slider is joined to the canvas by ``jslink``, which lives in the page, and
the canvas decodes by itself from the very weights files that :mod:`vaelib.weights` reads. In the
published book those files and the code in ``vaelib/static`` are fetched from the site when the
explorer comes into view; with a live kernel they come from here, in answer to a message.

A cell makes an explorer as its last expression and needs nothing else::

    from vaelib import explore

    explore.latent_explorer("ae-mnist-2d", "vae-mnist-2d")
"""

import base64
import hashlib
import io
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import anywidget
import ipywidgets
import torch
import traitlets
from safetensors.torch import save

from vaelib import latent, losses, weights
from vaelib.data import Images

STATIC = Path(__file__).parent / "static"
KINDS = {"ae": "Autoencoder", "vae": "VAE"}
PRIOR = [-4.0, 4.0, -4.0, 4.0]  # of the plane: nearly every sample of N(0, I) lies there
BETAS = {
    "beta-0": 0, "beta-0p1": 0.1, "beta-0p5": 0.5, "beta-1": 1, "beta-2": 2, "beta-4": 4,
    "beta-8": 8,
}  # fmt: skip
BETA_POINTS = 600  # codes of each of these models: seven maps in one file
MAP_POINTS = 2000  # codes on a map: enough to see the cloud, and 30 KB


class Canvas(anywidget.AnyWidget):
    """The part of an explorer that draws. ``explorer`` names its module in ``vaelib/static``.

    What is embedded in a page is only the loader and these traits; see ``static/loader.js``.
    """

    _esm = (STATIC / "loader.js").read_text(encoding="utf-8")
    explorer = traitlets.Unicode().tag(sync=True)

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


def asset(path: str) -> Path:
    """The file behind an address below the book's ``_static/``; FileNotFoundError for others."""
    folder, _, name = path.partition("/")
    folders = {"vaelib": STATIC, "weights": weights.FOLDER}
    if folder in folders and name in os.listdir(folders[folder]):
        return folders[folder] / name
    raise FileNotFoundError(f"{path} is no file of vaelib {'/, '.join(folders)}/")


class _Slim:
    """For ipywidgets' own widgets: defaults, known to its scripts, need not lengthen a page."""

    def get_state(self, key=None, drop_defaults=False):
        if key is not None:
            return super().get_state(key, drop_defaults)
        names = [name for name in self.keys if name.startswith("_model_")]
        return {**super().get_state(drop_defaults=True), **super().get_state(names)}


class _Layout(_Slim, ipywidgets.Layout):
    pass


class _Style(_Slim, ipywidgets.SliderStyle):
    pass


class _Slider(_Slim, ipywidgets.FloatSlider):
    pass


class _Choice(_Slim, ipywidgets.SelectionSlider):
    pass


class Explorer(_Slim, ipywidgets.VBox):
    """Sliders above a canvas, and what there is to see where neither can work.

    sliders: the canvas's trait -> options of a FloatSlider that is joined to it, in the page;
    ``limits`` may name two more traits, for its min and max. With ``options`` it is a
    SelectionSlider instead, and the trait is the position among them.
    still: makes a picture of the explorer, a PNG file's bytes; text: says what it shows. The book
    shows that picture until the page's scripts have made the explorer, and wherever they cannot.
    """

    def __init__(self, sliders: dict[str, dict], canvas: Canvas, still: Callable[[], bytes], text):
        style = _Style()  # and one layout: each widget's own would lengthen the page
        children = []
        for trait, options in sliders.items():
            limits = options.pop("limits", ())
            make, moves = (_Choice, "index") if "options" in options else (_Slider, "value")
            slider = make(layout=canvas.layout, style=style, **options)
            ipywidgets.jslink((slider, moves), (canvas, trait))
            for end, limit in zip(("min", "max"), limits):
                ipywidgets.jslink((slider, end), (canvas, limit))
            children.append(slider)
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

    left, right: names of shipped models with a 2-D code and a file of codes (:func:`save_codes`);
    ``right=None`` shows one model alone. z: where the point starts. cdf: start with each axis
    through the normal CDF. zoom: start with all maps at the prior's scale, -4 to 4.

    Each map shows the codes of 2,000 test images, by itself on its own scale, drawn to hold them
    all; a VAE's loupe shows the one-sigma ellipse of each image near the point. Through the CDF the
    codes are sampled, as chapter 5 explains. The sliders reach as far as the widest map.
    """
    names = [name for name in (left, right) if name is not None]
    panes = [{"name": name, "title": _title(name), "box": code_box(name)} for name in names]
    from vaelib.plots import DIGIT_COLORS  # late: matplotlib takes long to import

    corners = [PRIOR] if zoom else [pane["box"] for pane in panes]
    low, high = min(min(box) for box in corners), max(max(box) for box in corners)
    canvas = LatentPlane(
        explorer="latent", panes=panes, colours=DIGIT_COLORS, z1=z[0], z2=z[1], cdf=cdf, zoom=zoom,
        low=low, high=high,
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
    return Explorer(sliders, canvas, lambda: _latent_still(panes, z, zoom), text)


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
    chosen first; epsilon: where the sliders start, within -3 to 3. Chapter 2 derives it.
    """
    if "sigma" not in load_codes(name):
        raise ValueError(f"{name} is no VAE: its codes are points, and there is nothing to sample")
    from vaelib.plots import DIGIT_COLORS

    canvas = Reparameterisation(
        explorer="reparameterise", name=name, image=digit, colours=DIGIT_COLORS,
        epsilon1=epsilon[0], epsilon2=epsilon[1],
    )  # fmt: skip
    sliders = {
        f"epsilon{k}": {"description": label, "value": value, "min": -3, "max": 3, "step": 0.05}
        for k, label, value in ((1, "ε₁", epsilon[0]), (2, "ε₂", epsilon[1]))
    }
    text = (
        f"Reparameterisation: an image of a {digit}, its posterior, and one sample of it, decoded."
    )
    return Explorer(sliders, canvas, lambda: _reparameterisation_still(name, digit, epsilon), text)


class DrawnDigit(Canvas):
    """The canvas of :func:`draw_a_digit`."""

    name = traitlets.Unicode().tag(sync=True)
    digit = traitlets.Int(3).tag(sync=True)
    box = traitlets.List().tag(sync=True)
    colours = traitlets.List().tag(sync=True)


def draw_a_digit(name: str = "vae-mnist-2d", digit: int = 2) -> Explorer:
    """Draw with mouse or finger: the encoder runs in the page and says where the drawing lies.

    name: a shipped VAE with a 2-D code and a file of codes; digit: which of ten test images is
    there before anything is drawn. The drawing is made into a picture as MNIST's were: scaled into
    20 x 20, its centre of mass in the middle of 28 x 28 (``static/mnist.js``).
    """
    if "sigma" not in load_codes(name):
        raise ValueError(f"{name} is no VAE: its codes are points, without a sigma to show")
    from vaelib.plots import DIGIT_COLORS

    box = code_box(name)
    canvas = DrawnDigit(explorer="draw", name=name, digit=digit, box=box, colours=DIGIT_COLORS)
    text = f"Draw a digit: an image of a {digit}, where it lies among the codes, and its decoding."
    return Explorer({}, canvas, lambda: _drawn_still(name, digit, box), text)


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
    from vaelib.plots import DIGIT_COLORS

    tensors = load_replay()
    count = len(tensors["steps"])
    if not -count <= frame < count:
        raise ValueError(f"frame is one of {count}, from 0 to {count - 1}; got {frame}")
    frame %= count
    boxes = [square_box(tensors[f"{kind}.codes"].flatten(0, 1)) for kind in KINDS]
    canvas = Replay(explorer="replay", frame=frame, boxes=boxes, colours=DIGIT_COLORS)
    slider = {"description": "frame", "value": frame, "min": 0, "max": count - 1, "step": 1}
    slider["readout_format"] = "d"
    step = int(tensors["steps"][frame])
    text = (
        f"Training replay: codes of test images and reconstructions after {step} steps, AE and VAE."
    )
    return Explorer({"frame": slider}, canvas, lambda: _replay_still(tensors, frame, boxes), text)


class KLPlayground(Canvas):
    """The canvas of :func:`kl_playground`: one posterior, the limits of both numbers, colours."""

    mu = traitlets.Float(0.0).tag(sync=True)
    log_var = traitlets.Float(0.0).tag(sync=True)
    box = traitlets.List().tag(sync=True)
    colours = traitlets.List().tag(sync=True)


def kl_playground(mu: float = 1.0, log_var: float = -1.0) -> Explorer:
    """KL(q || p) of q = N(mu, exp(log_var)) from p = N(0, 1): integrand, value in nats, gradient.

    mu, log_var: where the sliders start, within -3 to 3 and -6 to 3. Chapter 3 derives it.
    """
    limits = {"mu": (-3.0, 3.0), "log_var": (-6.0, 3.0)}
    values = {"mu": mu, "log_var": log_var}
    for name, (low, high) in limits.items():
        if not low <= values[name] <= high:
            raise ValueError(f"{name} is from {low:g} to {high:g}; got {values[name]}")
    from vaelib.plots import BLUE, ORANGE

    box = [*limits["mu"], *limits["log_var"]]
    canvas = KLPlayground(explorer="kl", box=box, colours=[ORANGE, BLUE], **values)
    sliders = {
        name: {"description": label, "value": values[name], "min": low, "max": high, "step": 0.05}
        for label, (name, (low, high)) in zip(("μ", "log σ²"), limits.items(), strict=True)
    }
    nats = _kl_nats(mu, log_var)
    text = (
        f"KL playground: the densities of N(0, 1) and of a posterior with mu {mu:g} and log_var "
        f"{log_var:g}, and the integrand of the KL between them, {nats:.3f} nats."
    )
    return Explorer(sliders, canvas, lambda: _kl_still(mu, log_var), text)


def load_replay() -> dict[str, torch.Tensor]:
    """What ``tools/replay.py`` recorded of two trainings, ``ae.*`` and ``vae.*``: codes (frames, N,
    2), pictures uint8 (frames, 5, 28, 28), held-out loss (frames,); and what both share: steps
    (frames,), labels (N,), originals uint8 (5, 28, 28)."""
    return weights.read(STATIC / "replay.safetensors")[1]


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
    when the slider reaches it; everything else is in one file (:func:`save_betas`).
    """
    betas = list(BETAS.values())
    if beta not in betas:
        raise ValueError(f"beta is one of {', '.join(f'{b:g}' for b in betas)}; got {beta}")
    from vaelib.plots import DIGIT_COLORS

    tensors, position = load_betas(), betas.index(beta)
    boxes = [_cloud_box(codes) for codes in tensors["codes"]]
    canvas = Betas(
        explorer="betas", position=position, names=list(BETAS), betas=betas, boxes=boxes,
        colours=DIGIT_COLORS,
    )  # fmt: skip
    slider = {"description": "β", "options": [f"{b:g}" for b in betas], "index": position}
    text = (
        f"Beta explorer: at β = {beta:g} ten samples of the prior, what each of 16 latents costs, "
        "and the codes of test digits on the two that cost most."
    )
    return Explorer({"position": slider}, canvas, lambda: _betas_still(tensors, position), text)


def _cloud_box(codes: torch.Tensor) -> list[float]:
    """The prior's square where nearly all codes lie in it, otherwise one that holds them all."""
    inside = (codes.abs() <= PRIOR[1]).all(1).float().mean()
    return PRIOR if inside > 0.98 else square_box(codes)


def _title(name: str) -> str:
    return KINDS[weights.recipe(name)["architecture"]["kind"]]


# --- codes for the maps ---------------------------------------------------------------------------


def codes_path(name: str, folder: Path | None = None) -> Path:
    """Where the codes of the model ``name`` are kept."""
    return (folder or weights.FOLDER) / f"{name}.codes.safetensors"


def save_codes(name: str, images: Images, folder: Path | None = None) -> Path:
    """Encode the first 2,000 of ``images`` with the shipped model ``name`` and keep the codes.

    The file has float16 ``mu`` and ``z`` (N, 2), ``sigma`` (N, 2) for a VAE, and uint8 ``labels``
    (N,); its metadata names the encoder it came from, so that a stale file is found out.
    """
    codes = latent.encode_images(weights.load(name), images[:MAP_POINTS])
    tensors = {"mu": codes.mu.half(), "z": codes.z.half(), "labels": codes.labels.to(torch.uint8)}
    if codes.log_var is not None:
        tensors["sigma"] = codes.sigma.half()
    return write(codes_path(name, folder), tensors, {"encoder": _encoder_sha256(name)})


def codes_are_current(name: str) -> bool:
    """Whether the model ``name`` has a file of codes, and its encoder is the one they came from."""
    path = codes_path(name)
    return path.is_file() and weights.read(path)[0]["encoder"] == _encoder_sha256(name)


def load_codes(name: str) -> dict[str, torch.Tensor]:
    """The codes kept for the model ``name``, as :func:`save_codes` describes them."""
    path = codes_path(name)
    if not path.is_file():
        weights.recipe(name)  # an unknown name is the likelier mistake, and has its own message
        raise weights.WeightsError(
            f"{path.name} is missing: the explorer draws its map from it. In a clone run "
            f"`python tools/codes.py {name}`, or install vaelib again."
        )
    return weights.read(path)[1]


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


def _encoder_sha256(name: str) -> str:
    return weights.read(weights.FOLDER / f"{name}.encoder.safetensors")[0]["sha256"]


def save_digits(images: Images, folder: Path = STATIC) -> Path:
    """Keep one picture of each digit, the first among ``images``: what a reader chooses from.

    uint8 ``pixels`` (10, 1, 28, 28); the metadata's ``rows`` say which of ``images`` they are.
    MNIST is by LeCun and Cortes, CC BY-SA 3.0.
    """
    rows = [int((images.labels == digit).nonzero()[0]) for digit in range(10)]
    return write(folder / "digits.safetensors", {"pixels": images.pixels[rows]}, {"rows": rows})


def load_digits() -> tuple[torch.Tensor, list[int]]:
    """Pictures (10, 1, 28, 28) in [0, 1], one of each digit, and which test images they are."""
    metadata, tensors = weights.read(STATIC / "digits.safetensors")
    return tensors["pixels"].float() / 255, metadata["rows"]


def save_betas(images: Images, folder: Path = STATIC) -> Path:
    """Keep what :func:`beta_explorer` shows of its M = 7 models beside their decoders.

    Of all ``images``, as in chapter 4: float32 ``kl`` (M, 16), the mean KL of each latent in nats,
    sorted; uint8 ``active`` (M, 16), in that order; float32 ``rate`` and ``distortion`` (M,) of one
    sampled code an image. Of the first 600: float16 ``codes`` (M, 600, 2), sampled, on the two
    ``latents`` (M, 2) that cost most, and ``labels`` (600,). Float32 ``z`` (10, 16): draws from the
    prior to decode. The metadata names the weights they came from.
    """
    rows = [_figures_of(weights.load(name), images) for name in BETAS]
    tensors = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
    tensors["labels"] = images.labels[:BETA_POINTS].to(torch.uint8)
    tensors["z"] = latent.sample_prior(2000, 16)[:10].clone()  # the first ten of chapter 4's
    return write(folder / "betas.safetensors", tensors, {"weights": _betas_sha256()})


def _figures_of(model: torch.nn.Module, images: Images) -> dict[str, torch.Tensor]:
    codes = latent.encode_images(model, images)
    each = losses.kl_divergence(codes.mu.reshape(-1, 1), codes.log_var.reshape(-1, 1))
    kl = each.reshape(codes.mu.shape).mean(0)
    order = kl.argsort(descending=True)
    with torch.no_grad():
        parts = zip(codes.z.split(1000), images.batches(1000), strict=True)
        errors = [losses.bernoulli_nll(model.decode(z), x) for z, (x, _) in parts]
    return {
        "kl": kl[order],
        "active": (codes.mu.var(0)[order] > 0.01).to(torch.uint8),
        "rate": kl.sum(),
        "distortion": torch.cat(errors).mean(),
        "codes": codes.z[:BETA_POINTS, order[:2]].half(),
        "latents": order[:2].to(torch.uint8),
    }


def betas_are_current() -> bool:
    """Whether the file of :func:`save_betas` is there, and came from today's weights."""
    path = STATIC / "betas.safetensors"
    return path.is_file() and weights.read(path)[0]["weights"] == _betas_sha256()


def load_betas() -> dict[str, torch.Tensor]:
    """What :func:`save_betas` keeps."""
    return weights.read(STATIC / "betas.safetensors")[1]


def _betas_sha256() -> list[str]:
    parts = [f"{name}.{part}coder.safetensors" for name in BETAS for part in ("en", "de")]
    return [weights.read(weights.FOLDER / part)[0]["sha256"] for part in parts]


def write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict) -> Path:
    """A safetensors file that :func:`vaelib.weights.read` and the page both read."""
    sha256 = hashlib.sha256(weights._payload(save(tensors))).hexdigest()
    metadata = {"format": weights.FORMAT, **metadata, "sha256": sha256}
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    aside.write_bytes(save(tensors, {key: json.dumps(value) for key, value in metadata.items()}))
    os.replace(aside, path)
    return path


# --- stills ---------------------------------------------------------------------------------------


def _latent_still(panes: list[dict], z: tuple[float, float], zoom: bool) -> bytes:
    from matplotlib.figure import Figure

    from vaelib import plots

    # No pyplot: a figure of pyplot's would be shown by the cell a second time.
    figure = Figure(figsize=(3.6 * len(panes), 5), dpi=80, layout="constrained")
    axes = figure.subplots(2, len(panes), squeeze=False, height_ratios=[2, 1])
    for (above, below), pane in zip(axes.T, panes, strict=True):
        codes = load_codes(pane["name"])
        plots.codes(codes["mu"].float(), codes["labels"].long(), ax=above, title=pane["title"])
        box = PRIOR if zoom else pane["box"]
        above.set(xlim=box[:2], ylim=box[2:])
        above.plot(*z, "o", color="#ffd400", markeredgecolor="black", markersize=8)
        decoded = latent.decode_images(weights.load(pane["name"]), torch.tensor([z]))
        plots.pictures(decoded, ax=below)
        below.set_title(f"decoded at ({z[0]:g}, {z[1]:g})", fontsize="small")
    return _png(figure)


def _reparameterisation_still(name: str, digit: int, epsilon: tuple[float, float]) -> bytes:
    from matplotlib.figure import Figure

    from vaelib import plots

    pictures, rows = load_digits()
    codes = load_codes(name)
    mu, sigma = (codes[key][rows[digit]].float() for key in ("mu", "sigma"))
    z = mu + sigma * torch.tensor(epsilon)
    model = weights.load(name)
    decoded = latent.decode_images(model, torch.stack([mu, z]))
    figure = Figure(figsize=(7.2, 3.4), dpi=80, layout="constrained")
    plane, sheet = figure.subplots(1, 2)
    angle = torch.linspace(0, 2 * math.pi, 100)
    for reach in (1, 2, 3):
        plane.plot(
            (mu[0] + reach * sigma[0] * angle.cos()).numpy(),
            (mu[1] + reach * sigma[1] * angle.sin()).numpy(),
            color="black", linewidth=1,
        )  # fmt: skip
    plane.plot(*zip(mu.tolist(), z.tolist(), strict=True), "o-", color="black")
    plane.set(title="q(z|x), and z in it", xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
    plots.pictures(torch.cat([pictures[digit : digit + 1], decoded]), columns=3, ax=sheet)
    sheet.set_title("x, decoded $\\mu$, decoded $z$")
    return _png(figure)


def _drawn_still(name: str, digit: int, box: list[float]) -> bytes:
    from matplotlib.figure import Figure

    from vaelib import plots

    pictures, rows = load_digits()
    codes = load_codes(name)
    mu = codes["mu"][rows[digit]].float()
    decoded = latent.decode_images(weights.load(name), mu[None])
    figure = Figure(figsize=(7.2, 3.6), dpi=80, layout="constrained")
    plane, sheet = figure.subplots(1, 2)
    plots.codes(
        codes["mu"].float(), codes["labels"].long(), ax=plane, title="its μ among the codes"
    )
    plane.set(xlim=box[:2], ylim=box[2:])
    plane.plot(*mu.tolist(), "o", color="#ffd400", markeredgecolor="black", markersize=8)
    plots.pictures(torch.cat([pictures[digit : digit + 1], decoded]), columns=2, ax=sheet)
    sheet.set_title("the image, and its μ decoded")
    return _png(figure)


def _replay_still(tensors: dict[str, torch.Tensor], frame: int, boxes: list) -> bytes:
    from matplotlib.figure import Figure

    from vaelib import plots

    figure = Figure(figsize=(7.2, 4.6), dpi=80, layout="constrained")
    axes = figure.subplots(2, 2, height_ratios=[3, 1])
    for (above, below), (kind, title), box in zip(axes.T, KINDS.items(), boxes, strict=True):
        points = tensors[f"{kind}.codes"][frame].float()
        plots.codes(points, tensors["labels"].long(), ax=above, title=title)
        above.set(xlim=box[:2], ylim=box[2:])
        pictures = torch.cat([tensors["originals"], tensors[f"{kind}.pictures"][frame]])
        plots.pictures(pictures[:, None].float() / 255, columns=5, ax=below)
    figure.suptitle(f"after {int(tensors['steps'][frame])} steps")
    return _png(figure)


def _betas_still(tensors: dict[str, torch.Tensor], position: int) -> bytes:
    from matplotlib.figure import Figure

    from vaelib import plots

    name, beta = list(BETAS.items())[position]
    samples = latent.decode_images(weights.load(name), tensors["z"])
    figure = Figure(figsize=(7.2, 6), dpi=80, layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[2, 3])
    plots.pictures(samples, columns=5, ax=above.subplots())
    bars, plane = below.subplots(1, 2)
    kl, active = tensors["kl"][position], tensors["active"][position]
    colours = [plots.BLUE if used else plots.ORANGE for used in active]
    bars.bar(range(1, len(kl) + 1), kl.clamp_min(0.07).numpy(), color=colours)
    bars.set(title="what each latent costs", xticks=[1, 4, 8, 12, 16])
    bars.set(xlabel="latent, sorted", ylabel="KL (nats)")
    codes, box = tensors["codes"][position].float(), _cloud_box(tensors["codes"][position])
    first, second = (tensors["latents"][position].int() + 1).tolist()
    plots.codes(codes, tensors["labels"].long(), ax=plane, size=6, title="codes of test digits")
    plane.set(xlim=box[:2], ylim=box[2:], xlabel=f"$z_{{{first}}}$", ylabel=f"$z_{{{second}}}$")
    rate, distortion = (float(tensors[key][position]) for key in ("rate", "distortion"))
    says = f"rate {rate:.1f} nats, distortion {distortion:.1f} nats, {int(active.sum())} active"
    figure.suptitle(f"β = {beta:g}: {says}")
    return _png(figure)


def _kl_nats(mu: float, log_var: float) -> float:
    return losses.kl_divergence(torch.tensor([[mu]]), torch.tensor([[log_var]])).item()


def _kl_still(mu: float, log_var: float) -> bytes:
    from matplotlib.figure import Figure

    from vaelib import plots

    figure = Figure(figsize=(7.2, 3.6), dpi=80, layout="constrained")
    ax = plots.kl_integrand(mu, log_var, ax=figure.subplots())
    nats = _kl_nats(mu, log_var)
    ax.set(title=f"mu {mu:g}, log_var {log_var:g}: KL {nats:.3f} nats", xlabel="z")
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    return _png(figure)


def _png(figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
