"""Judges: what they are trained to name and of what to be unsure, and what they are asked: on
made-up cases whose answer is known, then on real digits."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import bars, generator
from torch import nn

from vaelib import avatars, data, judges, latent, metrics, weights
from vaelib.data import Faces, Images
from vaelib.judges import Judge
from vaelib.models import seeded


def squares(n=400, seed=0) -> Faces:
    """8 x 8 pictures: the left half dark or not, the top half dark or not, on white."""
    random = generator(seed)
    has = torch.rand(n, 2, generator=random) < 0.5
    pixels = torch.full((n, 3, 8, 8), 255, dtype=torch.uint8)
    pixels[has[:, 0], 0, :, :4] = 0
    pixels[has[:, 1], 1, :4] = 0
    return Faces(pixels, has, ("left", "top"))


def test_an_attribute_judge_names_what_it_was_shown_and_doubts_what_is_half_there():
    fresh = squares(seed=1)
    x = fresh.float()
    with_it, without = x[fresh.has("left")][:50], x[~fresh.has("left")][:50]
    off = {}
    for spoiled in (0.0, 0.5):
        judge = judges.fit_attribute_judge(squares(), epochs=30, lr=5e-3, spoiled=spoiled)
        assert judges.attribute_accuracy(judge, fresh).min() == 1
        half = judges.attribute_probabilities(judge, (with_it + without) / 2)[:, 0]
        off[spoiled] = (half - 0.5).abs().mean()
    assert off[0.5] < 0.25, "it was shown mixtures"
    assert off[0.5] < off[0.0] - 0.1, "a judge that was not is surer"


def test_a_judge_depends_on_its_seed_alone():
    one, two, other = (
        judges.fit_attribute_judge(squares(64), epochs=1, seed=seed).state_dict()
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


def test_a_judge_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    judges.fit_attribute_judge(squares(64), epochs=1)
    assert torch.equal(torch.rand(1), expected)


def test_softening_keeps_a_picture_s_ink_and_its_shape():
    x = torch.zeros(2, 3, 20, 20)
    x[:, :, 8:12, 8:12] = 1
    soft = judges.soften(x, 1.5, 0, generator())
    assert soft.shape == x.shape
    torch.testing.assert_close(soft.sum((2, 3)), x.sum((2, 3)))
    assert soft.max() <= 1 + 1e-6
    assert not torch.equal(soft, x)


def test_a_blur_of_no_width_leaves_a_picture_as_it_is():
    x = torch.rand(2, 1, 20, 20, generator=generator())
    torch.testing.assert_close(judges.soften(x, 0, 0, generator()), x)


def test_each_channel_is_softened_by_itself():
    x = torch.zeros(1, 3, 20, 20)
    x[:, 1, 10, 10] = 1
    soft = judges.soften(x, 1.5, 0, generator())
    assert soft[:, [0, 2]].abs().max() == 0


def test_spoiled_digits_are_labelled_only_where_two_differ():
    x, labels = torch.rand(40, 1, 28, 28, generator=generator()), torch.arange(40) % 3
    mixed, is_bad = judges._spoil(x, labels, 20, generator())
    other = torch.randint(40, (20,), generator=generator())  # what is drawn first
    assert is_bad.equal(labels[:20] != labels[other])
    assert mixed.shape == (20, 1, 28, 28)
    assert 5 < is_bad.sum() < 20


def test_a_spoiled_digit_is_a_double_exposure_or_two_halves_alike_from_one_seed():
    x, labels = torch.rand(40, 1, 28, 28, generator=generator(1)), torch.arange(40)
    mixed, with_another = judges._spoil(x, labels, 40, generator())
    assert mixed.equal(judges._spoil(x, labels, 40, generator())[0])
    theirs = x[torch.randint(40, (40,), generator=generator())]
    half = (mixed == torch.cat([x[:, :, :14], theirs[:, :, 14:]], 2)).flatten(1).all(1)
    assert 10 < half.sum() < 30
    mine, theirs, both = (part[~half & with_another].flatten(1) for part in (x, theirs, mixed))
    t = ((both - theirs) * (mine - theirs)).sum(1) / (mine - theirs).square().sum(1)
    assert 0.3 - 1e-5 <= t.min() < 0.4
    assert 0.6 < t.max() <= 0.7 + 1e-5
    torch.testing.assert_close(both, t[:, None] * mine + (1 - t[:, None]) * theirs)


def shown_by(monkeypatch, fit, train, **options):
    """What a judge is shown of a batch, and what is then right: batch(x, labels, generator)."""
    monkeypatch.setattr(judges, "fit_judge", lambda arguments, train, batch, *rest: batch)
    return fit(train, **options)


SHARP = 1e-3  # a blur that leaves a picture as it is


def test_a_mixed_face_has_its_labels_mixed_alike_and_the_others_have_their_own(monkeypatch):
    has = torch.rand(40, 3, generator=generator(1)) < 0.5
    x = has.float()[..., None, None].expand(-1, -1, 8, 8).contiguous()  # a channel an attribute
    train = Faces((255 * x).byte(), has, ("a", "b", "c"))
    batch = shown_by(monkeypatch, judges.fit_attribute_judge, train, blur=SHARP)
    shown, target = batch(x, has, generator())
    torch.testing.assert_close(shown.mean((2, 3)), target)
    assert target[12:].equal(has[12:].float())
    between = (target > 0.05) & (target < 0.95)
    assert between[:12].any(1).sum() > 6, "three tenths of the batch are mixtures"


def test_around_the_faces_is_white(monkeypatch):
    train = squares(10)
    batch = shown_by(monkeypatch, judges.fit_attribute_judge, train, blur=3, spoiled=0)
    shown, _ = batch(torch.ones(10, 3, 8, 8), train.labels, generator())
    torch.testing.assert_close(shown, torch.ones_like(shown))


def test_a_digit_that_is_none_is_every_digit_alike(monkeypatch):
    x, labels = torch.rand(40, 1, 28, 28, generator=generator()), torch.arange(40) % 3
    train = Images.from_float(x, labels)
    fit = judges.fit_digit_judge
    batch = shown_by(monkeypatch, fit, train, blur=SHARP, shift=0, spoiled=0.5)
    shown, target = batch(x, labels, generator())
    _, is_bad = judges._spoil(x, labels, 20, generator())
    expected = torch.nn.functional.one_hot(labels, 10).float()
    expected[:20][is_bad] = 0.1
    assert target.equal(expected)
    torch.testing.assert_close(shown[20:], x[20:])
    assert all(not shown[i].allclose(x[i]) for i in is_bad.nonzero()[:, 0].tolist())


def test_a_shift_is_as_far_to_either_side_and_in_either_direction():
    x = torch.zeros(1, 1, 15, 15)
    x[..., 7, 7] = 1
    seen = [judges.soften(x, SHARP, 2, generator(seed)).squeeze() for seed in range(200)]
    places = [(soft == soft.max()).nonzero()[0].tolist() for soft in seen]
    for axis in (0, 1):
        assert {place[axis] - 7 for place in places} == {-2, -1, 0, 1, 2}


def test_softening_is_a_gaussian_of_random_width_alike_in_both_directions():
    x = torch.zeros(1, 1, 15, 15)
    x[..., 7, 7] = 1
    away = torch.arange(15.0) - 7
    for seed in range(5):
        soft = judges.soften(x, 1.5, 0, generator(seed))[0, 0]
        width = 1.5 * torch.rand(1, generator=generator(seed))
        profile = torch.exp(-(away**2) / (2 * width**2)) * (away.abs() <= 3)
        profile = profile / profile.sum()
        torch.testing.assert_close(soft, profile[:, None] * profile, rtol=1e-4, atol=1e-6)


def test_the_steps_are_those_of_a_loop_written_by_hand(monkeypatch):
    bars = []

    class Bar(judges.tqdm):
        def close(self):
            bars.append((self.n, self.total))
            super().close()

    monkeypatch.setattr(judges, "tqdm", Bar)
    train, loss = squares(80), torch.nn.functional.binary_cross_entropy_with_logits
    arguments = {"image_shape": train.shape, "channels": (4,), "outputs": 2}

    def batch(x, labels, generator):
        return 1 - x, labels.float()

    found = judges.fit_judge(arguments, train, batch, loss, 3, 32, 1e-2, 5)
    with seeded(5):
        judge = Judge(**arguments)
    random = generator(5)
    optimiser = torch.optim.Adam(judge.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=3 * 3)
    for _ in range(3):
        for x, labels in train.batches(32, random):
            judge.zero_grad()
            loss(judge(1 - x), labels.float()).backward()
            optimiser.step()
            schedule.step()
    wanted = judge.state_dict()
    assert all(value.equal(wanted[name]) for name, value in found.state_dict().items())
    assert bars[0] == (9, 9), "the bar ends full"


def test_a_trained_judge_judges_and_no_longer_learns():
    assert not judges.fit_attribute_judge(squares(64), epochs=1).training


def test_a_digit_judge_learns_digits():
    pixels = torch.zeros(200, 1, 28, 28, dtype=torch.uint8)
    labels = torch.arange(200) % 10
    for i, digit in enumerate(labels.tolist()):
        pixels[i, 0, :, 2 * digit + 4 : 2 * digit + 6] = 255
    # Shifted by two pixels one bar is another digit: not here.
    images = Images(pixels, labels)
    judge = judges.fit_digit_judge(images, epochs=25, spoiled=0, blur=0.5, shift=0)
    assert judges.accuracy(judge, images) == 1


def test_the_shipped_judge_is_as_good_as_its_recipe_says_on_faces_it_has_not_seen():
    said = weights.recipe("judge-avatars")["figures"]["accuracy"]
    assert list(said) == list(avatars.NAMES)
    found = judges.attribute_accuracy(
        weights.load("judge-avatars"), avatars.faces(500, start=22_000, progress=False)
    )
    for (name, expected), accuracy in zip(said.items(), found.tolist()):
        assert expected >= 0.97, name
        assert abs(accuracy - expected) < 0.02, name  # over three standard errors of 500


# --- Recognised, balance, accuracy: a judge that reads its verdict from the picture ----------


def obvious_judge(pictures):
    """The top row of a picture holds the probabilities that this judge will give."""
    return pictures[:, 0, 0, :10].log()


def pictures_with(probabilities):
    pictures = torch.zeros(len(probabilities), 1, 28, 28)
    pictures[:, 0, 0, :10] = probabilities
    return pictures


def verdicts(*pairs):
    """Pictures on which the judge names ``digit`` with ``confidence``, for each pair."""
    rows = []
    for digit, confidence in pairs:
        row = torch.full((10,), (1 - confidence) / 9)
        row[digit] = confidence
        rows.append(row)
    return pictures_with(torch.stack(rows))


def test_recognised_is_the_share_at_or_above_the_threshold():
    pictures = verdicts((3, 0.9), (4, 0.8), (4, 0.7), (5, 0.2))
    assert judges.recognised(obvious_judge, pictures, 0.75) == 0.5
    assert judges.recognised(obvious_judge, pictures, 0.0) == 1
    assert judges.recognised(obvious_judge, pictures, 0.95) == 0


@given(st.floats(0.5, 0.99), st.integers(200, 600))
def test_the_threshold_keeps_the_share_asked_for(keep, n):
    confidence = 0.1 + 0.9 * torch.rand(n, generator=generator(n))
    pictures = verdicts(*[(i % 10, c) for i, c in enumerate(confidence.tolist())])
    images = Images.from_float(pictures)
    threshold = judges.recognition_threshold(obvious_judge, images, keep)
    share = judges.recognised(obvious_judge, images.float(), threshold)
    assert share == pytest.approx(keep, abs=0.02)  # pixels have 256 levels: there are ties


def test_probabilities_are_those_of_the_judge_in_order():
    probabilities = torch.rand(2500, 10, generator=generator()).softmax(1)
    found = judges.judge_probabilities(obvious_judge, pictures_with(probabilities))
    torch.testing.assert_close(found, probabilities)


def test_accuracy_counts_the_digits_named_right():
    pictures = Images.from_float(
        verdicts((3, 0.9), (4, 0.8), (4, 0.7), (5, 0.9)), torch.tensor([3, 4, 0, 1])
    )
    assert judges.accuracy(obvious_judge, pictures) == 0.5


def test_digit_shares_are_of_all_pictures():
    pictures = verdicts((3, 0.9), (3, 0.8), (5, 0.9), (4, 0.2))
    expected = torch.zeros(10)
    expected[3], expected[5] = 0.5, 0.25
    assert judges.digit_shares(obvious_judge, pictures, 0.5).equal(expected)


def test_balance_is_1_when_even_and_a_tenth_for_one_digit_alone():
    even = verdicts(*[(digit, 0.9) for digit in range(10)])
    assert judges.balance(obvious_judge, even, 0.5) == pytest.approx(1)
    alone = verdicts(*[(7, 0.9)] * 10)
    assert judges.balance(obvious_judge, alone, 0.5) == pytest.approx(0.1)
    two = verdicts((1, 0.9), (2, 0.9))
    assert judges.balance(obvious_judge, two, 0.5) == pytest.approx(0.2)


def test_balance_looks_at_recognised_pictures_alone():
    even = [(digit, 0.9) for digit in range(10)]
    unclear = verdicts(*even, *[(7, 0.4)] * 50)
    assert judges.balance(obvious_judge, unclear, 0.5) == pytest.approx(1)
    assert judges.balance(obvious_judge, unclear, 0.95) == 0


def test_at_the_threshold_a_picture_is_recognised():
    pictures = verdicts((3, 0.9), (4, 0.8))
    (sure, less) = judges.judge_probabilities(obvious_judge, pictures).amax(1).tolist()
    assert judges.recognised(obvious_judge, pictures, less) == 1
    assert judges.recognised(obvious_judge, pictures, sure) == 0.5


# --- What a judge is asked ------------------------------------------------------------------


ASKED = (judges.accuracy, judges.recognition_threshold, judges.attribute_accuracy,
         judges.clarity_threshold)  # fmt: skip


@pytest.mark.parametrize("ask", ASKED)
def test_a_judge_is_asked_of_images_with_their_labels_and_of_one_at_least(ask):
    with pytest.raises(TypeError, match=r"vaelib\.Images, got a Tensor"):
        ask(obvious_judge, pictures_with(torch.full((3, 10), 0.1)))
    with pytest.raises(ValueError, match="there are no images"):
        ask(obvious_judge, bars()[:0])


@pytest.mark.parametrize("ask", [judges.judge_probabilities, judges.attribute_probabilities])
def test_a_judge_of_digits_says_that_it_cannot_take_a_picture_in_colour(ask):
    with seeded(0):
        judge = Judge((1, 8, 8), (4,))
    with pytest.raises(ValueError, match=r"Judge cannot take .*\(2, 3, 8, 8\)"):
        ask(judge, torch.zeros(2, 3, 8, 8))


# --- The shipped judge, on real digits ------------------------------------------------------


def test_of_real_digits_95_percent_are_recognised_and_their_digits_balanced(
    judge, threshold, mnist
):
    x = mnist.test.float()
    assert judges.recognised(judge, x, threshold) == pytest.approx(0.95, abs=0.002)
    assert judges.balance(judge, x, threshold) == pytest.approx(0.97, abs=0.01)


def test_the_judge_names_real_digits_right(judge, mnist):
    assert judges.accuracy(judge, mnist.test) > 0.985


def test_double_exposures_of_two_digits_are_not_recognised(judge, threshold, mnist):
    x, labels = mnist.test.float(), mnist.test.labels
    other = torch.randperm(len(x), generator=generator())
    differ = labels != labels[other]
    double = (x[differ] + x[other][differ]) / 2
    assert judges.recognised(judge, double, threshold) < 0.1


@pytest.mark.parametrize(
    "picture",
    [
        lambda x: torch.rand(x.shape, generator=generator()),
        lambda x: x.flatten(2)[..., torch.randperm(784, generator=generator())].view_as(x),
        lambda x: torch.full_like(x, 0.5),
        lambda x: x.mean(0, keepdim=True),
    ],
    ids=["noise", "shuffled pixels", "grey", "mean image"],
)
def test_what_is_no_digit_is_not_recognised(judge, threshold, mnist, picture):
    assert judges.recognised(judge, picture(mnist.test[:1000].float()), threshold) < 0.02


@pytest.mark.parametrize("name", ["ae-mnist-2d", "vae-mnist-2d"])
@pytest.mark.parametrize("how", metrics.SAMPLERS)
def test_no_figure_hangs_on_the_blank_sheet_that_the_judge_takes_for_a_1(
    judge, threshold, mnist, name, how
):
    """The judge's known limit, told in chapter 1: hardly any sample is that faint."""
    model = weights.load(name)
    codes = latent.encode_images(model, mnist.train[:20_000])
    pictures = latent.decode_images(model, metrics.sample_codes(codes, 2000, how))
    faint = pictures[pictures.sum(dim=(1, 2, 3)) < 15]
    taken_for_digits = judges.judge_probabilities(judge, faint).amax(1) >= threshold
    assert taken_for_digits.sum() < 0.01 * len(pictures)


# --- attributes -----------------------------------------------------------------------------------


class Painted(nn.Module):
    """A judge of two attributes that reads their log-odds off the first two pixels."""

    def forward(self, x):
        return (x[:, 0, 0, :2] - 0.5) * 20


class Undecided(nn.Module):
    def forward(self, x):
        return torch.zeros(len(x), 2)


def painted(rows):
    pictures = torch.full((len(rows), 3, 4, 4), 0.5)
    pictures[:, 0, 0, :2] = torch.tensor(rows)
    return pictures


def test_attribute_accuracy_is_the_share_that_is_right_column_by_column():
    faces = data.Faces(
        (painted([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 1.0]]) * 255).to(torch.uint8),
        torch.tensor([[1, 0], [1, 0], [1, 0], [0, 0]], dtype=torch.bool),
        ("first", "second"),
    )
    assert judges.attribute_accuracy(Painted(), faces).tolist() == [0.75, 0.5]
    undecided = data.Faces(
        torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.zeros(1, 2).bool(), ("first", "second")
    )
    assert judges.attribute_accuracy(Undecided(), undecided).tolist() == [1, 1], "a half is no yes"


def test_clarity_is_that_of_the_least_clear_attribute():
    clarity = judges.clarity(Painted(), painted([[1.0, 0.0], [1.0, 0.5], [0.5, 0.0], [0.0, 0.0]]))
    assert clarity.tolist() == pytest.approx([1, 0.5, 0.5, 1], abs=1e-4)


@pytest.mark.parametrize("keep", [0.9, 0.6])
def test_a_share_keep_of_real_faces_reaches_the_threshold_of_clarity(keep):
    grey = [[0.5 + i / 200] * 2 for i in range(101)]
    pixels = (painted(grey) * 255).round().to(torch.uint8)
    faces = data.Faces(pixels, torch.ones(101, 2, dtype=torch.bool), ("first", "second"))
    threshold = judges.clarity_threshold(Painted(), faces, keep)
    share = (judges.clarity(Painted(), faces.float()) >= threshold).float().mean().item()
    assert share == pytest.approx(keep, abs=0.02)
    at_525 = 1 / (1 + math.exp(-0.5))  # the clarity of a grey of .525
    assert judges.clarity_threshold(Painted(), faces) == pytest.approx(at_525, abs=0.02)


def test_attribute_probabilities_do_not_depend_on_the_batch():
    pictures = torch.rand(1100, 3, 4, 4, generator=generator())
    whole = judges.attribute_probabilities(Painted(), pictures)
    assert whole.shape == (1100, 2)
    torch.testing.assert_close(
        whole[600:], judges.attribute_probabilities(Painted(), pictures[600:])
    )
