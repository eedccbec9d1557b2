"""A reader's own photographs: pictures in a folder, and a table of what each face has."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support import free

import vaelib
from vaelib import images
from vaelib.data import DataError, Faces
from vaelib.photographs import FEWEST

N = 2 * FEWEST
FILES = [f"face {i:02}.png" for i in range(N)]
HAS = [(i % 2 == 0, i < FEWEST) for i in range(N)]


def picture(i: int, mode: str = "RGB", shape=(90, 70)) -> Image.Image:
    coarse = np.random.default_rng(i).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(shape, Image.Resampling.NEAREST).convert(mode)


def write_table(path: Path, rows=HAS, files=FILES, names=("Smiling", "Hat"), comma=",", words="10"):
    lines = [comma.join(["picture", *names])]
    for file, has in zip(files, rows, strict=True):
        lines.append(comma.join([file, *(words[0] if yes else words[1] for yes in has)]))
    path.write_text("\n".join(lines) + "\n")


def make(root: Path, mode: str = "RGB") -> tuple[Path, Path]:
    (root / "pictures").mkdir(parents=True)
    for i, file in enumerate(FILES):
        picture(i, mode).save(root / "pictures" / file)
    write_table(root / "labels.csv")
    return root / "pictures", root / "labels.csv"


@pytest.fixture
def own(tmp_path):
    return make(tmp_path)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def refused(own, *said: str) -> None:
    with pytest.raises(DataError) as error:
        vaelib.faces_from_folder(*own)
    for words in said:
        assert words in str(error.value)


# --- Good pictures --------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
@pytest.mark.parametrize("size", [1, 8, 64, 100])
def test_pictures_are_their_middle_square_in_the_size_asked_for(tmp_path, mode, channels, size):
    faces = vaelib.faces_from_folder(*make(tmp_path, mode), size=size)
    assert isinstance(faces, Faces)
    assert not faces.ink
    assert faces.pixels.shape == (N, channels, size, size)
    for i, found in enumerate(faces.pixels):
        middle = picture(i, mode).crop((10, 0, 80, 70))
        expected = np.array(middle.resize((size, size), Image.Resampling.LANCZOS))
        assert np.array_equal(found.permute(1, 2, 0).numpy(), np.atleast_3d(expected))


@pytest.mark.parametrize("shape", [(93, 70), (70, 93)])
def test_of_an_odd_rest_the_smaller_half_lies_before_the_square(own, shape):
    picture(0, shape=shape).save(own[0] / FILES[0])
    before = [(side - 70) // 2 for side in shape]
    middle = picture(0, shape=shape).crop((*before, before[0] + 70, before[1] + 70))
    expected = np.array(middle.resize((64, 64), Image.Resampling.LANCZOS))
    found = vaelib.faces_from_folder(*own).pixels[0].permute(1, 2, 0).numpy()
    assert np.array_equal(found, expected)


def test_labels_follow_the_table_and_not_the_folder(own):
    write_table(own[1], HAS[::-1], FILES[::-1])
    faces = vaelib.faces_from_folder(*own)
    assert faces.names == ("Smiling", "Hat")
    assert faces.labels.tolist() == [list(has) for has in HAS[::-1]]
    assert faces[N - 1].pixels.equal(vaelib.faces_from_folder(*own).pixels[N - 1 :])


@pytest.mark.parametrize("words", [("1", "-1"), ("true", "false"), ("TRUE", "0"), (" 1 ", " 0")])
@pytest.mark.parametrize("comma", [",", ";"])
def test_tables_as_programs_write_them_say_the_same(own, words, comma):
    write_table(own[1], comma=comma, words=words)
    own[1].write_bytes(b"\xef\xbb\xbf" + own[1].read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert vaelib.faces_from_folder(*own).labels.tolist() == [list(has) for has in HAS]


def test_one_line_may_say_yes_and_no_in_all_five_ways(own):
    rows = [["1", "TRUE", "0", "-1", "false"], ["false", "-1", "1", "true", "1"]] * FEWEST
    lines = [",".join([file, *row]) for file, row in zip(FILES, rows, strict=True)]
    own[1].write_text("\n".join(["picture,A,B,C,D,E", *lines]))
    found = vaelib.faces_from_folder(*own).labels.tolist()
    assert found == [[True, True, False, False, False], [False, False, True, True, True]] * FEWEST


def test_a_semicolon_in_a_name_is_none_between_columns(own):
    (own[0] / FILES[0]).rename(own[0] / "face; 00.png")
    edit(own[1], FILES[0], "face; 00.png")
    assert len(vaelib.faces_from_folder(*own)) == N


def test_a_picture_taken_with_the_camera_on_its_side_is_turned(own, tmp_path):
    on_its_side = picture(0).transpose(Image.Transpose.ROTATE_90)
    on_its_side.save(own[0] / FILES[0], exif=exif(6))
    upright = vaelib.faces_from_folder(*make(tmp_path / "upright"))
    assert vaelib.faces_from_folder(*own)[0].pixels.equal(upright[0].pixels)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def test_what_else_lies_in_the_folder_does_no_harm(own):
    (own[0] / "notes.txt").write_text("mine")
    (own[0] / "older").mkdir()
    assert len(vaelib.faces_from_folder(*own)) == N


# --- Bad input, named -----------------------------------------------------------------------


def test_a_picture_without_a_line_is_named(own):
    picture(0).save(own[0] / "zoe.jpg")
    picture(0).save(own[0] / "ann.JPG")
    refused(own, "2 pictures have no line in", "the first ann.JPG")


def test_a_line_without_its_picture_is_named(own):
    (own[0] / FILES[7]).unlink()
    refused(own, FILES[7], "No such file", "Expected a picture for each line")


@pytest.mark.parametrize("content", [b"", b"no image", b"<html>"])
def test_a_picture_that_is_none_is_named(own, content):
    (own[0] / FILES[7]).write_bytes(content)
    refused(own, f"{FILES[7]}: it is no image")


@given(st.integers(0, 2000), st.binary(min_size=4, max_size=4))
def test_damage_in_a_picture_never_ends_in_an_error_of_the_decoder(at, bytes_):
    content, said = bytearray(GOOD), ""
    with pytest.MonkeyPatch.context() as patch:
        content[at % len(content) : at % len(content) + 4] = bytes_
        patch.setattr(Path, "iterdir", lambda _: [Path(file) for file in FILES])
        patch.setattr(Path, "read_bytes", lambda _: bytes(content))
        patch.setattr(Path, "read_text", lambda *_, **__: TABLE)
        try:
            assert len(vaelib.faces_from_folder("p", "t")) == N
        except DataError as error:
            said = str(error)
    assert not said or (FILES[0] in said and "Expected a picture for each line" in said)


def png() -> bytes:
    file = io.BytesIO()
    picture(0).save(file, "PNG")
    return file.getvalue()


GOOD = png()
TABLE = "picture,A\n" + "".join(f"{file},{int(i < FEWEST)}\n" for i, file in enumerate(FILES))


@pytest.mark.parametrize("side", [11_000, 20_000])
def test_an_enormous_picture_is_named_and_not_decoded(own, side):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n"
    (own[0] / FILES[3]).write_bytes(start + chunk(b"IHDR", header) + chunk(b"IDAT", b""))
    refused(own, FILES[3], f"Image size ({side**2} pixels) exceeds")


def test_a_picture_of_sixteen_bits_is_named(own):
    Image.fromarray(np.full((70, 90), 40_000, np.uint16)).save(own[0] / FILES[3])
    refused(own, FILES[3], "it has more than 8 bits a pixel")


def test_a_grey_picture_among_colour_is_named_and_the_other_way_round(own, tmp_path):
    picture(4, "L").save(own[0] / FILES[4])
    refused(own, f"{FILES[4]} is grey, {FILES[0]} is colour: expected all of one kind")
    grey = make(tmp_path / "grey", "L")
    picture(4).save(grey[0] / FILES[4])
    refused(grey, f"{FILES[4]} is colour, {FILES[0]} is grey")


@pytest.mark.parametrize(("verb", "has"), [("have", False), ("lack", True)])
def test_an_attribute_of_everyone_or_of_no_one_is_named(own, verb, has):
    write_table(own[1], [(smiling, has) for smiling, _ in HAS])
    refused(own, f"no faces {verb} 'Hat'", f"expected at least {FEWEST}")


def test_too_few_faces_with_an_attribute_are_counted(own):
    edit(own[1], f"{FILES[0]},1,1", f"{FILES[0]},0,1")
    refused(own, f"{FEWEST - 1} faces have 'Smiling'")


def test_names_alike_are_refused(own):
    write_table(own[1], names=("Hat", "Hat"))
    refused(own, "has two columns Hat, expected one")
    write_table(own[1], files=[FILES[1], *FILES[1:]])
    refused(own, f"has two lines for {FILES[1]}, expected one")


@pytest.mark.parametrize("value", ["2", "", "yes", "nan", "1.0"])
def test_a_label_that_is_neither_yes_nor_no_is_named(own, value):
    edit(own[1], f"{FILES[3]},0,1", f"{FILES[3]},{value},1")
    refused(own, f"{FILES[3]} has '{value}, 1', expected 1, 0, -1, true or false for 2")


@pytest.mark.parametrize("rest", ["1", "1,0,1", ""])
def test_a_line_of_another_length_is_named(own, rest):
    edit(own[1], f"{FILES[3]},0,1", f"{FILES[3]},{rest}")
    refused(own, f"{FILES[3]} has ", "for 2 attributes")


def test_each_column_has_a_name(own):
    write_table(own[1], names=("Hat", ""))
    refused(own, "expected a name for the files and for each attribute")


@pytest.mark.parametrize("text", ["", "picture\n", "picture,\n", "\n\n", "picture,Hat\n"])
def test_a_table_without_attributes_or_lines_is_refused(own, text):
    own[1].write_text(text)
    refused(own, "labels.csv", "expected" if text != "picture,Hat\n" else "no line")


def test_a_missing_folder_or_table_is_named(own, tmp_path):
    refused((tmp_path / "nowhere", own[1]), "nowhere", "Expected a folder of pictures and a table")
    refused((own[0], tmp_path / "no.csv"), "no.csv", "Expected a folder of pictures and a table")
    own[1].write_bytes(b"\xff\xfe\x00")
    refused(own, "labels.csv", "Expected a folder of pictures and a table in UTF-8")


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_that_cannot_be_is_refused(own, size):
    with pytest.raises(ValueError, match=f"size must be a whole number, at least 1, got {size}"):
        vaelib.faces_from_folder(*own, size=size)


def test_too_many_pictures_for_the_memory_are_refused(own, monkeypatch):
    monkeypatch.setattr(images, "psutil", free(1e5))
    refused(own, f"{N} faces of 64 x 64 need 0 MB of memory, which cannot be had")


def test_progress_is_shown_and_wiped(own, capsys):
    assert vaelib.faces_from_folder(*own).pixels.dtype == torch.uint8
    shown = capsys.readouterr().err
    assert f"/{N}" in shown
    assert shown.endswith("\r")
