"""Downloads that end: each is a process of its own, which is stopped where nothing comes any more.

A process can be stopped whatever it waits for: a name, a connection, an answer, or the rest of a
file. A timeout of sockets bounds the last two alone, and pip and the hub's client ask many times.
"""

import errno
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from vaelib.files import DISK_FULL, DataError

DISK_TROUBLE = {*DISK_FULL, errno.EROFS, errno.EACCES, errno.EPERM}  # no other source helps
SILENCE = 8  # seconds without a byte after which a source is given up
LOADING = 30  # seconds that pip may take to be loaded on a slow machine
# What :func:`download` runs. GET takes addresses and files in turn; HUB a set, a file of it and a
# folder, and asks for the file as such, so that its bytes are seen as they come. Both show that
# they are loaded, and end with one line that says why. GET reads what there is and does not wait
# for a full buffer: a slow source is not a silent one.
GET = """
import sys, urllib.request
print("loaded", flush=True)
try:
    for url, path in zip(sys.argv[1::2], sys.argv[2::2]):
        request = urllib.request.Request(url, headers={"User-Agent": "vaelib"})
        with urllib.request.urlopen(request, timeout=60) as answer, open(path, "wb", 0) as file:
            while part := answer.read1(2**16):
                file.write(part)
except Exception as error:
    sys.exit(str(error))
"""
HUB = """
import os, sys
os.environ |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
try:
    from huggingface_hub import hf_hub_download
    print("loaded", flush=True)
    set_, name, folder = sys.argv[1:]
    hf_hub_download(set_, name, repo_type="dataset", local_dir=folder, token=False)
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is not installed: pip install 'vaelib[celeba]'")
except Exception as error:
    sys.exit(" ".join(str(error).split()))
"""


def download(command: list, folder: Path, source: str, total: int | None = None) -> None:
    """Run Python with ``command``, which downloads into ``folder``; a bar shows the bytes there.

    Raises DataError where it fails, and where nothing has come from ``source`` for ``SILENCE``
    seconds, which is also printed; OSError where the disk is full.
    """
    with (
        tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err,
        tqdm(total=total, unit="B", unit_scale=True, desc=source, leave=False) as bar,
    ):  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            env={**os.environ, "TMPDIR": str(folder)},
        )  # fmt: skip
        try:
            seen, since = None, 0.0
            while process.poll() is None:
                size = bytes_below(folder)
                bar.update(min(size, total or size) - bar.n)
                signs = size, len(os.listdir(folder)), os.fstat(out.fileno()).st_size
                if signs != seen:
                    seen, since = signs, time.monotonic()
                # Before its first sign it does not wait for others yet: it is being loaded.
                elif time.monotonic() - since > (SILENCE if any(signs) else LOADING):
                    tqdm.write(f"Giving up {source}: nothing came for {SILENCE:g} s")
                    raise DataError(f"nothing came from {source} for {SILENCE:g} s")
                time.sleep(0.1)
        finally:
            process.kill()
            process.wait()
        err.seek(0)
        lines = err.read().decode(errors="replace").strip().splitlines()
    if process.returncode:
        last = lines[-1] if lines else f"it ended with {process.returncode}"
        code = re.search(r"\[Errno (\d+)\]", last)
        if code and int(code[1]) in DISK_FULL:
            raise OSError(int(code[1]), os.strerror(int(code[1])))
        raise DataError(last)


def bytes_below(folder: Path) -> int:
    total = 0
    # os.walk passes over a folder that pip removes meanwhile; Path.rglob raises.
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # pip moved it meanwhile
                total += os.path.getsize(os.path.join(parent, name))
    return total
