"""Trained models as safetensors files that Python and the browser read alike.

A model ``name`` is two files, ``name.encoder.safetensors`` and ``name.decoder.safetensors``, so
that a page which only decodes fetches only a decoder; a judge is one file. Numbers are float16.
Each file's metadata holds how it was made (``recipe``: architecture, data and its checksum,
config, seeds, held-out ``figures``), its ``layers`` in order (what the browser runs), and the
``sha256`` of its numbers, checked on loading. ``make weights`` makes the files anew; they are
written by ``tools/weight_files.py``.
"""

import difflib
import hashlib
import json
import struct
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from vaelib.flow import Flow
from vaelib.judges import Judge
from vaelib.models import Architecture

FOLDER = Path(__file__).parent / "weights"
SCORES = FOLDER / "scores.json"
_NOT_THAT_KIND = (ValueError, LookupError, TypeError, AttributeError)  # of JSON
FORMAT = 1  # raised when a file of an older package can no longer be read


class WeightsError(RuntimeError):
    """A weights file is missing, damaged or of another version; the message says what to do."""

    def __init__(self, message: str):
        # What a damaged header holds may be long, and is quoted; what to do stands at the end.
        super().__init__(message if len(message) <= 500 else f"{message[:290]} … {message[-200:]}")


def available(folder: Path | None = None) -> list[str]:
    """The names that :func:`load` knows."""
    files = [path.name.split(".") for path in (folder or FOLDER).glob("*.safetensors")]
    return sorted({name for name, *part, _ in files if part != ["codes"]})


def load(name: str, folder: Path | None = None) -> nn.Module:
    """The trained model ``name``, ready to use (float32, evaluation mode, frozen, on the CPU).

    folder: where its files are, the package's own by default.
    Its recipe is in :func:`recipe`. Raises WeightsError for an unknown name, a damaged file, or
    numbers that do not fit the architecture the file names.
    """
    paths = _paths(name, folder)
    files = [read(path) for path in paths]
    details = _recipe_in(files[0][0], paths[0])
    pair = len(paths) == 2
    try:
        with torch.device("meta"):  # what the numbers do not fill takes no memory
            if pair:
                model = Architecture(**details["architecture"]).build()
            else:
                kind, key = (Flow, "flow") if "flow" in details else (Judge, "network")
                model = kind(**details.get(key, {}))
    except Exception as error:  # what odd arguments lead to has no common name
        raise WeightsError(_damaged(paths[0], f"its recipe builds no model ({error})")) from error
    parts = [model.decoder, model.encoder] if pair else [model]  # in the order of their paths
    for path, part, (metadata, tensors) in zip(paths, parts, files):
        if metadata.get("recipe") != details:  # a run was stopped between the two renames
            raise WeightsError(
                f"{paths[0].name} and {path.name} come from two runs: "
                f"run `make weights ONLY={name}`"
            )
        numbers = {key: value.float() for key, value in tensors.items()}
        try:
            part.load_state_dict(numbers, assign=True)
        except RuntimeError as error:
            why = f"it does not fit its own recipe: {error}"
            raise WeightsError(_damaged(path, why)) from error
        if any(of.dtype != torch.float16 or not of.isfinite().all() for of in tensors.values()):
            raise WeightsError(_damaged(path, "not all of its numbers are finite float16"))
    return model.eval().requires_grad_(False)


def recipe(name: str, folder: Path | None = None) -> dict:
    """How ``name`` was made: architecture, data, config, seed, and its held-out ``figures``."""
    path = _paths(name, folder)[0]
    return _recipe_in(read(path)[0], path)


def _recipe_in(metadata: dict, path: Path) -> dict:
    if "recipe" not in metadata:
        raise WeightsError(_damaged(path, "it has no recipe"))
    return metadata["recipe"]


def scores() -> dict[str, dict]:
    """What each model of the experiment and the sweep scores, shipped or not, by name: the fields
    of :class:`vaelib.metrics.Score`, and what ``row_of`` in tools/train_weights.py adds to them."""
    return json.loads(SCORES.read_text(encoding="utf-8")) if SCORES.is_file() else {}


def read(path: Path) -> tuple[dict, dict[str, Tensor]]:
    """Metadata and tensors of one file, checked; WeightsError says what is wrong."""
    if not path.is_file():
        raise WeightsError(
            f"{path.name} is missing: install vaelib again, or in a clone run "
            f"`git checkout -- vaelib/{path.parent.name}`; tools/codes.py or replay.py wrote it."
        )
    content = path.read_bytes()
    try:
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        metadata = {key: json.loads(value) for key, value in header.pop("__metadata__").items()}
        version, expected = metadata["format"], metadata["sha256"]
    except (struct.error, RecursionError, *_NOT_THAT_KIND) as error:
        raise WeightsError(_damaged(path, f"its header cannot be read ({error})")) from error
    if version != FORMAT:
        raise WeightsError(
            f"{path.name} has format {version}, this vaelib reads format {FORMAT}: "
            "install the vaelib that the file came with, or run `make weights`."
        )
    payload = numbers_of(content)
    found = hashlib.sha256(payload).hexdigest()
    if found != expected:
        raise WeightsError(_damaged(path, f"its numbers have sha256 {found}, expected {expected}"))
    try:
        return metadata, load_tensors(content)
    except (SafetensorError, KeyError) as error:  # KeyError: a type that torch has not
        why = f"its header does not fit its numbers ({error})"
        raise WeightsError(_damaged(path, why)) from error


def numbers_of(content: bytes) -> bytes:
    """The numbers of a file, after its header."""
    (length,) = struct.unpack("<Q", content[:8])
    return content[8 + length :]


def _paths(name: str, folder: Path | None = None) -> list[Path]:
    folder = Path(folder or FOLDER)
    known = available(folder)
    pair = [f"{name}.decoder.safetensors", f"{name}.encoder.safetensors"]
    files = [f"{name}.safetensors", *pair] if name in known else []
    found = [file for file in files if (folder / file).is_file()]
    if found in (pair, [f"{name}.safetensors"]):
        return [folder / file for file in found]
    if found:
        missing = next(file for file in pair if file not in found)
        raise WeightsError(
            f"{missing} is missing beside {found[0]}: run `make weights ONLY={name}`"
        )
    near = difflib.get_close_matches(str(name), known, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise WeightsError(f"no weights are called {name!r}.{hint} There are: {', '.join(known)}")


def _damaged(path: Path, why: str) -> str:
    name = path.name.split(".")[0]
    return (
        f"{path.name} is damaged: {why}. Install vaelib again, or in a clone run "
        f"`git checkout -- vaelib/{path.parent.name}` or `make weights ONLY={name}`."
    )
