"""The explorers as a browser shows them, wherever it does: how a cell makes each of them, what
moves it, and what PyTorch says that it shows.

`where` is a page with one explorer, or the part of a page that holds it.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import pytest
import torch
from playwright.sync_api import Locator, Page

from vaelib import avatars, explore, explorer_assets, flow, losses, weights
from vaelib.explorers import readable
from vaelib.latent import decode_images

AE, VAE = "ae-mnist-2d", "vae-mnist-2d"
START = (0.5, -1.0)
DIGIT = 4
MIXED = 2  # a face that is blond, with a beard and a hat
# Page and PyTorch round the same sigmoid to 256 levels; where it lies between two levels, the
# order of a sum decides. Float16 weights cost nothing here: both read the same ones.
LEVELS = 1
PICTURES = ".vaelib-picture, .vaelib-plot"
VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]'
# Of the book's own sliders, of ipywidgets 8, and of 7.
HANDLES = ".widget-slider [type=range], .noUi-handle, .ui-slider-handle"


# --- what is seen ---------------------------------------------------------------------------------


def holds(condition: str, argument: str = "") -> str:
    """JavaScript that waits until a condition holds. Playwright's own wait compiles the condition
    in the page again and again, which a page's policy forbids; this is handed over compiled."""
    return f"""async ({argument}) => {{
      const until = Date.now() + 30000;
      while (!({condition})) {{
        if (Date.now() > until) throw new Error("not so after 30 seconds");
        await new Promise((go) => setTimeout(go, 20));
      }}
    }}"""


def settle(page: Page) -> None:
    """Two frames: one in which the change is painted, one after it; first, what is loading."""
    page.evaluate(holds("!document.querySelector('.vaelib-explorer [aria-busy=true]')"))
    page.evaluate("new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")


def awake(page: Page) -> list[Locator]:
    """Bring each explorer of a page of the book into view until it shows something."""
    views = page.locator(f".cell_output:has({VIEW})").all()
    for view in views:
        view.scroll_into_view_if_needed()
        view.locator(PICTURES).first.wait_for()
        settle(page)
    return views


def point(where: Page | Locator) -> tuple[float, ...]:
    """Where the sliders say that they are."""
    readouts = where.locator(".widget-readout")
    texts = readouts.evaluate_all("(all) => all.map((e) => e.value ?? e.textContent)")
    return tuple(float(text.replace("−", "-")) for text in texts)


def painted(where: Page | Locator) -> torch.Tensor:
    """The digits as the screen has them: ink in levels, (pictures, 784)."""
    return 255 - torch.tensor(
        where.locator(".vaelib-picture").evaluate_all("""(all) => all.map((canvas) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, 28, 28);
          return Array.from({ length: 784 }, (_, i) => data[4 * i]);
        })""")
    )


def drawings(where: Page | Locator, kind: str = PICTURES) -> list[str]:
    """What is on the canvases, to compare with a later look."""
    return where.locator(kind).evaluate_all("(all) => all.map((canvas) => canvas.toDataURL())")


def says(where: Page | Locator) -> str:
    """The explorer's line of numbers."""
    return where.locator(".vaelib-sum").text_content().replace("−", "-")


# --- what moves it --------------------------------------------------------------------------------


# Where a slider's handle is, [x, y], and its slider from left to right. The browser draws that of
# a range, 16 pixels wide, and does not say where.
HANDLE = """(handle) => {
  const box = handle.getBoundingClientRect();
  const y = box.top + box.height / 2;
  if (handle.type !== "range") {
    const slider = handle.closest(".noUi-target, .ui-slider").getBoundingClientRect();
    return [box.left + box.width / 2, y, slider.left, slider.right];
  }
  const [now, min, max] = [handle.value, handle.min, handle.max].map(Number);
  return [box.left + 8 + ((now - min) / (max - min)) * (box.width - 16), y, box.left, box.right];
}"""


# Whatever lies over the middle of a slider is the slider, above the theme's button to the top.
BARE = """(handle) => {
  handle.scrollIntoView({ block: "end" });
  scrollBy(0, 80);
  const { left, top, width, height } = handle.getBoundingClientRect();
  return handle.contains(document.elementFromPoint(left + width / 2, top + height / 2));
}"""


def far_from_its_end(handle: Locator) -> int:
    """+1 where a slider has more room to the right, else -1."""
    x, _, left, right = handle.evaluate(HANDLE)
    return 1 if 2 * x < left + right else -1


def press_arrow(page: Page, handle: Locator) -> None:
    handle.focus()
    handle.press("ArrowRight" if far_from_its_end(handle) > 0 else "ArrowLeft")


def drag(page: Page, handle: Locator) -> None:
    handle.scroll_into_view_if_needed()
    x, y, *_ = handle.evaluate(HANDLE)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40 * far_from_its_end(handle), y, steps=5)
    page.mouse.up()


def assert_every_slider_moves_the_pictures(page: Page, where: Page | Locator, name: str) -> None:
    """By keyboard and by mouse; each slider moves alone; all is PyTorch's before and after."""
    sliders, shows = EXPLORERS[name].sliders, EXPLORERS[name].assert_shows
    shows(where)
    handles = where.locator(HANDLES)
    labels = [handle.get_attribute("aria-label") for handle in handles.all()]
    assert labels == sliders
    for i, label in enumerate(labels):
        for move in (press_arrow, drag):
            before, seen = point(where), drawings(where)
            move(page, handles.nth(i))
            settle(page)
            moved = [k for k, (a, b) in enumerate(zip(before, point(where), strict=True)) if a != b]
            assert moved == [i], f"{move.__name__} on {label}: sliders {moved} moved"
            assert drawings(where) != seen, f"{move.__name__} on {label} changes no picture"
            shows(where)


# --- what it should show --------------------------------------------------------------------------


@cache
def model(name: str) -> torch.nn.Module:
    return weights.load(name)


def decoded(z: tuple[float, float]) -> torch.Tensor:
    """The latent explorer's pictures by PyTorch, in levels."""
    return torch.cat(
        [decode_images(model(name), torch.tensor([z])).flatten(1) * 255 for name in (AE, VAE)]
    )


def expected_sample(digit: int, epsilon: tuple[float, float]) -> torch.Tensor:
    """The decoded z of a test image, by PyTorch, in levels."""
    row, codes = explorer_assets.load_digits()[1][digit], explorer_assets.load_codes(VAE)
    z = codes["mu"][row].float() + codes["sigma"][row].float() * torch.tensor(epsilon)
    return decode_images(model(VAE), z[None]).flatten() * 255


def samples_of(name: str) -> torch.Tensor:
    """The beta explorer's ten samples as PyTorch decodes them, in levels."""
    return decode_images(model(name), explore.load_betas()["z"]).flatten(1) * 255


def digit_in_levels(digit: int) -> torch.Tensor:
    return explorer_assets.load_digits()[0][digit].flatten() * 255


def assert_pictures_are_pytorchs(where: Page | Locator) -> None:
    difference = (painted(where) - decoded(point(where))).abs().max().item()
    assert difference <= LEVELS, f"{difference:.2f} levels of 255 at {point(where)}"


def assert_shows_the_sample(where: Page | Locator, digit: int = DIGIT) -> None:
    shown = painted(where)
    assert (shown[2] - expected_sample(digit, point(where))).abs().max() <= LEVELS
    assert (shown[0] - digit_in_levels(digit)).abs().max() <= LEVELS


def assert_shows_the_chosen_digit(where: Page | Locator, digit: int = 2) -> None:
    original = digit_in_levels(digit)
    with torch.no_grad():
        mu, _ = model(VAE).encode(original.reshape(1, 1, 28, 28) / 255)
    expected = decode_images(model(VAE), mu).flatten() * 255
    assert (painted(where) - torch.stack([original, expected])).abs().max() <= LEVELS


def assert_shows_the_recorded_step(where: Page | Locator) -> None:
    recorded, frame = explore.load_replay(), int(point(where)[0])
    shown = painted(where).reshape(2, 2, 5, 28, 28)  # pane, originals and made, image
    for pane, kind in enumerate(("ae", "vae")):
        assert (shown[pane, 0] == recorded["originals"]).all()
        assert (shown[pane, 1] == recorded[f"{kind}.pictures"][frame]).all()
    assert f"After {int(recorded['steps'][frame]):,} steps" in says(where)
    assert f"VAE {recorded['vae.loss'][frame]:.1f}." in says(where)


def assert_shows_the_model_of_its_beta(where: Page | Locator) -> None:
    (beta,) = point(where)
    name = {value: name for name, value in explorer_assets.BETAS.items()}[beta]
    assert (painted(where) - samples_of(name)).abs().max() <= LEVELS
    assert says(where).startswith(f"β = {beta:g}: rate ")


def assert_says_the_librarys_kl(where: Page | Locator) -> None:
    got = [float(number) for number in re.findall(r"= (-?\d+\.\d{3})\b", says(where))]
    mu, log_var = torch.tensor(point(where)).reshape(2, 1, 1).requires_grad_()
    nats = losses.kl_divergence(mu, log_var)
    slopes = torch.autograd.grad(nats.sum(), (mu, log_var))
    wanted = torch.stack([nats.sum(), (log_var / 2).exp().sum(), *(s.sum() for s in slopes)])
    assert (torch.tensor(got) - wanted).abs().max() <= 6e-4, (got, wanted)


def bounds_of(x: torch.Tensor) -> torch.Tensor:
    """log p(x) and the ELBO of an image: sums by PyTorch, of a grid around mu, and of draws."""
    with torch.no_grad():
        mu, log_var = model(VAE).encode(x)
        steps = torch.arange(-1.5, 1.5, 0.01)
        around = mu + torch.cartesian_prod(steps, steps)
        drawn = mu + (log_var / 2).exp() * torch.randn(20_000, 2)
        zero = torch.zeros(2)
        joint, weight = (
            losses.log_normal(z, zero, zero)
            - losses.bernoulli_nll(model(VAE).decode(z), x.expand(len(z), -1, -1, -1))
            for z in (around, drawn)
        )
        elbo = (weight - losses.log_normal(drawn, mu, log_var)).mean()
        return torch.stack([joint.logsumexp(0) + 2 * torch.tensor(0.01).log(), elbo])


@cache
def bounds_of_digit(digit: int) -> torch.Tensor:
    return bounds_of(explorer_assets.load_digits()[0][[digit]])


def assert_says_how_far_the_bound_is_from_pytorchs_evidence(where: Page | Locator) -> None:
    evidence, elbo, gap, k, left = map(
        float, re.findall(r"-?\d+\.\d\d|(?<=k = )\d+", says(where).replace(",", ""))
    )
    assert [evidence, elbo] == pytest.approx(bounds_of_digit(2).tolist(), abs=0.1)
    assert gap == pytest.approx(evidence - elbo, abs=0.011)
    assert k == point(where)[0]
    assert 0 <= left <= gap
    assert (left == gap) == (k == 1)


def faces_seen(where: Page | Locator) -> torch.Tensor:
    """The mixer's pictures that are not hidden, in levels, (pictures, 3, 64, 64)."""
    levels = where.locator(".vaelib-faces .vaelib-picture:visible").evaluate_all("""(all) =>
      all.map((canvas) => [...canvas.getContext("2d").getImageData(0, 0, 64, 64).data])""")
    return torch.tensor(levels).reshape(-1, 64, 64, 4)[..., :3].permute(0, 3, 1, 2)


def expected_faces(face: int, other: int, sliders: tuple[float, ...]) -> torch.Tensor:
    """z_new decoded, x, x decoded and, where there is one, the counterfactual: by PyTorch."""
    *alphas, morph = sliders
    shown = explore.load_mixer()
    z = shown["mu"][face]
    z_new = z + morph * (shown["mu"][other] - z) + torch.tensor(alphas) @ shown["vectors"]
    decoded = decode_images(model(explorer_assets.FACE_MODEL), torch.stack([z_new, z]))
    pictures = [decoded[0], shown["pictures"][face, 0], decoded[1]]
    flipped = [k for k, a in enumerate(alphas) if a and (a > 0) != bool(shown["has"][face, k])]
    if flipped and not morph and sum(a != 0 for a in alphas) == 1:
        pictures.append(shown["pictures"][face, 1 + flipped[0]])
    return torch.stack(pictures) * 255


def assert_shows_the_mixed_face(where: Page | Locator) -> None:
    chosen = where.locator(".vaelib-digits").evaluate_all("""(groups) => groups.map((group) =>
      [...group.querySelectorAll("input")].findIndex((radio) => radio.checked))""")
    seen, expected = faces_seen(where), expected_faces(*chosen, point(where))
    assert len(seen) == len(expected), f"{len(seen)} pictures at {point(where)}"
    assert (seen - expected).abs().max() <= LEVELS
    if len(seen) == 4:
        pictures = expected / 255
        errors = [(pictures[i] - pictures[3]).square().mean().item() for i in (0, 2)]
        assert f"of the new face {errors[0]:.5f}, of x decoded {errors[1]:.5f}." in says(where)


def assert_shows_the_carried_face(where: Page | Locator) -> None:
    time, steps, draw = point(where)
    told = where.locator(".vaelib-buttons select").evaluate_all("(all) => all.map((e) => +e.value)")
    shown, carry = explore.load_flow(), model(explorer_assets.FLOW)
    z, asked = shown["noise"][[int(draw)]], torch.tensor([told]).float()
    with torch.no_grad():
        way = flow.way(lambda x, t: carry(x, t, asked), z[:, carry.active], int(steps))
    before = min(int(time * steps), int(steps) - 1)
    z[:, carry.active] = torch.lerp(way[before], way[before + 1], time * steps - before)
    expected = decode_images(model(explorer_assets.FACE_MODEL), z) * 255
    levels = where.locator(".vaelib-face .vaelib-picture").evaluate(
        """(canvas) => [...canvas.getContext("2d").getImageData(0, 0, 64, 64).data]"""
    )
    seen = torch.tensor(levels).reshape(1, 64, 64, 4)[..., :3].permute(0, 3, 1, 2)
    assert (seen - expected).abs().max() <= LEVELS
    long = way.diff(dim=0).norm(dim=2).sum() / (way[-1] - way[0]).norm()
    assert f"is {long:.2f} times" in says(where) or abs(long * 100 % 1 - 0.5) < 0.02


def assert_shows_a_network_before_its_first_step(where: Page | Locator) -> None:
    """What it shows once it trains is tested in tests/book/test_playground.py."""
    assert says(where).startswith("After 0 steps: held out ")


class Case(NamedTuple):
    """An explorer: the call that makes it, its sliders' names, and a check of all it shows."""

    call: str
    sliders: list[str]
    assert_shows: Callable[[Page | Locator], None]


# An explorer that is added here is tested in the book, served and from disk, and in notebooks.
EXPLORERS = {
    "explorer": Case(
        f"latent_explorer({AE!r}, {VAE!r}, z={START!r})", ["z₁", "z₂"], assert_pictures_are_pytorchs
    ),
    "reparameterise": Case(
        f"reparameterisation_explorer(digit={DIGIT})", ["ε₁", "ε₂"], assert_shows_the_sample
    ),
    "draw": Case("draw_a_digit()", [], assert_shows_the_chosen_digit),
    "posterior": Case(
        "exact_posterior()", ["k"], assert_says_how_far_the_bound_is_from_pytorchs_evidence
    ),
    "replay": Case("training_replay()", ["moment"], assert_shows_the_recorded_step),
    "betas": Case("beta_explorer(beta=0.5)", ["β"], assert_shows_the_model_of_its_beta),
    "kl": Case("kl_playground()", ["μ", "log σ²"], assert_says_the_librarys_kl),
    "mixer": Case(
        f"attribute_mixer({MIXED}, {{'Smiling': 0.5}})",
        [*map(readable, avatars.NAMES), "Morph"],
        assert_shows_the_mixed_face,
    ),
    "noise": Case(
        "noise_to_face({'Eyeglasses': True}, time=0.5, steps=4, draw=5)",
        ["Time t", "Steps", "Draw"],
        assert_shows_the_carried_face,
    ),
    "playground": Case("playground()", [], assert_shows_a_network_before_its_first_step),
}
