"""What the explorers share: sliders and canvas, boxes and pictures.

A cell makes an explorer as its last expression. No kernel is needed: the canvas's code runs in the
page. It joins the sliders to the canvas (``static/sliders.js``) and decodes by itself from the very
weights files that :mod:`vaelib.weights` reads; ``static/loader.js`` says how a page gets them.
"""

import base64
import io
import math
import re
import secrets
from collections.abc import Callable

import anywidget
import ipywidgets
import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vaelib import plots, weights
from vaelib.explorer_assets import STATIC, asset, load_codes, load_digits
from vaelib.images import whole

KINDS = {"ae": "Autoencoder", "vae": "VAE"}
PRIOR = [-4.0, 4.0, -4.0, 4.0]  # of the plane: nearly every sample of N(0, I) lies there


class _Short(ipywidgets.Widget):
    """A page holds the state of each of its widgets, with names of 32 letters and what is empty;
    eight letters of 64 kinds tell a page's widgets apart."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, model_id=secrets.token_urlsafe(6), **kwargs)

    def get_state(self, key=None, drop_defaults=False):
        state = super().get_state(key, drop_defaults)
        return {at: of for at, of in state.items() if key is not None or of not in (None, ())}


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
        path = message.get("path") if isinstance(message, dict) else message
        try:
            self.send({"path": path}, buffers=[asset(path).read_bytes()])
        except (OSError, weights.WeightsError) as error:
            self.send({"path": path, "error": f"the kernel could not send {path} ({error})"})


def canvas(explorer: str, **state) -> Canvas:
    """The canvas of ``explorer`` with a trait for each of ``state``, of the kind of its value."""
    kinds = {bool: "Bool", int: "Int", float: "Float", str: "Unicode", list: "List"}
    traits = {at: getattr(traitlets, kinds[type(of)])().tag(sync=True) for at, of in state.items()}
    own = type("Canvas", (Canvas,), {**traits, "__module__": __name__})
    return own(explorer=explorer, **state)


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
    still: draws the explorer on an empty figure of 7.2 x 3.6 inches, or makes it another size;
    text: says what is seen. The book shows that picture until the page's scripts have made the
    explorer, and wherever they cannot.
    """

    def __init__(self, sliders: dict, canvas: Canvas, still: Callable[[Figure], None], text: str):
        children, joined = [], {}
        for trait, options in sliders.items():
            limits = options.pop("limits", ())
            low, high, at = (options.get(key, 0) for key in ("min", "max", "value"))
            if not low <= at <= high:
                raise ValueError(f"{trait} is from {low:g} to {high:g}; got {at}")
            make, moves = (_Choice, "index") if "options" in options else (_Slider, "value")
            slider = make(layout=canvas.layout, **options)  # one for all keeps the page short
            joined[trait] = [slider.model_id, moves, *limits]
            children.append(slider)
        canvas.sliders = joined
        super().__init__([*children, canvas], layout=canvas.layout)
        self._still, self._text = still, text

    def _repr_mimebundle_(self, **kwargs):
        # Without pyplot, whose figures a cell would show a second time.
        figure, file = Figure((7.2, 3.6), dpi=80, layout="constrained"), io.BytesIO()
        self._still(figure)
        figure.savefig(file, format="png")
        png = base64.b64encode(file.getvalue()).decode()
        return {**super()._repr_mimebundle_(**kwargs), "image/png": png, "text/plain": self._text}


def posterior(name: str, digit: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One of the ten test images, (1, 1, 28, 28), and the VAE's mu and sigma of it, (2,).

    ValueError for another digit, and for a model whose codes are points."""
    pictures, rows = load_digits()
    codes = load_codes(name)
    if "sigma" not in codes:
        raise ValueError(f"{name} is no VAE: its codes are points, without a sigma")
    whole(0, len(rows) - 1, digit=digit)
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
    return [edge for centre in middle for edge in (centre - half, centre + half)]


def slider(label: str, value: float, low: float, high: float, step: float = 0.05, **more) -> dict:
    """The options of a FloatSlider."""
    return {"description": label, "value": value, "min": low, "max": high, "step": step, **more}


def draw_map(ax: Axes, codes: dict[str, torch.Tensor], box: list[float], point, title: str) -> None:
    """The map of a model's codes with a point on it, as the explorers draw it."""
    plots.codes(codes["mu"].float(), codes["labels"].long(), ax=ax, title=title)
    ax.set(xlim=box[:2], ylim=box[2:])
    ax.plot(*point, "o", color="#ffd400", markeredgecolor="black", markersize=8)
