"""The figure helpers: where they draw, what they draw, and that they leave the rest alone."""

import inspect
import math

import matplotlib
import pytest
import torch
from support import generator

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb

from vaelib import plots
from vaelib.data import Faces, Images
from vaelib.latent import Codes
from vaelib.losses import kl_divergence


@pytest.fixture(autouse=True)
def no_window(monkeypatch):
    """A helper never shows: the notebook does. No figure outlives its test."""

    def refuse(*_, **__):
        raise AssertionError("a plot helper called show()")

    monkeypatch.setattr(plt, "show", refuse)
    yield
    plt.close("all")


def points(n=50, seed=0):
    return torch.randn(n, 2, generator=generator(seed))


def labels(n=50):
    return torch.arange(n) % 10


def images(n=7, channels=1, h=4, w=6):
    return torch.rand(n, channels, h, w, generator=generator())


def judged():
    """A recognised 7 on the left half, a 1 that is not recognised on the right."""
    digits = torch.full((20, 30), 7)
    digits[:, 15:] = 1
    recognised = torch.ones(20, 30, dtype=torch.bool)
    recognised[:, 15:] = False
    return digits, recognised


def posteriors(n=50):
    mu = points(n)
    return Codes(mu, 2 * points(n, seed=1), mu, labels(n))


HELPERS = {
    "pictures": lambda ax: plots.pictures(images(), ax=ax),
    "sheet": lambda ax: plots.sheet(images(6).unflatten(0, (2, 3)), ax=ax),
    "digit_map": lambda ax: plots.digit_map(*judged(), (-3, 3, -2, 2), ax=ax),
    "codes": lambda ax: plots.codes(points(), labels(), ax=ax),
    "histogram": lambda ax: plots.histogram_against_normal(points()[:, 0], ax=ax),
    "kl_integrand": lambda ax: plots.kl_integrand(1.0, -1.0, ax=ax),
}
each_helper = pytest.mark.parametrize("draw", HELPERS.values(), ids=HELPERS)


@each_helper
def test_a_helper_draws_on_the_axis_it_is_given_and_returns_it(draw):
    _, ax = plt.subplots()
    assert draw(ax) is ax
    assert ax.has_data()
    assert len(plt.get_fignums()) == 1


@each_helper
def test_without_an_axis_a_helper_makes_one_figure(draw):
    ax = draw(None)
    assert isinstance(ax, Axes)
    assert ax.has_data()
    assert len(plt.get_fignums()) == 1


@each_helper
def test_a_helper_can_be_drawn_and_leaves_the_settings_alone(draw):
    before = dict(plt.rcParams)
    draw(None).figure.canvas.draw()
    assert dict(plt.rcParams) == before


def test_every_helper_that_can_make_its_axis_is_tested_above():
    takes_axis = {
        name
        for name, function in vars(plots).items()
        if inspect.isfunction(function)
        and not name.startswith("_")
        and (ax := inspect.signature(function).parameters.get("ax"))
        and ax.default is None
    }
    renamed = {"histogram_against_normal": "histogram"}
    assert {renamed.get(name, name) for name in takes_axis} == set(HELPERS)


@pytest.mark.parametrize(
    ("draw", "size"),
    [
        (lambda: plots.pictures(images(12, h=8, w=8)), (9, 2 * 0.95 * 0.9)),
        (lambda: plots.pictures(images(3, h=8, w=8)), (2.7, 0.95 * 0.9)),
        (lambda: plots.pictures(images(6, 3, 64, 64), columns=3), (3.75, 2 * 0.95 * 1.25)),
        (lambda: plots.pictures(images(6, h=64, w=63), columns=3), (2.7, 2 * 0.95 * 0.9)),
        (lambda: plots.pictures(images(10, 3, 64, 64)), (9, 0.95 * 0.9)),
        (lambda: plots.pictures(images(2), captions=["a", "b"]), (1.8, 0.95 * 0.9 + 0.3)),
        (lambda: plots.pictures(images(2), captions=["a" * 8, "b"]), (1.8, 0.95 * 0.9 + 0.3)),
        (lambda: plots.pictures(images(2), captions=["a" * 9, "b"]), (1.8, 0.95 * 0.9 + 0.7)),
        (lambda: plots.sheet(images(6).unflatten(0, (2, 3))), (6, 4)),
        (lambda: HELPERS["digit_map"](None), (5.5, 5.5)),
        (lambda: HELPERS["codes"](None), (5.5, 5.5)),
        (lambda: HELPERS["histogram"](None), (5, 3)),
        (lambda: HELPERS["kl_integrand"](None), (6, 2.6)),
        (lambda: plots.panels(2)[1][0], (9, 4.5)),
        (lambda: plots.panels(2, 6, 2)[1][0], (6, 2)),
    ],
)
def test_a_figure_fits_a_page_and_is_as_high_as_what_it_shows(draw, size):
    assert draw().figure.get_size_inches().tolist() == pytest.approx(size)


def visible(ax):
    return [side for side, spine in ax.spines.items() if spine.get_visible()]


def test_pictures_and_a_sheet_without_an_extent_have_neither_frame_nor_ticks():
    for ax in (plots.pictures(images()), plots.sheet(images(6).unflatten(0, (2, 3)))):
        assert visible(ax) == [*ax.get_xticks(), *ax.get_yticks()] == []
    assert len(visible(plots.sheet(images(6).unflatten(0, (2, 3)), (-3, 3, -2, 2)))) == 4


# --- Pictures -------------------------------------------------------------------------------


def test_ten_pictures_stand_in_a_row_and_fewer_take_no_more_room():
    assert sheet_of(plots.pictures(images(12))).shape == (2 * 4 + 1, 10 * 6 + 9)
    assert sheet_of(plots.pictures(images(3))).shape == (4, 3 * 6 + 2)


@pytest.mark.parametrize("length", [8, 9])
def test_captions_that_would_run_into_each_other_are_turned(length):
    ax = plots.pictures(images(2), captions=["a" * length, "b"])
    turns = {label.get_rotation() > 0 for label in ax.get_xticklabels()}
    assert turns == {length > 8}


def sheet_of(ax):
    return torch.as_tensor(ax.get_images()[0].get_array())


def test_pictures_lie_in_reading_order_with_a_gap():
    pictures = images(7)
    sheet = sheet_of(plots.pictures(pictures, columns=3))
    assert sheet.shape == (3 * 4 + 2, 3 * 6 + 2)
    for i, picture in enumerate(pictures):
        top, left = (i // 3) * 5, (i % 3) * 7
        torch.testing.assert_close(sheet[top : top + 4, left : left + 6], picture[0])
    assert (sheet[4] == 0).all()  # the gap; ink is dark, so 0 is white


def test_titles_name_the_rows_and_captions_the_columns():
    ax = plots.pictures(images(6), columns=3, titles=["up", "down"], captions=list("abc"))
    sheet = sheet_of(ax)
    rows = [(label.get_text(), y) for label, y in zip(ax.get_yticklabels(), ax.get_yticks())]
    columns = [(label.get_text(), x) for label, x in zip(ax.get_xticklabels(), ax.get_xticks())]
    assert [name for name, _ in rows] == ["up", "down"]
    assert [name for name, _ in columns] == ["a", "b", "c"]
    assert all(row * 5 < y < row * 5 + 4 for row, (_, y) in enumerate(rows))
    assert all(column * 7 < x < column * 7 + 6 for column, (_, x) in enumerate(columns))
    assert sheet.shape == (9, 20)


def test_underline_marks_the_chosen_pictures_and_no_others():
    ax = plots.pictures(images(7), columns=3)
    plots.underline(ax, torch.tensor([True, False, False, False, True, False, False]), 3, (4, 6))
    assert len(ax.lines) == 2
    for line, (top, left) in zip(ax.lines, ((0, 0), (5, 7))):
        (x0, x1), (y0, y1) = line.get_data()
        assert left <= x0 < x1 < left + 6
        assert top <= y0 == y1 < top + 4


def test_pictures_in_colour_keep_their_channels_and_have_white_gaps():
    pictures = images(4, channels=3)
    sheet = sheet_of(plots.pictures(pictures, columns=2))
    assert sheet.shape == (9, 13, 3)
    torch.testing.assert_close(sheet[5:, 7:], pictures[3].permute(1, 2, 0))
    assert (sheet[4] == 1).all()


def test_grey_levels_mean_the_same_in_every_figure():
    for pictures in (images(2), images(2) * 0.1, torch.zeros(2, 1, 4, 4)):
        assert plots.pictures(pictures).get_images()[0].get_clim() == (0, 1)
        assert plots.sheet(pictures[None]).get_images()[0].get_clim() == (0, 1)


def shown(ax):
    """The colours that a reader sees, (rows, columns, RGB)."""
    (drawn,) = ax.get_images()
    return torch.as_tensor(drawn.to_rgba(drawn.get_array()))[..., :3]


def photographs(n=6):
    """Grey photographs as a reader would hold them: dark to the left, light to the right."""
    x = torch.linspace(0, 1, 6).expand(n, 1, 4, 6)
    return Faces(Images.from_float(x).pixels, torch.zeros(n, 1).bool(), ("Smiling",))


def test_photographs_are_shown_as_they_are_and_digits_as_ink():
    x = photographs().float()
    digits = Images.from_float(x, ink=True)
    light, ink = shown(plots.pictures(photographs())), shown(plots.pictures(digits))
    for column in range(6):
        assert light[0, column].tolist() == pytest.approx([column / 5] * 3, abs=0.01)
        assert ink[0, column].tolist() == pytest.approx([1 - column / 5] * 3, abs=0.01)
    assert shown(plots.pictures(x)).equal(ink)  # a bare tensor: the digits that a model decodes
    assert shown(plots.pictures(x, ink=False)).equal(light)
    assert shown(plots.pictures(photographs()[:2])).equal(light[:, :13])
    assert shown(plots.pictures(digits, ink=False)).equal(light)  # who says it has the last word


@pytest.mark.parametrize("ink", [True, False])
def test_paper_is_white_between_the_pictures_and_after_the_last(ink):
    sheet = shown(plots.pictures(torch.full((5, 1, 4, 6), 0.5), columns=3, ink=ink))
    assert (sheet[4] == 1).all()
    assert (sheet[:, 6] == 1).all()
    assert (sheet[5:, 14:] == 1).all()
    assert (sheet[:4, :6] < 0.6).all()


def test_a_sheet_of_photographs_is_no_negative():
    x = photographs(4).float()
    light = shown(plots.sheet(x.unflatten(0, (2, 2)), ink=False))
    ink = shown(plots.sheet(x.unflatten(0, (2, 2))))
    torch.testing.assert_close(light, 1 - ink, atol=0.01, rtol=0)
    assert (light[:, 5] == 1).all()


def test_colours_are_light_whatever_is_said():
    x = images(4, channels=3)
    expected = shown(plots.pictures(x))
    assert shown(plots.pictures(x, ink=True)).equal(expected)
    assert shown(plots.pictures(Images.from_float(x))).equal(
        shown(plots.pictures(Images.from_float(x).float()))
    )


def test_titles_stand_at_their_rows():
    ax = plots.pictures(images(4), columns=2, titles=["above", "below"])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["above", "below"]
    assert [0 <= tick < 4 for tick in ax.get_yticks()] == [True, False]
    assert [5 <= tick < 9 for tick in ax.get_yticks()] == [False, True]


def test_a_sheet_is_seamless_and_keeps_its_grid():
    decoded = images(6).unflatten(0, (2, 3))
    sheet = sheet_of(plots.sheet(decoded))
    assert sheet.shape == (2 * 4, 3 * 6)
    for row in range(2):
        for column in range(3):
            found = sheet[row * 4 : row * 4 + 4, column * 6 : column * 6 + 6]
            torch.testing.assert_close(found, decoded[row, column, 0])


def test_a_sheet_with_an_extent_has_named_axes_with_its_first_row_on_top():
    ax = plots.sheet(images(6).unflatten(0, (2, 3)), extent=(-3, 3, -2, 2))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$z_1$", "$z_2$")
    assert ax.get_images()[0].get_extent() == [-3, 3, -2, 2]
    assert ax.get_images()[0].origin == "upper"
    assert ax.get_ylim() == (-2, 2)


# --- Codes ----------------------------------------------------------------------------------


def test_codes_have_the_colour_of_their_digit():
    ax = plots.codes(points(), labels())
    (cloud,) = ax.collections
    torch.testing.assert_close(torch.as_tensor(cloud.get_offsets().data).float(), points())
    found = [to_hex(colour[:3]) for colour in cloud.get_facecolors()]
    assert found == [plots.DIGIT_COLORS[label] for label in labels().tolist()]


def test_each_digit_is_written_at_the_median_of_its_codes():
    ax = plots.codes(points(200), labels(200))
    assert [text.get_text() for text in ax.texts] == [str(digit) for digit in range(10)]
    for digit, text in enumerate(ax.texts):
        middle = points(200)[labels(200) == digit].median(0).values.tolist()
        assert text.get_position() == pytest.approx(middle)


def test_a_large_cloud_is_cut_to_its_limit():
    (cloud,) = plots.codes(points(50), labels(50), limit=20, size=7).collections
    assert len(cloud.get_offsets()) == 20
    assert cloud.get_sizes().tolist() == [7]


def test_codes_are_drawn_to_one_scale_and_named():
    ax = plots.codes(points(), labels(), title="a cloud")
    assert ax.get_aspect() == 1
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("$z_1$", "$z_2$", "a cloud")


def test_posterior_ellipses_have_the_standard_deviations_as_half_axes():
    _, ax = plt.subplots()
    codes = posteriors()._replace(z=points(seed=2))
    assert plots.posterior_ellipses(codes, ax, count=5, sigmas=2) is ax
    assert len(ax.patches) == 5
    for ellipse, mu, sigma in zip(ax.patches, codes.mu, codes.sigma, strict=False):
        assert ellipse.center == pytest.approx(mu.tolist())
        assert [ellipse.width / 2, ellipse.height / 2] == pytest.approx((2 * sigma).tolist())
        assert not ellipse.get_fill(), "what lies below it is seen"


def test_prior_circles_have_the_standard_deviations_as_radii():
    _, ax = plt.subplots()
    assert plots.prior_circles(ax) is ax
    assert [circle.radius for circle in ax.patches] == [1, 2, 3]
    assert all(circle.center == (0, 0) and not circle.get_fill() for circle in ax.patches)


def test_a_digit_map_has_the_digits_colours_and_is_pale_where_not_recognised():
    ax = plots.digit_map(*judged(), (-3, 3, -2, 2))
    (image,) = ax.get_images()
    colours = torch.as_tensor(image.get_array()).float()
    for column, digit, ink in ((0, 7, 0.85), (29, 1, 0.2)):
        full = torch.tensor(to_rgb(plots.DIGIT_COLORS[digit]))
        torch.testing.assert_close(colours[0, column], 1 - ink * (1 - full))
    assert tuple(image.get_extent()) == (-3, 3, -2, 2)
    assert (image.get_interpolation(), ax.get_aspect()) == ("nearest", "auto")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$z_1$", "$z_2$")


def test_a_digit_is_written_well_inside_its_recognised_patch():
    ax = plots.digit_map(*judged(), (-3, 3, -2, 2))
    (text,) = ax.texts
    assert text.get_text() == "7"
    x, y = text.get_position()
    assert -2 < x < -1  # the patch runs from -3 to 0
    assert -1 < y < 1


def test_the_first_row_of_a_digit_map_is_its_top():
    digits = torch.zeros(20, 20, dtype=torch.int64)
    digits[10:] = 3
    ax = plots.digit_map(digits, torch.ones(20, 20, dtype=torch.bool), (0, 1, 0, 1))
    heights = {text.get_text(): text.get_position()[1] for text in ax.texts}
    assert heights["0"] > 0.6
    assert heights["3"] < 0.4


# --- Curves ---------------------------------------------------------------------------------


def test_the_histogram_is_a_density_beside_the_normal_density():
    ax = plots.histogram_against_normal(points(500)[:, 0])
    assert len(ax.patches) == 60
    assert ax.get_ylabel() == "density"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["N(0, 1)"]
    area = sum(bar.get_width() * bar.get_height() for bar in ax.patches)
    assert area == pytest.approx(1, abs=1e-5)
    (curve,) = ax.get_lines()
    x, y = (torch.as_tensor(values).double() for values in curve.get_data())
    assert (x[0], x[-1]) == (-4, 4)
    assert torch.trapezoid(y, x).item() == pytest.approx(1, abs=1e-3)
    torch.testing.assert_close(
        y, (-(x**2) / 2).exp() / math.sqrt(2 * math.pi), rtol=1e-4, atol=1e-6
    )


def test_a_histogram_with_a_name_has_it_in_its_legend():
    ax = plots.histogram_against_normal(points(500)[:, 0], label="sampled codes")
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert sorted(said) == ["N(0, 1)", "sampled codes"]


def area(polygons):
    """The area inside closed polygons, by the shoelace formula."""
    total = 0
    for path in polygons.get_paths():
        for polygon in path.to_polygons():
            x, y = polygon.T
            total += abs((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) / 2
    return total


@pytest.mark.parametrize(("mu", "log_var"), [(0.0, -2.0), (1.0, -1.0), (-0.8, 0.3)])
def test_the_shaded_areas_of_the_kl_integrand_add_up_to_the_kl(mu, log_var):
    above, below = plots.kl_integrand(mu, log_var).collections
    assert to_hex(above.get_facecolor()[0]) == plots.ORANGE
    assert to_hex(below.get_facecolor()[0]) == plots.BLUE
    kl = kl_divergence(torch.tensor([[mu]]), torch.tensor([[log_var]])).item()
    assert area(above) - area(below) == pytest.approx(kl, rel=0.02)  # drawn to 4.5


@pytest.mark.parametrize(("mu", "log_var"), [(1.0, -1.0), (-0.8, 0.3)])
def test_the_curves_over_the_kl_integrand_are_the_prior_and_the_posterior(mu, log_var):
    ax = plots.kl_integrand(mu, log_var)
    prior, posterior, zero = ax.get_lines()
    assert (ax.get_xlim(), ax.get_ylabel()) == ((-4.5, 4.5), "density")
    _, said = ax.get_legend_handles_labels()
    shades = ["integrand > 0", "integrand < 0"]
    assert said == ["prior $p(z)$", "posterior $q(z|x)$", *shades]
    assert set(zero.get_ydata()) == {0}
    for line, middle, width in ((prior, 0.0, 1.0), (posterior, mu, math.exp(log_var / 2))):
        z, density = (torch.as_tensor(values).double() for values in line.get_data())
        assert (z[0], z[-1]) == (-4.5, 4.5)
        expected = torch.distributions.Normal(middle, width).log_prob(z).exp()
        torch.testing.assert_close(density, expected, rtol=1e-4, atol=1e-6)


def test_bars_lie_below_their_pictures_and_are_as_wide_as_they():
    ax = plots.pictures(images(7), columns=3)
    plots.underline(ax, torch.arange(7) == 4, 3, (4, 6))
    ((left, right),) = [line.get_xdata() for line in ax.lines]
    assert left - 7 == 7 + 5 - right == 2  # of columns 7 to 12
    ax = plots.underline(plots.pictures(images(6, 1, 28, 28), 2), torch.arange(6) == 5, 2)
    ((bottom, _),) = [line.get_ydata() for line in ax.lines]
    assert 58 + 25 < bottom < 58 + 27, "on the last rows of 58 to 85"


@pytest.mark.parametrize("rows", [2, 3, 11])
def test_a_digit_stands_in_the_middle_of_its_patch_unless_that_is_too_thin_to_write_in(rows):
    digits, recognised = torch.zeros(30, 60, dtype=torch.int64), torch.zeros(30, 60).bool()
    digits[5:16, 30:51] = 8
    recognised[5 : 5 + rows, 30 : 30 + rows] = True
    ax = plots.digit_map(digits, recognised, (-6, 6, -3, 3))
    places = [text.get_position() for text in ax.texts]
    if rows == 2:
        assert places == []
        return
    ((x, y),) = places
    row, column = (3 - y) / 6 * 30 - 0.5, (x + 6) / 12 * 60 - 0.5
    assert [row, column] == pytest.approx([5 + rows // 2, 30 + rows // 2])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_panels_are_a_row_of_axes(count):
    figure, axes = plots.panels(count)
    assert len(axes) == count
    assert figure.axes == axes
    assert len({ax.get_position().y0 for ax in axes}) == 1


# --- Tables ---------------------------------------------------------------------------------

TABLE = plots.Table(["model", "nats"], [["AE", "136.9"], ["<VAE>", "145.7"]])


def test_a_table_prints_its_columns_in_line():
    assert repr(TABLE).splitlines() == ["model  nats", "AE     136.9", "<VAE>  145.7"]
    long, wide = plots.Table(["a"], [["1"], ["22"], ["3"]]), plots.Table(["a", "b"], [["11", "2"]])
    assert repr(long).splitlines() == ["a", "1", "22", "3"]
    assert repr(wide).splitlines() == ["a   b", "11  2"]


def test_a_table_shows_its_cells_and_not_their_markup():
    html = TABLE._repr_html_()
    assert html.count("<th>") == 2
    assert html.count("<td>") == 4
    assert "<td>&lt;VAE&gt;</td>" in html


# --- Colours --------------------------------------------------------------------------------

# What the two common colour-vision deficiencies see, in linear RGB (Machado, Oliveira and
# Fernandes 2009, severity 1).
SEEN = {
    "everyone": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


def lab(linear):
    """CIE L*a*b* of linear RGB (N, 3) -> (N, 3)."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = linear @ torch.tensor(to_xyz).T / torch.tensor([0.9505, 1.0, 1.089])
    f = torch.where(xyz > 0.008856, xyz.clamp_min(1e-9) ** (1 / 3), 7.787 * xyz + 16 / 116)
    red_green, yellow_blue = 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])
    return torch.stack([116 * f[:, 1] - 16, red_green, yellow_blue], dim=1)


def differences(colours, seen):
    rgb = torch.tensor([to_rgb(colour) for colour in colours])
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    as_seen = lab((linear @ torch.tensor(SEEN[seen]).float().T).clamp(0, 1))
    return torch.pdist(as_seen)


@pytest.mark.parametrize("seen", SEEN)
def test_the_colours_of_the_digits_can_be_told_apart(seen):
    # A difference of 2.3 is just noticeable side by side; small dots need many times that.
    assert differences(plots.DIGIT_COLORS, seen).min() > 20
    assert differences([plots.BLUE, plots.ORANGE, plots.GREY], seen).min() > 20


# --- Attributes -------------------------------------------------------------------------------


def look(line):
    return to_hex(line.get_color()), line.get_linestyle()


@pytest.mark.parametrize("columns", [1, 7])
def test_a_face_is_shown_96_pixels_wide_and_smoothly_a_digit_with_its_pixels(columns):
    faces = plots.pictures(torch.rand(7, 3, 64, 64), columns=columns)
    faces.figure.canvas.draw()
    across = faces.get_window_extent().width * 65 / (65 * columns - 1)
    assert across * 100 / faces.figure.dpi >= 96  # the book's figures have 100 pixels an inch
    assert faces.images[0].get_interpolation() == "bilinear"
    digits = plots.pictures(torch.rand(7, 1, 28, 28), columns=columns)
    assert digits.images[0].get_interpolation() == "nearest"
