"""The exact posterior of an image, and the encoder's on it."""

from vaelib.explorers.reparameterise import still
from vaelib.explorers.widgets import Explorer, canvas, posterior

DRAWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # in posterior.js too


def exact_posterior(name: str = "vae-mnist-2d", digit: int = 2) -> Explorer:
    """The exact posterior of a drawing, or of one of ten test images, the encoder's q on it, and
    bounds of k draws below log p(x): summed in the page by ``static/evidence.js``."""
    shown = posterior(name, digit)
    drawn = canvas("posterior", name=name, digit=digit, position=0)
    sliders = {"position": {"description": "k", "options": [str(k) for k in DRAWS], "index": 0}}
    text = f"The exact posterior of an image of a {digit}, and the encoder's normal on it."
    return Explorer(sliders, drawn, lambda figure: still(figure, name, *shown, exact=True), text)
