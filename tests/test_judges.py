"""Judges: what they are trained to name, and of what they are trained to be unsure."""

import digit_judge
import torch
from support import generator

from vaelib import avatars, judges, metrics, weights
from vaelib.data import Faces, Images


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
        assert metrics.attribute_accuracy(judge, fresh).min() == 1
        half = metrics.attribute_probabilities(judge, (with_it + without) / 2)[:, 0]
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


def test_each_channel_is_softened_by_itself():
    x = torch.zeros(1, 3, 20, 20)
    x[:, 1, 10, 10] = 1
    soft = judges.soften(x, 1.5, 0, generator())
    assert soft[:, [0, 2]].abs().max() == 0


def test_spoiled_digits_are_labelled_only_where_two_differ():
    x, labels = torch.rand(40, 1, 28, 28, generator=generator()), torch.arange(40) % 3
    mixed, is_bad = digit_judge._spoil(x, labels, 20, generator())
    assert mixed.shape == (20, 1, 28, 28)
    assert 5 < is_bad.sum() < 20


def test_a_digit_judge_learns_digits():
    pixels = torch.zeros(200, 1, 28, 28, dtype=torch.uint8)
    labels = torch.arange(200) % 10
    for i, digit in enumerate(labels.tolist()):
        pixels[i, 0, :, 2 * digit + 4 : 2 * digit + 6] = 255
    # Shifted by two pixels one bar is another digit: not here.
    images = Images(pixels, labels)
    judge = digit_judge.fit_digit_judge(images, epochs=25, spoiled=0, blur=0.5, shift=0)
    assert metrics.accuracy(judge, images) == 1


def test_the_shipped_judge_is_as_good_as_its_recipe_says_on_faces_it_has_not_seen():
    said = weights.recipe("judge-avatars")["figures"]["accuracy"]
    assert list(said) == list(avatars.NAMES)
    found = metrics.attribute_accuracy(
        weights.load("judge-avatars"), avatars.faces(500, start=22_000, progress=False)
    )
    for (name, expected), accuracy in zip(said.items(), found.tolist()):
        assert expected >= 0.97, name
        assert abs(accuracy - expected) < 0.02, name  # over three standard errors of 500
