"""Faces drawn with known attributes: the same again, one attribute at a time, nothing half-made."""

import builtins
import itertools
import re
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from vaelib import avatars
from vaelib.avatars import NAMES, admissible, counterfactual, faces, traits
from vaelib.data import DataError

SHAPE = (3, 64, 64)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A cache of the tests' own, with one small block."""
    folder = tmp_path_factory.mktemp("avatars")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(avatars, "BLOCK", 100)
        yield folder


@pytest.fixture(scope="module")
def some(root):
    return faces(100, root=root, progress=False)


def test_faces_have_named_attributes_and_a_white_ground(some):
    assert some.pixels.shape == (100, *SHAPE)
    assert some.names == NAMES
    assert some.labels.shape == (100, len(NAMES))
    assert (some.pixels[:, :, 0, 0] == 255).all(), "the corner is white"
    assert some.pixels.flatten(1).float().std(1).min() > 20, "and the face is not"


def test_a_face_depends_on_seed_and_index_alone(some, root):
    again = [avatars.draw(avatars.options(*traits(0, i))) for i in (0, 7, 99)]
    assert np.array_equal(np.stack(again), some.pixels[[0, 7, 99]].numpy())
    tail = faces(30, start=60, root=root, progress=False)
    assert torch.equal(tail.pixels, some.pixels[60:90])
    assert torch.equal(tail.labels, some.labels[60:90])


def test_pictures_are_what_they_were(some):
    """A release of DiceBear or resvg that draws differently shows up here."""
    means = torch.nn.functional.avg_pool2d(some.pixels[:3].float(), 32)  # (3, 3, 2, 2)
    # An edge may be smoothed a little differently elsewhere; a part that is moved weighs more.
    assert (means.flatten() - torch.tensor(MEANS)).abs().max() < 0.5


MEANS = [
    235.6,
    235.4,
    228.8,
    228.9,
    214.8,
    214.4,
    197.5,
    197.6,
    201.1,
    200.6,
    176.9,
    177.0,
    221.5,
    222.7,
    251.3,
    251.4,
    212.1,
    213.1,
    234.9,
    235.0,
    204.2,
    204.8,
    217.2,
    217.2,
    188.5,
    178.7,
    221.1,
    220.9,
    173.8,
    163.9,
    195.1,
    194.9,
    165.9,
    156.2,
    177.4,
    177.2,
]


@pytest.fixture(scope="module")
def tossed():
    """What 20,000 faces of seed 0 have, and the tosses behind their looks."""
    return [traits(0, i) for i in range(20_000)]


def test_attributes_are_tossed_independently_and_as_often_as_said(tossed):
    has = torch.tensor([each for each, _ in tossed]).double()
    for share, (name, expected) in zip(has.mean(0).tolist(), avatars.ATTRIBUTES.items()):
        assert share == pytest.approx(expected, abs=0.015), name  # over four standard errors
    for a, b in itertools.combinations(range(len(NAMES)), 2):
        assert abs(torch.corrcoef(has[:, [a, b]].T)[0, 1]) < 0.03, (NAMES[a], NAMES[b])


def test_no_skin_tone_is_rarer_or_wears_other_hair(tossed):
    rows = [avatars.options(*each) for each in tossed]
    tones = [row["skinColor"] for row in rows]
    hair = avatars.DECIDED["Blond_Hair"]["hairColor"]
    for tone in avatars.LOOKS["skinColor"]:
        mine = [row for row in rows if row["skinColor"] == tone]
        assert len(mine) / len(tones) == pytest.approx(0.2, abs=0.012)
        blond = sum(row["hairColor"] in hair[1] for row in mine) / len(mine)
        assert blond == pytest.approx(avatars.ATTRIBUTES["Blond_Hair"], abs=0.035)


@pytest.mark.parametrize("attribute", NAMES)
def test_a_counterfactual_differs_in_its_attribute_alone(some, attribute):
    flipped = counterfactual(range(12), attribute)
    changed = flipped.labels != some.labels[:12]
    assert changed.sum(1).tolist() == [1] * 12
    assert changed[:, NAMES.index(attribute)].all()
    for i in range(12):
        before, tosses = traits(0, i)
        after = flipped.labels[i].tolist()
        old, new = avatars.options(before, tosses), avatars.options(after, tosses)
        different = {key for key in old if old[key] != new[key]}
        allowed = set(avatars.DECIDED[attribute])
        if attribute == "Blond_Hair":
            allowed.add("facialHairColor")  # a beard has the hair's colour
        assert different <= allowed
        assert different


def test_a_counterfactual_flipped_back_is_the_face_itself(some):
    for seed, (k, name) in itertools.product((0, 3), enumerate(NAMES)):
        flipped, (has, tosses) = counterfactual(5, name, seed), traits(seed, 5)
        back = flipped.labels[0].tolist()
        assert np.array_equal(
            flipped.pixels[0].numpy(), avatars.draw(avatars.options(back, tosses))
        )
        back[k] = not back[k]
        assert back == has
        assert seed or not torch.equal(flipped.pixels[0], some.pixels[5])


def test_every_attribute_can_be_seen_on_every_face(some):
    """A hat over short hair must not hide what colour the hair has."""
    for name in NAMES:
        flipped = counterfactual(range(100), name).pixels.int()
        moved = (flipped - some.pixels.int()).abs().amax(1) > 24  # (N, H, W): pixels that changed
        assert moved.flatten(1).sum(1).min() >= 8, name


def test_a_planted_correlation_has_the_strength_that_was_asked_for():
    follower, leader = NAMES.index("Eyeglasses"), NAMES.index("Beard")
    plant = ("Eyeglasses", "Beard", 0.9)
    has = torch.tensor([traits(3, i, plant)[0] for i in range(20_000)])
    with_it, without = has[has[:, leader], follower], has[~has[:, leader], follower]
    # follower = leader in a share s, else tossed: the two shares differ by s.
    assert with_it.double().mean() - without.double().mean() == pytest.approx(0.9, abs=0.01)
    plain = torch.tensor([traits(3, i)[0] for i in range(20_000)])
    others = [k for k in range(len(NAMES)) if k != follower]
    assert torch.equal(plain[:, others], has[:, others]), "nothing else changes"
    assert all(traits(3, i, (*plant[:2], 0.0)) == traits(3, i) for i in range(99))


@pytest.mark.parametrize("attribute", NAMES)
def test_the_admissible_twins_are_all_that_the_flip_allows_the_drawn_one_first(attribute):
    allowed = {"Smiling": (2, 1), "Eyeglasses": (1, 6), "Blond_Hair": (4, 2), "Beard": (1, 2),
               "Wearing_Hat": (1, 5), "Long_Hair": (4, 4), "Narrow_Eyes": (1, 2)}  # fmt: skip
    for index in range(6):
        twins, own = admissible(index, attribute), counterfactual(index, attribute)
        assert torch.equal(twins[0], own.pixels[0])
        assert len(twins.flatten(1).unique(dim=0)) == len(twins)
        assert len(twins) == allowed[attribute][own.has(attribute).int().item()]


def test_an_admissible_beard_has_the_colour_of_the_admissible_hair():
    bearded = next(i for i in range(99) if traits(0, i)[0][NAMES.index("Beard")])
    drawn, draw = [], avatars.draw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(avatars, "draw", lambda choices: drawn.append(choices) or draw(choices))
        admissible(bearded, "Blond_Hair")
    assert all(choices["facialHairColor"] == choices["hairColor"] for choices in drawn)
    assert len({choices["hairColor"] for choices in drawn}) == len(drawn)


def test_a_counterfactual_of_a_planted_face_is_of_that_face(root):
    plant = ("Eyeglasses", "Beard", 1.0)
    planted = faces(20, seed=3, plant=plant, root=root, progress=False)
    assert torch.equal(planted.has("Eyeglasses"), planted.has("Beard"))
    flipped = counterfactual(range(20), "Smiling", seed=3, plant=plant)
    assert ((flipped.labels != planted.labels).sum(1) == 1).all()


def test_the_cache_is_compact_and_its_key_is_the_recipe(some, root, monkeypatch):
    (block,) = root.glob("avatars/*-0/*.npz")
    assert block.stat().st_size < 100 * 2500
    assert re.fullmatch("[0-9a-f]{16}-0", block.parent.name)
    assert re.fullmatch("[0-9a-f]{16}", avatars.recipe())
    assert (root / "avatars.lock").exists()
    before = avatars.recipe()
    monkeypatch.setattr(avatars, "HAT_PLACE", "translate(8 0)")
    assert avatars.recipe() != before


@pytest.mark.parametrize("progress", [True, False])
def test_several_blocks_are_drawn_with_a_bar_and_without(
    tmp_path, monkeypatch, progress, some, capsys
):
    monkeypatch.setattr(avatars, "BLOCK", 50)
    drawn = faces(120, root=tmp_path, progress=progress)
    assert len(drawn.pixels) == 120
    assert torch.equal(drawn.pixels[: len(some.pixels)], some.pixels[:120])
    shown = capsys.readouterr().err
    assert ("/150 [" in shown) == progress, "three blocks of fifty"
    assert shown.endswith("\r") == progress, "and the bar is wiped"


@pytest.fixture
def numbered(monkeypatch):
    """Blocks of ten in which the face i has pixels of grey i, and which of them were drawn."""
    drawn = []

    def draw_blocks(blocks, folder, seed, plant, progress):
        drawn.extend(blocks)
        for block in blocks:
            greys = np.arange(10 * block, 10 * block + 10, dtype=np.uint8)
            pixels = np.broadcast_to(greys[:, None, None, None], (10, *SHAPE))
            np.savez(folder / f"{block}.npz", pixels=pixels)

    monkeypatch.setattr(avatars, "BLOCK", 10)
    monkeypatch.setattr(avatars, "_draw_blocks", draw_blocks)
    return drawn


@pytest.mark.parametrize(
    ("start", "n", "blocks"),
    [(0, 1, [0]), (0, 10, [0]), (0, 11, [0, 1]), (9, 1, [0]), (9, 2, [0, 1]), (10, 10, [1]),
     (13, 4, [1]), (15, 20, [1, 2, 3]), (20, 1, [2])],
)  # fmt: skip
def test_any_stretch_of_faces_is_cut_from_the_blocks_that_it_touches(
    tmp_path, numbered, start, n, blocks
):
    found = faces(n, start=start, root=tmp_path)
    assert found.pixels.flatten(1).float().mean(1).tolist() == list(range(start, start + n))
    assert found.labels.tolist() == [traits(0, i)[0] for i in range(start, start + n)]
    assert numbered == blocks
    faces(n, start=start, root=tmp_path)
    assert numbered == blocks, "and no block is drawn twice"


def test_a_block_of_another_size_is_drawn_again(tmp_path, numbered):
    faces(10, root=tmp_path)
    path = next(tmp_path.rglob("0.npz"))
    np.savez(path, pixels=np.zeros((9, *SHAPE), np.uint8))
    assert faces(10, root=tmp_path).pixels[3].unique().tolist() == [3]


def test_blocks_that_are_lost_as_they_are_drawn_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(avatars, "_draw_blocks", lambda *_: None)
    with pytest.raises(DataError, match=r"blocks \[0\] of .* were lost as they were drawn"):
        faces(1, root=tmp_path)


def test_what_other_code_drew_is_not_taken_from_the_cache(tmp_path, monkeypatch):
    before = avatars._folder(tmp_path, 0, None)
    changed = tmp_path / "avatars.py"
    changed.write_text(Path(avatars.__file__).read_text() + "\n# another line\n")
    monkeypatch.setattr(avatars, "__file__", str(changed))
    assert avatars._folder(tmp_path, 0, None) != before


def test_what_is_in_the_cache_is_not_drawn_again(some, root, monkeypatch):
    monkeypatch.setattr(avatars, "draw", lambda _: pytest.fail("drawn again"))
    monkeypatch.setattr(avatars, "_painters", lambda: pytest.fail("asked for the painters"))
    assert torch.equal(faces(40, root=root).pixels, some.pixels[:40])


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-500]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not a zip"),
        lambda path: flip_a_byte(path),
    ],
    ids=["cut off", "empty", "no archive", "a wrong byte"],
)
def test_a_damaged_block_is_drawn_again(some, root, damage):
    (block,) = root.glob("avatars/*-0/*.npz")
    damage(block)
    assert torch.equal(faces(100, root=root, progress=False).pixels, some.pixels)
    assert list(block.parent.iterdir()) == [block]


def test_a_block_of_another_kind_of_number_is_drawn_again(some, root):
    path = next(root.rglob("0.npz"))
    np.savez_compressed(path, pixels=some.pixels.numpy() / 255)  # which as uint8 would be black
    assert faces(100, root=root, progress=False).pixels.equal(some.pixels)


def test_faces_beyond_the_memory_are_refused_before_anything_is_tossed(monkeypatch):
    monkeypatch.setattr(avatars, "traits", lambda *_: pytest.fail("it began to toss"))
    with pytest.raises(DataError, match=r"1,000,000,000 faces .* need 12,288,000 MB of memory"):
        faces(10**9)


def test_time_and_room_of_many_faces_are_told_first(root, monkeypatch, capsys):
    def toss(*_):
        said.append(capsys.readouterr().out)
        raise KeyboardInterrupt

    said = []
    monkeypatch.setattr(avatars, "traits", toss)
    with pytest.raises(KeyboardInterrupt):
        faces(72_000, root=root)
    assert "72,000 faces: 0.9 GB of memory; where they are not drawn yet, 3 minutes" in said[0]
    for n, progress in ((100, True), (72_000, False), (avatars.MANY - 1, True)):
        with pytest.raises(KeyboardInterrupt):
            faces(n, root=root, progress=progress)
        assert said[-1] == ""
    with pytest.raises(KeyboardInterrupt):
        faces(avatars.MANY, root=root)
    assert "50,000 faces" in said[-1]


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_two_runs_at_once_draw_once_and_leave_whole_files(tmp_path, some, monkeypatch):
    results, errors, drawings = [], [], []
    really_draw = avatars._draw_blocks

    def draw_blocks(blocks, *given):
        drawings.append(blocks)
        really_draw(blocks, *given)

    monkeypatch.setattr(avatars, "_draw_blocks", draw_blocks)

    def run():
        try:
            results.append(faces(100, root=tmp_path, progress=False).pixels)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # joblib runs one by one outside the main thread
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
    assert drawings == [[0]]
    assert all(torch.equal(pixels, some.pixels) for pixels in results)
    assert [path.suffix for path in tmp_path.glob("avatars/*/*")] == [".npz"]


def test_an_unknown_attribute_names_the_known_and_the_nearest():
    with pytest.raises(ValueError, match=r"'Smile'\. Did you mean 'Smiling'\? There are: Smiling,"):
        counterfactual(0, "Smile")
    with pytest.raises(ValueError, match=r"'Glasses'.*Eyeglasses"):
        faces(1, plant=("Glasses", "Beard", 0.5))


@pytest.mark.parametrize("n", [0, -3])
def test_a_number_of_faces_below_one_is_refused(n):
    with pytest.raises(ValueError, match=f"n must be a whole number, at least 1, got {n}"):
        faces(n)


def test_a_face_before_the_first_is_refused():
    for twins in (counterfactual, admissible):
        with pytest.raises(ValueError, match="index must be a whole number, at least 0, got -1"):
            twins(-1, "Beard")
    with pytest.raises(ValueError, match="start must be a whole number, at least 0, got -2"):
        faces(3, start=-2)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_that_is_no_share_is_refused(strength):
    with pytest.raises(ValueError, match="strength is a share from 0 to 1"):
        traits(0, 0, ("Eyeglasses", "Beard", strength))


@pytest.mark.parametrize("missing", ["dicebear", "dicebear_styles", "resvg_py"])
def test_without_a_painter_the_error_says_what_to_install(tmp_path, monkeypatch, missing):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name.split(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(DataError, match=rf"{missing} is not installed: run .*vaelib\[faces\]"):
        faces(1, root=tmp_path)
    with pytest.raises(DataError, match=rf"{missing} is not installed"):
        counterfactual(0, "Beard")


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(DataError, match=r"could not be written to .*set VAELIB_DATA"):
        faces(1, root=blocked, progress=False)
