"""CelebA read from a small folder in the official format. No test here needs the network.

The folder has 60 faces of 178 x 218 pixels: 40 for training, 12 for validation, 8 for testing.
"""

import errno
import io
import os
import shutil
import socket
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support import generator

from vaelib import _download, data
from vaelib._torchvision import import_torchvision
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
    with pytest.raises(ValueError, match=f"size is 1 to 140, the width of the crop; got {size}"):
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

    def interrupt(jpeg, size):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(data, "_decode_face", interrupt)
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
    chosen = data._first_faces(parts, faces)
    assert sum(map(len, chosen)) == faces
    for part, official in zip(chosen, parts, strict=True):
        assert part == official[: len(part)]
        assert part
        assert abs(len(part) - faces * len(official) / N) < 2


@given(st.integers(3, N - 1))
def test_one_more_face_leaves_the_others_as_they_are(faces):
    parts = [list(range(n)) for n in SIZES]
    fewer, more = data._first_faces(parts, faces), data._first_faces(parts, faces + 1)
    assert all(a == b[: len(a)] for a, b in zip(fewer, more, strict=True))


def test_twenty_thousand_of_all_are_in_the_official_proportion():
    official = [list(range(n)) for n in (162_770, 19_867, 19_962)]
    assert list(map(len, data._first_faces(official, 20_000))) == [16_067, 1_962, 1_971]


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
    monkeypatch.setattr(data, "_free_memory", lambda: 500_000.0)
    monkeypatch.setattr(data, "_read_faces", lambda *_: pytest.fail("it began to read"))
    refused(
        folder.parent,
        "60 faces of 64 x 64 need 1 MB of memory", "0 MB are free", "celeba(faces=20_000)",
    )  # fmt: skip


def test_memory_that_torch_is_denied_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(data, "_free_memory", lambda: float("inf"))  # as where nobody can tell
    with pytest.raises(DataError, match=r"memory, which cannot be had: .*Ask for fewer"):
        data._room_for_faces(10**14, 64)  # more than any machine can address


def test_free_memory_is_a_plausible_number():
    assert data._free_memory() > 2**20


# --- Bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [ATTRIBUTES, PARTITION, ZIP])
def test_a_missing_file_is_named_with_what_is_there_and_where_to_get_it(packed, name):
    (packed / name).unlink()
    refused(
        packed.parent,
        f"{packed / name} is missing", "in its folder: ", "identity_CelebA.txt, ",
        f"Get {name} by hand, in a browser, from https://mmlab.ie.cuhk.edu.hk", f"into {packed}",
        "celeba(download=True)",
    )  # fmt: skip


def test_no_folder_at_all_is_a_missing_file(tmp_path):
    refused(tmp_path, f"{ATTRIBUTES} is missing; in its folder: nothing")
    refused(tmp_path, f"Get {ATTRIBUTES} and {PARTITION} and {ZIP} by hand")
    refused(tmp_path / "not" / "there", f"{ATTRIBUTES} is missing; in its folder: nothing")


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


def test_a_lost_attribute_name_is_refused(folder):
    edit(folder / ATTRIBUTES, 1, " ".join(NAMES[1:]))
    refused(folder.parent, "000001.jpg has", "expected 1 or -1 for 39 names")


@pytest.mark.parametrize("content", [b"", b"0\n", b"60\n", b"\x00\xff\xfe" * 100])
def test_a_list_that_is_empty_or_no_text_is_refused(folder, content):
    (folder / ATTRIBUTES).write_bytes(content)
    refused(folder.parent, str(folder / ATTRIBUTES), ", expected ", "delete it")


def test_a_partition_cut_short_is_a_wrong_count(folder):
    edit(folder / PARTITION, N - 1, None)
    refused(folder.parent, f"{PARTITION}: 59 faces, expected 60 as in {ATTRIBUTES}")


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


# --- Download -------------------------------------------------------------------------------


class Drive:
    """What stands in for Google Drive: it knows files by the ids that torchvision asks for."""

    def __init__(self, made: Path):
        entries = import_torchvision().datasets.CelebA.file_list
        self.ids = {drive_id: name for drive_id, _, name in entries}
        self.md5 = {name: md5 for _, md5, name in entries}
        self.made = made
        self.asked = []
        self.instead = {}

    def __call__(self, file_id, root, filename=None, md5=None):
        assert self.ids[file_id] == filename
        assert md5 == self.md5[filename]
        self.asked.append(filename)
        target = Path(root) / filename
        if (instead := self.instead.get(filename)) is None:
            shutil.copy(self.made / filename, target)
        else:
            instead(target)


@pytest.fixture
def drive(tmp_path_factory, monkeypatch):
    drive = Drive(make(tmp_path_factory.mktemp("drive"), packed=True))
    monkeypatch.setattr(data, "_ask_drive", drive)
    return drive


NEEDED = [ATTRIBUTES, PARTITION, ZIP]


def test_nothing_is_downloaded_unasked(drive, tmp_path):
    refused(tmp_path, "is missing")
    assert drive.asked == []


def test_a_download_fetches_what_is_needed_once(drive, kept, tmp_path):
    root = tmp_path / "deep" / "folder"
    for _ in range(2):
        assert celeba(root, download=True).train.pixels.equal(kept[1].train.pixels)
    assert drive.asked == NEEDED
    assert set(contents(root)) == {f"celeba/{name}" for name in NEEDED} | {"celeba.lock"}


def test_a_download_fetches_only_what_is_missing(drive, folder):
    (folder / PARTITION).unlink()
    celeba(folder.parent, download=True)
    assert drive.asked == [PARTITION]


def test_nothing_is_asked_or_written_where_all_is_there(drive, folder):
    before = contents(folder.parent)
    celeba(folder.parent, download=True)
    assert drive.asked == []
    assert contents(folder.parent) == before


def test_a_quota_page_in_a_download_is_recognised_and_not_kept(drive, tmp_path):
    def page(target):
        target.write_text(WEB_PAGE)
        raise RuntimeError("File not found or corrupted.")  # torchvision, after the checksum

    drive.instead[ZIP] = page
    refused(
        tmp_path,
        f"{ZIP} could not be downloaded", "sent a web page (Google Drive - Quota exceeded)",
        "by hand, in a browser", f"into {tmp_path / 'celeba'}",
        download=True,
    )  # fmt: skip
    # The lists that did arrive are kept, nothing half-made is.
    assert set(contents(tmp_path)) == {
        f"celeba/{ATTRIBUTES}", f"celeba/{PARTITION}", "celeba.lock"
    }  # fmt: skip
    del drive.instead[ZIP]
    assert len(celeba(tmp_path, download=True).train) == SIZES[0]
    assert drive.asked == [*NEEDED, ZIP]


def test_a_refused_download_is_quoted(drive, tmp_path):
    def refuse(target):
        raise ConnectionError("no route to the host")

    drive.instead[ATTRIBUTES] = refuse
    refused(tmp_path, "could not be downloaded: no route to the host", "by hand", download=True)
    assert drive.asked == [ATTRIBUTES]


@pytest.fixture
def gdown(tmp_path_factory, monkeypatch):
    """Put a gdown of one's own in the place of the real one."""

    def put(source: str) -> None:
        folder = tmp_path_factory.mktemp("gdown")
        (folder / "gdown.py").write_text(source)
        monkeypatch.setenv("PYTHONPATH", str(folder))

    return put


def test_without_gdown_the_error_says_so(gdown, tmp_path):
    gdown("raise ModuleNotFoundError(\"No module named 'gdown'\")")
    refused(tmp_path, "could not be downloaded", "pip install gdown'. Get", download=True)
    assert set(contents(tmp_path)) == {"celeba.lock"}


def test_what_gdown_says_on_many_lines_is_quoted_whole(gdown, tmp_path):
    gdown("def download(**_): raise RuntimeError('Too many users\\n\\n\\thave seen it.\\nSorry.')")
    refused(tmp_path, "could not be downloaded: Too many users have seen it. Sorry", download=True)


def test_a_file_with_another_checksum_is_not_kept(gdown, tmp_path):
    gdown("def download(output, **_): open(output, 'w').write('1')")
    refused(
        tmp_path,
        "could not be downloaded: the file is missing or has another checksum",
        download=True,
    )
    assert set(contents(tmp_path)) == {"celeba.lock"}


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"])
def test_a_drive_that_falls_silent_is_given_up(gdown, tmp_path, monkeypatch, capsys, answer):
    monkeypatch.setattr(_download, "SILENCE", 600)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        # As the real one, it sets no timeout.
        gdown(
            "import os, urllib.request\nos.environ['no_proxy'] = '*'\n"
            f"def download(**_): urllib.request.urlopen({address!r}).read()"
        )
        accepted = []

        def serve():
            accepted.append(server.accept()[0])
            accepted[0].sendall(answer)
            _download.SILENCE = 0.3

        threading.Thread(target=serve, daemon=True).start()
        refused(
            tmp_path, "could not be downloaded: nothing came from Google Drive for 0.3 s",
            "by hand, in a browser", download=True,
        )  # fmt: skip
        for connection in accepted:
            connection.close()
    assert "Giving up Google Drive: nothing came for 0.3 s" in capsys.readouterr().out
    assert set(contents(tmp_path)) == {"celeba.lock"}


def test_a_full_disk_while_downloading_says_what_to_do(drive, tmp_path):
    def full(target):
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    drive.instead[ZIP] = full
    refused(tmp_path, os.strerror(errno.ENOSPC), "It needs 1.5 GB. Free some space", download=True)
    assert not (tmp_path / "celeba" / ZIP).exists()
    assert not list(tmp_path.glob("unfinished-*"))


def test_ctrl_c_while_downloading_leaves_nothing_and_the_next_run_succeeds(drive, tmp_path):
    def interrupted(target):
        target.write_bytes(b"half")
        raise KeyboardInterrupt

    drive.instead[PARTITION] = interrupted
    with pytest.raises(KeyboardInterrupt):
        celeba(tmp_path, download=True)
    assert set(contents(tmp_path)) == {f"celeba/{ATTRIBUTES}", "celeba.lock"}
    drive.instead.clear()
    assert len(celeba(tmp_path, download=True).train) == SIZES[0]


def test_two_downloads_at_once_both_succeed_with_one_fetch(drive, tmp_path):
    both_run = threading.Barrier(2)

    def slow(target):
        time.sleep(0.5)  # time enough for the other to fetch as well, did no lock hold it
        shutil.copy(drive.made / ATTRIBUTES, target)

    drive.instead[ATTRIBUTES] = slow
    found = []

    def run():
        both_run.wait()
        data._download_celeba(tmp_path, tmp_path / "celeba")
        found.append(data._missing_of_celeba(tmp_path / "celeba"))

    runs = [threading.Thread(target=run) for _ in range(2)]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert found == [[], []]
    assert drive.asked == NEEDED
