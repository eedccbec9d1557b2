"""CelebA read from a small folder in the official format. No test here needs the network.

The folder has 60 faces of 178 x 218 pixels: 40 for training, 12 for validation, 8 for testing.
"""

import contextlib
import errno
import inspect
import io
import os
import socket
import sys
import threading
import zipfile
from pathlib import Path

import huggingface_hub
import numpy as np
import pyarrow
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet
from support import free, generator

from vaelib import _download, images, photographs
from vaelib.data import DataError, celeba

# As the second line of list_attr_celeba.txt has them.
HEADER = (
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose "
    "Black_Hair Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee "
    "Gray_Hair Heavy_Makeup High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard "
    "Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair "
    "Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young"
)
NAMES = HEADER.split()
SIZES = (40, 12, 8)
N = sum(SIZES)
FILES = [f"{i:06d}.jpg" for i in range(1, N + 1)]
# Not in blocks, as the official split is: a reader that counted on blocks would go wrong.
SPLIT = torch.repeat_interleave(torch.arange(3), torch.tensor(SIZES))[
    torch.randperm(N, generator=generator(1))
].tolist()
LABELS = torch.rand(N, 40, generator=generator(2)) < 0.3
WEB_PAGE = (
    "<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head>"
    "<body>Sorry, you can't view or download this file at this time.</body></html>"
)
ATTRIBUTES = "list_attr_celeba.txt"
PARTITION = "list_eval_partition.txt"
ZIP = "img_align_celeba.zip"


def jpeg(i: int, shape=(178, 218)) -> bytes:
    """A picture of its own for each i, that shows where it is cut and how it is scaled."""
    random = np.random.default_rng(i)
    coarse = Image.fromarray(random.integers(0, 256, (10, 8, 3), dtype=np.uint8))
    file = io.BytesIO()
    coarse.resize(shape, Image.Resampling.NEAREST).save(file, "JPEG", quality=60)
    return file.getvalue()


JPEGS = [jpeg(i) for i in range(N)]


def attributes_text() -> str:
    rows = [f"{N}", HEADER + " "]
    for file, labels in zip(FILES, LABELS, strict=True):
        rows.append(f"{file} " + " ".join(" 1" if label else "-1" for label in labels))
    return "\n".join(rows) + "\n"


def partition_text() -> str:
    return "".join(f"{file} {part}\n" for file, part in zip(FILES, SPLIT, strict=True))


def write_zip(path: Path, prefix: str = "img_align_celeba/") -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(prefix, "")
        for file, content in zip(FILES, JPEGS, strict=True):
            archive.writestr(prefix + file, content)


def make(root: Path, packed: bool = False) -> Path:
    """The folder ``root/celeba`` with all the official files, unpacked or as they came."""
    folder = root / "celeba"
    folder.mkdir(parents=True)
    (folder / ATTRIBUTES).write_text(attributes_text())
    (folder / PARTITION).write_text(partition_text())
    (folder / "identity_CelebA.txt").write_text("".join(f"{file} 1\n" for file in FILES))
    boxes = f"{N}\nimage_id x_1 y_1 width height\n"
    (folder / "list_bbox_celeba.txt").write_text(
        boxes + "".join(f"{file}    95  71 226 313\n" for file in FILES)
    )
    points = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
    header = " ".join(f"{point}_x {point}_y" for point in points)
    (folder / "list_landmarks_align_celeba.txt").write_text(
        f"{N}\n{header}\n"
        + "".join(f"{file} 69  109  106  113   77  142   73  152  108  154\n" for file in FILES)
    )
    if packed:
        write_zip(folder / ZIP)
    else:
        (folder / "img_align_celeba").mkdir()
        for file, content in zip(FILES, JPEGS, strict=True):
            (folder / "img_align_celeba" / file).write_bytes(content)
    return folder


@pytest.fixture
def folder(tmp_path):
    return make(tmp_path)


@pytest.fixture
def packed(tmp_path):
    return make(tmp_path, packed=True)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder that no test may change, and what is read from it."""
    root = tmp_path_factory.mktemp("kept")
    make(root)
    return root, celeba(root)


def indices(part: int) -> list[int]:
    return [i for i in range(N) if SPLIT[i] == part]


def by_hand(i: int, size: int = 64) -> torch.Tensor:
    """Face i, cut by the pixel numbers that the Wasserstein autoencoder's code comes to."""
    image = Image.open(io.BytesIO(JPEGS[i])).crop((19, 39, 159, 179))
    pixels = np.array(image.resize((size, size), Image.Resampling.LANCZOS))
    return torch.tensor(pixels).permute(2, 0, 1)


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def edit(path: Path, line: int, new: str | None) -> None:
    """Put ``new`` in the place of a line of the file, or take the line out."""
    lines = path.read_text().splitlines(keepends=True)
    lines[line : line + 1] = [] if new is None else [new + "\n"]
    path.write_text("".join(lines))


def refused(root: Path, *said: str, **choices) -> str:
    """The message of the DataError, which has all of ``said``."""
    with pytest.raises(DataError) as error:
        celeba(root, **choices)
    for words in said:
        assert words in str(error.value)
    return str(error.value)


# --- A good folder --------------------------------------------------------------------------


def test_the_three_sets_are_those_of_the_official_partition(kept):
    _, sets = kept
    assert [len(part) for part in sets] == list(SIZES)
    for part, faces in enumerate(sets):
        assert faces.pixels.equal(torch.stack([by_hand(i) for i in indices(part)]))
        assert faces.labels.equal(LABELS[indices(part)])
    assert sets._fields == ("train", "valid", "test")


def test_the_names_are_the_official_ones_and_labels_are_bool(kept):
    _, sets = kept
    for faces in sets:
        assert faces.names == tuple(NAMES)
        assert faces.labels.dtype == torch.bool
    smiling = LABELS[indices(0), NAMES.index("Smiling")]
    assert sets.train.has("Smiling").equal(smiling)
    assert 0 < smiling.sum() < len(smiling)


@pytest.mark.parametrize("size", [1, 32, 64, 140])
def test_faces_have_the_size_asked_for(kept, size):
    root, _ = kept
    faces = celeba(root, size=size).valid
    assert faces.shape == (3, size, size)
    assert faces.pixels.equal(torch.stack([by_hand(i, size) for i in indices(1)]))


@pytest.mark.parametrize("size", [0, -64, 141])
def test_a_size_beyond_the_crop_is_refused(kept, size):
    with pytest.raises(ValueError, match=f"size must be a whole number, from 1 to 140, got {size}"):
        celeba(kept[0], size=size)


def test_the_packed_images_are_read_as_well_as_the_unpacked(kept, packed):
    for faces, same in zip(celeba(packed.parent), kept[1], strict=True):
        assert faces.pixels.equal(same.pixels)
        assert faces.labels.equal(same.labels)


def test_the_lists_that_are_not_needed_may_be_missing(folder):
    for name in ("identity_CelebA.txt", "list_bbox_celeba.txt", "list_landmarks_align_celeba.txt"):
        (folder / name).unlink()
    assert len(celeba(folder.parent).train) == SIZES[0]


def test_lists_from_windows_and_other_files_among_the_images_do_no_harm(folder):
    for name in (ATTRIBUTES, PARTITION):
        text = (folder / name).read_text()
        (folder / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    (folder / "img_align_celeba" / "Thumbs.db").write_bytes(b"not a face")
    assert celeba(folder.parent).test.labels.equal(LABELS[indices(2)])


def test_reading_writes_nothing(packed):
    before = contents(packed.parent)
    celeba(packed.parent)
    assert contents(packed.parent) == before


def test_a_broken_off_reading_leaves_nothing_and_the_next_succeeds(folder, monkeypatch):
    before = contents(folder.parent)

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(photographs, "_decode", interrupt)
        with pytest.raises(KeyboardInterrupt):
            celeba(folder.parent)
    assert contents(folder.parent) == before
    assert len(celeba(folder.parent).train) == SIZES[0]


def test_the_default_folder_is_the_cache_folder(kept, monkeypatch):
    monkeypatch.setenv("VAELIB_DATA", str(kept[0]))
    assert celeba(faces=3).train.pixels.equal(kept[1].train.pixels[:1])


def test_progress_is_shown_and_wiped(kept, capsys):
    celeba(kept[0])
    shown = capsys.readouterr().err
    assert "CelebA" in shown
    assert f"/{N}" in shown
    assert shown.endswith("\r")


# --- A number of faces ----------------------------------------------------------------------


@given(st.integers(3, N))
def test_the_faces_asked_for_are_shared_out_as_the_official_split_is(faces):
    parts = [list(range(n)) for n in SIZES]
    chosen = photographs._first_faces(parts, faces)
    assert sum(map(len, chosen)) == faces
    for part, official in zip(chosen, parts, strict=True):
        assert part == official[: len(part)]
        assert part
        assert abs(len(part) - faces * len(official) / N) < 2


@given(st.integers(3, N - 1))
def test_one_more_face_leaves_the_others_as_they_are(faces):
    parts = [list(range(n)) for n in SIZES]
    fewer, more = photographs._first_faces(parts, faces), photographs._first_faces(parts, faces + 1)
    assert all(a == b[: len(a)] for a, b in zip(fewer, more, strict=True))


def test_twenty_thousand_of_all_are_in_the_official_proportion():
    official = [list(range(n)) for n in (162_770, 19_867, 19_962)]
    assert list(map(len, photographs._first_faces(official, 20_000))) == [16_067, 1_962, 1_971]


def test_fewer_faces_are_the_first_of_each_set(kept):
    root, everything = kept
    for some, every in zip(celeba(root, faces=20), everything, strict=True):
        assert 0 < len(some) < len(every)
        assert some.pixels.equal(every.pixels[: len(some)])
        assert some.labels.equal(every.labels[: len(some)])


@pytest.mark.parametrize("faces", [-1, 0, 2, N + 1, 300_000])
def test_a_number_of_faces_that_cannot_be_is_refused(kept, faces):
    with pytest.raises(ValueError, match=rf"faces is 3 .* to {N}, .* got {faces:,}"):
        celeba(kept[0], faces=faces)


# --- Memory ---------------------------------------------------------------------------------


def test_all_sets_share_one_tensor(kept):
    storages = {faces.pixels.untyped_storage().data_ptr() for faces in kept[1]}
    assert len(storages) == 1
    assert kept[1].train.pixels.untyped_storage().nbytes() == N * 3 * 64 * 64


def test_too_many_faces_for_the_memory_are_refused_before_any_is_read(folder, monkeypatch):
    monkeypatch.setattr(images, "psutil", free(500_000.0))
    monkeypatch.setattr(photographs, "_decode", lambda *_: pytest.fail("it began to read"))
    refused(folder.parent, "60 faces of 64 x 64 need 1 MB of memory", "0 MB are free", "for fewer")


def test_memory_that_torch_is_denied_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(images, "psutil", free(float("inf")))
    with pytest.raises(DataError, match=r"memory, which cannot be had: .*Ask for fewer"):
        images.room(10**14, 3, 64)  # more than any machine can address


@pytest.mark.parametrize("missing", [0, 1])
def test_what_just_fits_into_memory_is_granted(monkeypatch, missing):
    monkeypatch.setattr(images, "psutil", free(2 * 3 * 4**2 - missing))
    if missing:
        with pytest.raises(DataError, match="cannot be had"):
            images.room(2, 3, 4)
    else:
        assert images.room(2, 3, 4).shape == (2, 3, 4, 4)


# --- Bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [ATTRIBUTES, PARTITION, ZIP])
def test_a_missing_file_is_named_with_what_is_there_and_where_to_get_it(packed, name):
    (packed / name).unlink()
    refused(
        packed.parent,
        f"{packed / name} is missing", "in its folder: ", "identity_CelebA.txt, ",
        f"Get {name} by hand, in a browser, from https://mmlab.ie.cuhk.edu.hk", f"into {packed}",
        "celeba(shards=3)",
    )  # fmt: skip


def test_no_folder_at_all_is_a_missing_file(tmp_path):
    refused(tmp_path, f"{ATTRIBUTES} is missing; in its folder: nothing")
    refused(tmp_path, f"Get {ATTRIBUTES} and {PARTITION} and {ZIP} by hand")
    refused(tmp_path / "not" / "there", f"{ATTRIBUTES} is missing; in its folder: nothing")


@pytest.mark.parametrize("count", [1, 8, 9])
def test_of_a_folder_with_many_files_the_first_eight_are_named(tmp_path, count):
    (tmp_path / "celeba").mkdir()
    names = [f"file {k}.txt" for k in range(count)]
    for name in names:
        (tmp_path / "celeba" / name).touch()
    said = ", ".join(names[:8]) + (", …" if count > 8 else "")
    refused(tmp_path, f"in its folder: {said}. ")


def test_a_folder_named_too_low_is_noticed(folder):
    refused(folder, f"It is in {folder}: rename that to celeba, and name its parent")


def test_lists_of_the_other_edition_are_noticed(folder):
    (folder / ATTRIBUTES).rename(folder / "list_attr_celeba.csv")
    refused(folder.parent, f"{ATTRIBUTES} is missing", "list_attr_celeba.csv is of another edition")


def test_a_file_in_the_place_of_the_folder_is_a_clear_error(tmp_path):
    (tmp_path / "celeba").write_text("not a folder")
    refused(tmp_path, "cannot be read", "Expected the official file")


@pytest.mark.parametrize("name", [ATTRIBUTES, PARTITION, ZIP])
def test_a_quota_page_saved_as_the_file_is_recognised(packed, name):
    (packed / name).write_text("\n" + WEB_PAGE)
    refused(
        packed.parent,
        f"{packed / name} is a web page (Google Drive - Quota exceeded)",
        "Delete it", "by hand, in a browser",
    )  # fmt: skip


def test_a_web_page_without_a_title_is_recognised(folder):
    (folder / ATTRIBUTES).write_text("<html>no</html>")
    refused(folder.parent, "is a web page (without a title)")


def test_a_title_in_capitals_and_on_lines_of_its_own_is_quoted(folder):
    (folder / ATTRIBUTES).write_text("<HTML><TITLE>\nSorry\n</TITLE></HTML>")
    refused(folder.parent, "is a web page (Sorry)")


def test_an_attribute_list_cut_short_is_a_wrong_count(folder):
    text = (folder / ATTRIBUTES).read_text().splitlines(keepends=True)
    (folder / ATTRIBUTES).write_text("".join(text[:50]))
    refused(folder.parent, f"{ATTRIBUTES}: 48 faces, expected 60 by its first line", "delete it")


def test_an_attribute_list_with_a_line_cut_short_is_refused(folder):
    edit(folder / ATTRIBUTES, 9, "000008.jpg -1  1")
    refused(folder.parent, "000008.jpg has '-1 1', expected 1 or -1 for 40 names")


def test_an_attribute_that_is_neither_1_nor_minus_1_is_refused(folder):
    edit(folder / ATTRIBUTES, 9, "000008.jpg " + "0 " * 40)
    refused(folder.parent, "000008.jpg has '0 0 0", "expected 1 or -1 for 40 names")


def test_an_attribute_list_without_its_count_is_refused(folder):
    edit(folder / ATTRIBUTES, 0, None)
    refused(folder.parent, "it begins with '5_o_Clock_Shadow", "expected the number of faces")


@pytest.mark.parametrize("lost", [0, 31, 39])
def test_a_lost_attribute_is_named_even_where_its_column_is_lost_with_it(folder, lost):
    rows = (folder / ATTRIBUTES).read_text().splitlines()
    lines = [rows[0]]
    for row in rows[1:]:
        words = row.split()
        del words[lost - 40]
        lines.append(" ".join(words))
    (folder / ATTRIBUTES).write_text("\n".join(lines) + "\n")
    refused(folder.parent, f"no column {NAMES[lost]}, expected the 40 official attributes")


def test_two_attributes_of_one_name_are_refused(folder):
    edit(folder / ATTRIBUTES, 1, " ".join([*NAMES[:-1], "Smiling"]))
    refused(folder.parent, "two columns Smiling, expected the 40 official attributes")


@pytest.mark.parametrize("content", [b"", b"0\n", b"60\n", b"\x00\xff\xfe" * 100])
def test_a_list_that_is_empty_or_no_text_is_refused(folder, content):
    (folder / ATTRIBUTES).write_bytes(content)
    refused(folder.parent, str(folder / ATTRIBUTES), ", expected ", "delete it")


def test_a_partition_cut_short_is_a_wrong_count(folder):
    edit(folder / PARTITION, N - 1, None)
    refused(folder.parent, f"{PARTITION}: 59 faces, expected 60 as in {ATTRIBUTES}")


def test_an_empty_partition_has_no_faces(folder):
    (folder / PARTITION).write_text("\n")
    refused(folder.parent, f"{PARTITION}: 0 faces, expected 60 as in {ATTRIBUTES}")


def test_a_partition_with_one_face_more_is_refused(folder):
    edit(folder / PARTITION, N, "000061.jpg 2")
    refused(folder.parent, "face 61 is 000061.jpg, expected the end")


def test_a_partition_of_other_faces_is_refused(folder):
    edit(folder / PARTITION, 3, None)
    refused(folder.parent, "face 4 is 000005.jpg, expected 000004.jpg")


@pytest.mark.parametrize("row", ["000004.jpg 3", "000004.jpg", "image_id,partition"])
def test_a_partition_line_that_says_no_set_is_refused(folder, row):
    edit(folder / PARTITION, 3, row)
    refused(folder.parent, f"line 4 is '{row}', expected 'name 0', 1 or 2")


def test_an_empty_set_is_refused(folder):
    (folder / PARTITION).write_text(partition_text().replace("jpg 1\n", "jpg 0\n"))
    refused(folder.parent, "no face of set 1", "expected training (0), validation (1), test (2)")


def test_one_missing_image_is_named(folder):
    (folder / "img_align_celeba" / "000007.jpg").unlink()
    for choices in ({}, {"faces": 3}):  # whether or not it is one of those asked for
        refused(
            folder.parent,
            "img_align_celeba lacks 1 of the 60 images", "the first 000007.jpg", "unpack the zip",
            **choices,
        )  # fmt: skip


def test_images_one_folder_too_deep_are_refused(folder):
    images = folder / "img_align_celeba"
    images.rename(folder / "moved")
    images.mkdir()
    (folder / "moved").rename(images / "img_align_celeba")
    refused(folder.parent, "lacks 60 of the 60 images", "in no deeper folder")


def test_a_zip_without_its_folder_is_refused(packed):
    write_zip(packed / ZIP, prefix="img_align_other_/")
    refused(packed.parent, f"{ZIP} lacks 60 of the 60 images", "the first 000001.jpg")


def test_a_zip_cut_short_is_refused_with_its_length(packed):
    content = (packed / ZIP).read_bytes()
    (packed / ZIP).write_bytes(content[:10_000])
    refused(packed.parent, f"{ZIP} is no whole zip", "10,000 bytes, expected 1,443,490,838")


def test_a_flipped_byte_in_the_zip_is_noticed(packed):
    content = bytearray((packed / ZIP).read_bytes())
    at = content.index(JPEGS[5]) + len(JPEGS[5]) // 2
    content[at] ^= 1
    (packed / ZIP).write_bytes(content)
    refused(packed.parent, "000006.jpg: Bad CRC-32")


@pytest.mark.parametrize("shape", [(218, 178), (178, 178), (64, 64), (409, 687)])
def test_an_image_of_another_size_is_refused(folder, shape):
    (folder / "img_align_celeba" / "000009.jpg").write_bytes(jpeg(9, shape))
    refused(
        folder.parent,
        f"000009.jpg: it has {shape[0]} x {shape[1]} pixels. Expected a whole JPEG of 178 x 218",
    )


@pytest.mark.parametrize("content", [b"", b"no image", WEB_PAGE.encode()])
def test_an_image_that_is_none_is_refused(folder, content):
    (folder / "img_align_celeba" / "000009.jpg").write_bytes(content)
    refused(folder.parent, "000009.jpg: it is no image. Expected a whole JPEG of 178 x 218", ZIP)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_an_image_cut_short_is_refused(folder, keep):
    (folder / "img_align_celeba" / "000009.jpg").write_bytes(JPEGS[8][: int(keep * len(JPEGS[8]))])
    refused(folder.parent, "000009.jpg: ", ". Expected a whole JPEG of 178 x 218", "Unpack")


# --- Pictures that are damaged or too much --------------------------------------------------


@given(st.data())
def test_damage_inside_a_jpeg_never_ends_in_an_error_of_the_decoder(data):
    content = bytearray(JPEGS[3])
    at = data.draw(st.integers(0, len(content) - 9))
    content[at : at + 8] = data.draw(st.binary(min_size=8, max_size=8))
    album = photographs._Album(
        ("A",), torch.ones(3, 1).bool(), [[0], [1], [2]], str, lambda _: bytes(content),
        "Delete it.",
    )  # fmt: skip
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photographs, "_official", lambda _: contextlib.nullcontext(album))
        try:
            assert len(celeba("anywhere").test) == 1
        except DataError as error:
            said.append(str(error))
    assert all(text.startswith("0: ") and text.endswith("cut out. Delete it.") for text in said)


def test_an_enormous_picture_is_refused_before_it_is_decoded(folder):
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    (folder / "img_align_celeba" / "000009.jpg").write_bytes(file.getvalue())
    refused(folder.parent, "000009.jpg: Image size (400000000 pixels) exceeds", "Expected a whole")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [(0, 1, "is encrypted"), (2, 9, "compression method is not supported")],
    ids=["encrypted", "deflate64"],
)
def test_a_zip_of_another_kind_is_refused(packed, field, value, said):
    content = bytearray((packed / ZIP).read_bytes())
    for signature, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = -1
        while (at := content.find(signature, at + 1)) >= 0:
            content[at + flags + field] = value
    (packed / ZIP).write_bytes(content)
    refused(packed.parent, ".jpg: ", said, "Unpack the zip again")


# --- Shards of the mirror -------------------------------------------------------------------
# Parquet files of the layout that the Hugging Face set has: a column `image` of structs of bytes
# and a path, and 40 columns of integers, 1 or -1.

ROWS = 25  # faces in one of the little shards


def table(shard: int, names=NAMES, dtype=None, labels=None, jpegs=None) -> pyarrow.Table:
    rows = [(shard * ROWS + i) % N for i in range(ROWS)]
    jpegs = jpegs or {}
    pictures = [{"bytes": jpegs.get(i, JPEGS[row]), "path": None} for i, row in enumerate(rows)]
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    has = LABELS[rows] if labels is None else labels
    values = [[1 if v else -1 for v in column] for column in has.T.tolist()]
    if dtype == "bool":
        values = has.T.tolist()
    columns = [pyarrow.array(column) for column in values][: len(names)]
    return pyarrow.table([pyarrow.array(pictures, kind), *columns], names=["image", *names])


def shard_name(shard: int) -> str:
    return f"train-{shard:05}-of-00132.parquet"


class Hub:
    """What stands in for Hugging Face: ``shards`` says what it has, ``asked`` what was wanted."""

    def __init__(self):
        self.shards = {shard: table(shard) for shard in range(4)}
        self.asked = []
        self.trouble = None

    def __call__(self, command, folder, source, total):
        assert command[1:3] == [_download.HUB, "huggan/CelebA-faces-with-attributes"]
        self.asked.append(int(command[3][11:16]))
        assert command[3] == f"data/{shard_name(self.asked[-1])}"
        target = Path(command[4]) / command[3]
        target.parent.mkdir()
        if self.trouble:
            target.write_bytes(b"half")
            raise self.trouble
        content = self.shards[self.asked[-1]]
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            parquet.write_table(content, target)


@pytest.fixture
def hub(monkeypatch):
    hub = Hub()
    monkeypatch.setattr(photographs, "download", hub)
    return hub


def test_shards_hold_the_faces_of_which_the_ninth_and_tenth_of_ten_are_held_out(hub, tmp_path):
    sets = celeba(tmp_path, shards=2)
    for part, places in zip(
        sets,
        ([i for i in range(50) if i % 10 < 8], range(8, 50, 10), range(9, 50, 10)),
        strict=True,
    ):
        assert part.pixels.equal(torch.stack([by_hand(i) for i in places]))
        assert part.labels.equal(LABELS[list(places)])
        assert part.names == tuple(NAMES)
    assert hub.asked == [0, 1]


def test_a_shard_that_came_is_not_fetched_again_and_more_shards_only_add(hub, tmp_path):
    fewer = celeba(tmp_path, shards=1)
    more = celeba(tmp_path, shards=3)
    assert hub.asked == [0, 1, 2]
    for some, every in zip(fewer, more, strict=True):
        assert some.pixels.equal(every.pixels[: len(some)])
    assert len(celeba(tmp_path, shards=3, faces=20).train) == 16
    assert hub.asked == [0, 1, 2]
    names = {f"celeba/shards/{shard_name(shard)}" for shard in range(3)}
    assert set(contents(tmp_path)) == names | {"celeba.lock"}


@pytest.mark.parametrize("dtype", ["bool", "int"])
def test_labels_of_a_shard_may_be_bools(hub, tmp_path, dtype):
    hub.shards[0] = table(0, dtype=dtype)
    assert celeba(tmp_path, shards=1).test.labels.equal(LABELS[[9, 19]])


def test_a_shard_that_is_cut_short_where_it_comes_from_is_passed_over_and_named(
    hub, tmp_path, capsys
):
    """Two of the real ones, 11 and 20, are said to lack their end."""
    file = io.BytesIO()
    parquet.write_table(table(0), file)
    hub.shards[0] = file.getvalue()[:-100]
    sets = celeba(tmp_path, shards=2)
    assert sets.train.pixels[0].equal(by_hand(ROWS))
    assert hub.asked == [0, 1, 2]
    assert f"{shard_name(0)} is damaged" in capsys.readouterr().out


def test_fewer_whole_shards_than_wanted_is_a_clear_error(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(photographs, "SHARDS", 132)
    hub.shards = dict.fromkeys(range(132), b"PAR1")
    for shards in (1, 132):
        refused(tmp_path, f"0 of 132 shards are whole, wanted were {shards}", shards=shards)


@pytest.mark.parametrize("shards", [0, -1, 133, 2.5])
def test_a_number_of_shards_that_cannot_be_is_refused(tmp_path, shards):
    with pytest.raises(
        ValueError, match=f"shards must be a whole number, from 1 to 132, got {shards}"
    ):
        celeba(tmp_path, shards=shards)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop_columns(["Young"]), "no column Young; expected image and 40"),
        (lambda t: t.drop_columns(["image"]), "no column image; expected image and 40"),
        (lambda t: t.rename_columns(["image", *NAMES[:-1], "Smiling"]), "two columns Smiling"),
        (lambda t: t.set_column(5, NAMES[4], [[7] * ROWS]), "labels 7; expected image"),
        (
            lambda t: t.set_column(5, NAMES[4], [[None] * ROWS]),
            "labels None; expected image and 40 attributes that are 1 or -1",
        ),
        (lambda t: t.set_column(5, NAMES[4], [["yes"] * ROWS]), "labels 'yes'; expected"),
    ],
)
def test_a_shard_of_another_layout_is_refused_by_name(hub, tmp_path, change, said):
    hub.shards[0] = change(hub.shards[0])
    refused(tmp_path, shard_name(0), said, shards=1)


@pytest.mark.parametrize("content", [b"", b"no image", JPEGS[0][:900], jpeg(9, (64, 64)), None])
def test_a_damaged_picture_in_a_shard_is_named_by_its_row(hub, tmp_path, content):
    hub.shards[0] = table(0)
    pictures = hub.shards[0]["image"].to_pylist()
    pictures[3] = None if content is None else {"bytes": content, "path": None}
    kind = hub.shards[0].schema.field("image").type
    hub.shards[0] = hub.shards[0].set_column(0, "image", pyarrow.array(pictures, kind))
    refused(tmp_path, f"{shard_name(0)}, row 3: ", "Expected a whole JPEG", "Delete", shards=1)


def test_a_hub_that_refuses_is_quoted_and_what_came_is_kept(hub, tmp_path):
    celeba(tmp_path, shards=1)
    hub.trouble = DataError("404 Client Error. Repository Not Found.")
    refused(
        tmp_path, f"{shard_name(1)} of huggan/CelebA-faces-with-attributes could not be had: 404",
        "Repository Not Found. Try again: what came is kept. If the set is gone", shards=2,
    )  # fmt: skip
    assert set(contents(tmp_path)) == {f"celeba/shards/{shard_name(0)}", "celeba.lock"}
    hub.trouble = None
    celeba(tmp_path, shards=2)
    assert hub.asked == [0, 1, 1]


def test_a_full_disk_while_fetching_a_shard_says_what_to_do(hub, tmp_path):
    hub.trouble = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    refused(
        tmp_path, os.strerror(errno.ENOSPC), "It needs 11 MB a shard. Free some space", shards=1
    )
    assert set(contents(tmp_path)) == {"celeba.lock"}


def test_ctrl_c_while_fetching_a_shard_leaves_nothing_and_the_next_run_succeeds(hub, tmp_path):
    hub.trouble = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        celeba(tmp_path, shards=1)
    assert set(contents(tmp_path)) == {"celeba.lock"}
    hub.trouble = None
    assert len(celeba(tmp_path, shards=1).train) == 21


def test_two_runs_at_once_fetch_a_shard_once(hub, tmp_path):
    both_run, paths = threading.Barrier(2), []

    def run():
        both_run.wait()
        paths.append(photographs._shard(tmp_path, 0))

    runs = [threading.Thread(target=run) for _ in range(2)]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert hub.asked == [0]
    assert paths == [tmp_path / "celeba" / "shards" / shard_name(0)] * 2


def test_the_bar_of_a_shard_ends_at_its_bytes(hub, tmp_path, monkeypatch):
    totals = []
    monkeypatch.setattr(
        photographs, "download", lambda *given: totals.append(given[3]) or hub(*given)
    )
    celeba(tmp_path, shards=1)
    assert totals == [photographs.SHARD_BYTES]


@pytest.fixture
def client(tmp_path_factory, monkeypatch):
    """Put a huggingface_hub of one's own in the place of the real one."""

    def put(source: str) -> None:
        folder = tmp_path_factory.mktemp("client")
        (folder / "huggingface_hub.py").write_text(source)
        monkeypatch.setenv("PYTHONPATH", str(folder))

    return put


def test_the_hub_is_asked_by_its_own_client_without_an_account(client, tmp_path):
    parquet.write_table(table(0), tmp_path / "good")
    client(
        "import pathlib, shutil\n"
        "def hf_hub_download(repo_id, filename, *, repo_type, local_dir, token):\n"
        "    assert repo_id == 'huggan/CelebA-faces-with-attributes'\n"
        "    assert repo_type == 'dataset' and token is False\n"
        "    path = pathlib.Path(local_dir, filename)\n"
        "    path.parent.mkdir()\n"
        f"    shutil.copy({str(tmp_path / 'good')!r}, path)\n"
    )
    assert len(celeba(tmp_path / "root", shards=1).train) == 21


def test_the_real_client_takes_what_it_is_given():
    """So that the one call which no other test makes is a call of the real function."""
    asked = inspect.signature(huggingface_hub.hf_hub_download).bind(
        "set", "name", repo_type="dataset", local_dir="folder", token=False
    )
    assert set(asked.arguments) == {"repo_id", "filename", "repo_type", "local_dir", "token"}


def test_without_its_client_the_error_says_what_to_install(client, tmp_path):
    client("raise ModuleNotFoundError('no', name='huggingface_hub')")
    refused(
        tmp_path, "huggingface_hub is not installed: pip install 'vaelib[celeba]'. Try", shards=1
    )


def test_without_pyarrow_the_error_says_what_to_install(hub, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused(tmp_path, 'pyarrow is not installed: pip install "vaelib[celeba]"', shards=1)
    assert hub.asked == []


def test_what_the_client_says_on_many_lines_is_quoted_whole(client, tmp_path):
    said = "Gone\\n\\n\\tfor good.\\nSorry."
    client(f"def hf_hub_download(*_, **__): raise RuntimeError('{said}')")
    refused(tmp_path, "could not be had: Gone for good. Sorry. Try again", shards=1)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"])
def test_a_hub_that_falls_silent_is_given_up(client, tmp_path, monkeypatch, capsys, answer):
    monkeypatch.setattr(_download, "SILENCE", 600)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        client(
            "import os, urllib.request\nos.environ['no_proxy'] = '*'\n"
            f"def hf_hub_download(*_, **__): urllib.request.urlopen({address!r}).read()"
        )
        accepted = []

        def serve():
            accepted.append(server.accept()[0])
            accepted[0].sendall(answer)
            _download.SILENCE = 0.3

        threading.Thread(target=serve, daemon=True).start()
        refused(
            tmp_path, "could not be had: nothing came from Hugging Face (0) for 0.3 s", shards=1
        )
        for connection in accepted:
            connection.close()
    assert "Giving up Hugging Face (0): nothing came for 0.3 s" in capsys.readouterr().out
    assert set(contents(tmp_path)) == {"celeba.lock"}
