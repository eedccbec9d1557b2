"""Write a model as the safetensors files that :mod:`vaelib.weights` and the page read."""

import hashlib
import json
from contextlib import ExitStack
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from vaelib.files import write_aside
from vaelib.flow import Flow
from vaelib.judges import Judge
from vaelib.weights import FOLDER, FORMAT, numbers_of


def save_model(name: str, model: nn.Module, recipe: dict, folder: Path = FOLDER) -> list[Path]:
    """Write ``model`` and its recipe; no file is renamed before all are written aside.

    Numbers are rounded to float16, so evaluate ``half(model)`` for the recipe's figures.
    """
    parts = {"model": model}
    if hasattr(model, "decoder"):
        parts = {"encoder": model.encoder, "decoder": model.decoder}
    paths = []
    with ExitStack() as written:
        for part, module in parts.items():
            suffix = "" if part == "model" else f".{part}"
            paths.append(folder / f"{name}{suffix}.safetensors")
            tensors = {key: value.half().contiguous() for key, value in module.state_dict().items()}
            file = written.enter_context(write_aside(paths[-1]))
            file.write(pack(tensors, {"recipe": recipe, "layers": layers(module)}))
            file.flush()
    return paths


def half(model: nn.Module) -> nn.Module:
    """Round the numbers of ``model`` in place to what a float16 file will hold."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half().float())
    return model


def layers(module: nn.Module) -> list[dict]:
    """What the browser runs: the layers of a sequential module in order, as plain data.

    ``op`` is linear, conv, conv_transpose, silu, relu, flatten or unflatten; ``name`` is the
    prefix of its tensors, "" for none. Of a flow none: the page has a script for it.
    """
    if isinstance(module, Flow):
        return []
    steps = []
    for name, layer in module.named_modules():
        if wrong := _beyond_the_engine(layer):
            raise TypeError(f"the page's engine has no {wrong}, got {layer} ({name})")
        match layer:
            case nn.Linear():
                steps.append({"op": "linear", "name": name})
            case nn.Conv2d() | nn.ConvTranspose2d():
                op = "conv" if isinstance(layer, nn.Conv2d) else "conv_transpose"
                stride, padding = layer.stride[0], layer.padding[0]
                steps.append({"op": op, "name": name, "stride": stride, "padding": padding})
            case nn.SiLU() | nn.ReLU() | nn.Flatten():
                steps.append({"op": type(layer).__name__.lower()})
            case nn.Unflatten():
                steps.append({"op": "unflatten", "shape": list(layer.unflattened_size)})
            case nn.Sequential() | Judge():
                continue
            case _:
                raise TypeError(f"no browser layer for {type(layer).__name__} ({name})")
    return steps


def _beyond_the_engine(layer: nn.Module) -> str:
    """What vaelib/static/engine.js would pass over without a word; empty if there is nothing."""
    wrong = {}
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        wrong["layer without a bias"] = layer.bias is None
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        for name in ("kernel_size", "stride", "padding"):  # padding may be a word
            wrong[f"{name} that is not two equal numbers"] = len(set(getattr(layer, name))) > 1
        wrong["dilation"] = layer.dilation != (1, 1)
        wrong["groups"] = layer.groups != 1
        wrong["padding other than zeros"] = layer.padding_mode != "zeros"
        wrong["output_padding"] = layer.output_padding != (0, 0)
    if isinstance(layer, nn.Flatten):
        wrong["flattening of some axes"] = (layer.start_dim, layer.end_dim) != (1, -1)
    if isinstance(layer, nn.Unflatten):
        wrong["unflattening of another axis"] = layer.dim != 1
    return next((name for name, is_so in wrong.items() if is_so), "")


def pack(tensors: dict[str, Tensor], metadata: dict) -> bytes:
    """A file's content for :func:`read`: with ``metadata`` go the format and the checksum."""
    sha256 = hashlib.sha256(numbers_of(save(tensors))).hexdigest()
    metadata = {"format": FORMAT, **metadata, "sha256": sha256}
    # safetensors allows only strings in the metadata, so each value is JSON.
    return save(tensors, {key: json.dumps(value) for key, value in metadata.items()})
