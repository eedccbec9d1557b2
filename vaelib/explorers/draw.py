"""Draw a digit, and see where it lies."""

import torch

from vaelib import latent, plots, weights
from vaelib.explorer_assets import load_codes
from vaelib.explorers.widgets import Explorer, canvas, code_box, draw_map, posterior


def draw_a_digit(name: str = "vae-mnist-2d", digit: int = 2, tour: bool = False) -> Explorer:
    """Draw with mouse or finger: the encoder runs in the page and says where the drawing lies.

    name: a shipped VAE with a 2-D code and a file of codes; digit: which of ten test images is
    there at first; tour: the others follow until the reader takes over. A drawing is made into a
    picture as MNIST's were: into 20 x 20, centred by mass in 28 x 28 (``static/mnist.js``).
    """
    picture, mu, _ = posterior(name, digit)
    box, colours = code_box(name), plots.DIGIT_COLORS
    shown = canvas("draw", name=name, digit=digit, tour=tour, box=box, colours=colours)
    text = f"Draw a digit: an image of a {digit}, where it lies among the codes, and its decoding."

    def still(figure):
        plane, sheet = figure.subplots(1, 2)
        draw_map(plane, load_codes(name), box, mu.tolist(), "its μ among the codes")
        decoded = latent.decode_images(weights.load(name), mu[None])
        plots.pictures(torch.cat([picture, decoded]), columns=2, ax=sheet)
        sheet.set_title("the image, and its μ decoded")

    return Explorer({}, shown, still, text)
