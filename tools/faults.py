"""Draw faults from a declared space with a seed, commit each of them, and count how it ends.

    python tools/faults.py               a hundred faults of the first seed
    python tools/faults.py 2             of the second
    python tools/faults.py 1 --all       with a line for each

A fault ends in one of five ways, by rule and not by taste:

    named   an error that a `raise` of this project made, of at most 500 characters; a command that
            ends with a sentence of at most 500 characters, and not with a traceback
    mended  no error, and what came is what comes without the fault: the space says beforehand,
            at each kind of fault, whether that can be and how it is seen (`right`)
    raw     an error of Python, torch or another library, too long an error, a traceback
    silent  no error, though what was given is wrong
    hang    no end in a minute, or a process that was killed

The space and both seeds were committed before the mends that they were to judge. It is not changed
after a run, unless a fault in it turns out to be none; then it says so. Needs Node, and the data.
"""

import dis
import functools
import http.server
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from project import ROOT

SEEDS = {1: 20261125, 2: 31415926}
COUNT = 100
LIMIT = 60  # seconds for one fault
LONGEST = 500  # characters of a message
OUTCOMES = ("named", "mended", "raw", "silent", "hang")
OURS = ("vaelib", "tools", "book_ext")
PLACES: dict[str, list[Callable]] = {}


@dataclass(frozen=True)
class Fault:
    """text: what is done. run(folder): does it, in an empty folder. right(result): whether the
    result is the one without the fault."""

    place: str
    text: str
    run: Callable
    right: Callable = lambda result: False


class Ended(Exception):
    """A command or a script that ended: what it said, and whether in words of its own."""

    def __init__(self, outcome: str, said: str):
        super().__init__(said)
        self.outcome = outcome


def kind(place: str):
    """Make a function of a random generator a kind of fault at ``place``."""

    def add(make):
        PLACES.setdefault(place, []).append(make)
        return make

    return add


# --- Misuses of the public interface: an expression, with a gap and what may stand in it ---------

MISUSES = {
    "training": """
        Config(epochs={}) .5 -1 0 nan inf '3' None [1]
        Config(batch_size={}) .5 -1 0 nan inf '3' None
        Config(lr={}) -1 0 nan inf '3' None
        Config(beta={}) -1 nan inf -inf '3' None
        Config(warmup_epochs={}) -1 nan inf '3' None
        fit(vae(),bars(),Config(1,seed={})) 1.5 nan '3' None 2**70
        fit(vae(),{},Config(1))
            none() bars().float() None [1,2] 'mnist' colour() large()
            (bars().pixels,bars().labels)
        fit(vae(),bars(),Config(1),valid={}) none() bars().float() colour() 3 'test'
        fit({},bars(),Config(1))
            frozen() nn.Identity() nn.Sequential() None 'vae' VAE nn.Linear(64,2) (lambda*x:x)
            judge()
        fit(vae(),bars(),{}) None 3 {} {'epochs':1} Config
        fit(vae(),bars(),Config(1),loss={})
            None 'elbo' losses.bernoulli_nll (lambda*a:0) (lambda*a:None)
        fit(vae(),bars(),Config(1),on_epoch={}) 3 'print' [print]
        evaluate({},bars()) nn.Identity() None judge() VAE
        evaluate(vae(),{}) none() bars().float() None colour() large()
        evaluate(vae(),bars(),batch_size={}) 0 -1 .5 None nan
        evaluate(vae(),bars(),beta={}) nan inf -1 None 'x'
        gaussian_loss({})(vae()(x()),x(),1) 0 -1 nan inf None 'x'
        History.load({}) 'gone.json' __file__ '.' None
        """,
    "latent": """
        latent.manifold({},latent.quantile_grid(3)) vae(1) vae(3) None nn.Identity()
        latent.manifold(vae(),{})
            latent.quantile_grid(3)[0] torch.zeros(3,3,3) None torch.full((2,2,2),nan)
        latent.quantile_grid({}) -1 1.5 nan 'x' None
        latent.quantile_grid(3,low={}) nan 0 -1 1 'x' .995
        latent.box_grid(3,{},torch.ones(2)) torch.zeros(1) None nan torch.full((2,),nan)
        latent.encode_images(vae(),{}) none() bars().float() None colour() large() 'mnist'
        latent.encode_images({},bars()) None nn.Identity() judge()
        latent.encode_images(vae(),bars(),batch_size={}) 0 -1 .5 nan None
        latent.decode_images(vae(),{})
            torch.zeros(3,3) torch.zeros(2) None [0,0] torch.full((1,2),nan)
            torch.zeros(2,2).long()
        latent.decode_images(vae(),z(),batch_size={}) 0 -1 None
        latent.sample_prior({},2) -1 1.5 nan None 'x'
        latent.sample_prior(3,{}) -1 1.5 None
        latent.interpolate(z()[0],{},5) torch.zeros(3) None [0,0] torch.full((2,),nan)
        latent.interpolate(z()[0],z()[1],{}) 2.5 1 -3 nan None 'x'
        latent.feature_vector(z(),{})
            [1,0] torch.zeros(7) torch.tensor([1.,nan,0,0,1,0,1,0])
            torch.tensor([1,-1,1,-1,1,-1,1,-1]) None
        latent.feature_vector(torch.zeros(0,2),{}) torch.zeros(0) torch.zeros(0).bool()
        latent.add_feature(z(),torch.ones(2),{}) nan inf None 'x' torch.ones(3)
        latent.add_feature(z(),{},1.0) torch.ones(3) None [1,1] torch.ones(2,2)
        latent.traversals(vae(),z()[0],{},torch.ones(3))
            torch.tensor([5]) torch.tensor([-9]) torch.tensor([.5]) None
        latent.probability_integral_transform({}) None [0,1] 'x'
        """,
    "losses": """
        losses.kl_divergence({},torch.zeros(3,2))
            torch.zeros(2) torch.zeros(3,3) None [0,0] torch.zeros(3,2,1)
        losses.bernoulli_nll({},x()) x()[0] None x()[:,0] 0
        losses.bernoulli_nll(x(),{}) x()*2 -x() x()*nan None x().bool()
        losses.gaussian_nll(x(),x(),{}) 0 -1 nan inf None 'x'
        losses.effective_beta({},784,reduction='sum') 'RMSE' 'squared' None 3 'RMSE_per_batch'
        losses.effective_beta(SE,{},reduction='sum') 0 -1 nan inf None 'x'
        losses.effective_beta(SE,784,reduction={}) 'none' None 3
        losses.effective_beta(SE,784,reduction='sum',scale={}) 0 -1 nan inf None
        losses.iwae({}) torch.zeros(3) torch.zeros(0,3) None [[0]]
        losses.negative_elbo(x(),x(),z(),z(),{}) nan inf None 'x'
        """,
    "metrics": """
        judges.accuracy(judge(),{}) none() bars().float() None colour()
        judges.accuracy({},bars()) None vae() nn.Identity()
        judges.digit_shares(judge(),{},.5) x()[:0] None x()[:,:,:4] colour().float()
        judges.recognised(judge(),x(),{}) nan -1 2 None 'x'
        judges.recognition_threshold(judge(),{}) none() None bars().float()
        judges.recognition_threshold(judge(),bars(),{}) nan -1 2 None
        metrics.sample_codes(codes(),8,{}) 'pior' None 3
        metrics.sample_codes(codes(),{},'gaussian') -1 1.5 nan None
        metrics.sample_codes({},8,'box') z() None codes(0)
        metrics.mass_covered({},z(),z()) z()[:0] None torch.zeros(3,5)
        metrics.knn_accuracy(codes(),codes(),k={}) 0 -1 1000 1.5 None
        metrics.ks_distance({}) z()[:0] z()[0,0] None z()*nan
        metrics.uniformity_2d({}) z()[:0] torch.zeros(9,3) None z()*nan
        metrics.uniformity_2d(z(),{}) 0 -1 1.5 None
        metrics.area_per_digit({}) None codes(1) z()
        metrics.scoreboard(vae(),judge(),bars(),{}) none() None bars().float() colour()
        judges.attribute_accuracy(judge(),{}) bars() None none()
        """,
    "evaluation": """
        evaluation.log_likelihood(vae(),binary(),k={}) 0 -1 1.5 nan None 'x'
        evaluation.log_likelihood(vae(),{},k=8)
            x()/2 x()*nan binary()[:0] None bars() torch.zeros(2,3,8,8) binary()[0] binary()-1
        evaluation.log_likelihood({},binary(),k=8) ae() None judge() nn.Identity()
        evaluation.log_likelihood(vae(),binary(),k=8,batch_size={}) 0 -1 .5 None
        evaluation.log_weights(vae(),binary(),{}) 0 -1 1.5 None
        evaluation.toss({}) x()*2 x()*nan -x() None bars()
        evaluation.refine(vae(),binary(),steps={}) -1 1.5 None nan
        evaluation.refine(vae(),binary(),steps=2,draws={}) 0 -1 1.5 None
        evaluation.refine(vae(),binary(),steps=2,lr={}) nan -1 None 'x'
        evaluation.refine({},binary(),steps=2) ae() None judge()
        """,
    "images": """
        Images({},torch.zeros(64).long())
            bars().float() bars().pixels[:,0] None [1] bars().pixels[:9]
        Images(bars().pixels,{}) torch.zeros(9) None [0]*64 torch.zeros(64,2)
        Images.from_float({}) x()*2 -x() x()*nan None bars().pixels torch.zeros(8,8)
        bars()[{}] 'x' 1.5 None [99] torch.tensor([99]) torch.zeros(9).bool()
        list(bars().batches({})) 0 -1 .5 'x' nan None
        bars().to({}) 'nowhere' 3.5
        Faces(bars().pixels,{},names=('a','b'))
            torch.ones(64,2) torch.ones(64,2)*nan torch.ones(64,1).bool() None
            torch.ones(64,2).long()
        Faces(bars().pixels,torch.ones(64,2).bool(),names={}) ('a','a') 'ab' None () ('a',3)
        faces().has({}) 'Smilling' None 3 'smiling'
        Architecture({}).build() 'gan' None 3
        Architecture(latent_dim={}).build() 0 -1 1.5 nan None 'x' 10**9
        Architecture(encoder_hidden={}).build() (0,) (-1,) (1.5,) None 3 'x' ('x',) (10**9,)
        Architecture(image_shape={}).build() (28,28) (1,0,28) None 28 (1,28,-1) (1,2.5,8)
        Architecture(kind='ae',noise={}).build() -1 nan inf 'x' None
        vae()({}) None bars() torch.zeros(2,3,8,8) torch.zeros(2,1,9,9) x().double()
        avatars.faces({}) 0 -1 1.5 nan None 'x' 10**9
        avatars.faces(3,start={}) -1 1.5 None 'x'
        avatars.faces(3,plant={})
            ('Beard','Hut',.9) ('Beard','Hat',2) ('Beard',) 'Beard' ('Beard','Hat',nan)
        avatars.counterfactual({},'Smiling') -1 1.5 None 'x'
        avatars.counterfactual(3,{}) 'Smilling' None 3
        data.mnist(root={}) 3 'a\\0b' __file__
        """,
    "explorers": """
        shown(explore.latent_explorer({})) 'vae-mnist-20d' 'nosuch' None 3 '' 'judge-mnist'
        shown(explore.latent_explorer(z={}))
            (nan,0.) (inf,0.) (1,2,3) (1,) 'xy' None (1e9,0) ('0','0')
        shown(explore.reparameterisation_explorer(digit={})) 10 -1 1.5 'x' None [1]
        shown(explore.reparameterisation_explorer(epsilon={}))
            (nan,0.) (inf,1.) (1,) (1,2,3) None (99,0) 'xy'
        shown(explore.reparameterisation_explorer({})) 'ae-mnist-2d' 'nosuch' None 'vae-mnist-20d'
        shown(explore.kl_playground(mu={})) nan inf 9 'x' None
        shown(explore.kl_playground(log_var={})) nan -inf -9 'x' None
        shown(explore.beta_explorer({})) 3 nan None '1' [1]
        shown(explore.attribute_mixer({})) 12 -1 1.5 None 'x'
        shown(explore.attribute_mixer(alphas={}))
            {'Hut':1} {'Hat':nan} {'Hat':9} {'Hat':'x'} 3 'Hat'
        shown(explore.attribute_mixer(morph={})) nan 2 -1 None 'x'
        shown(explore.training_replay({})) 24 -25 1.5 nan None 'x'
        shown(explore.draw_a_digit(digit={})) 10 -1 1.5 None 'x'
        shown(explore.exact_posterior(digit={})) 10 -1 1.5 None
        shown(explore.exact_posterior({})) 'ae-mnist-2d' 'nosuch' None 'vae-mnist-20d'
        asked({})
            None {} {'path':None} {'path':[]} {'path':'weights/../../x'}
            {'path':'vaelib/nosuch.js'} {'path':3} {'path':'weights/'}
        """,
    "weights": """
        weights.load({}) None '' 3 'vae-mnist' '../x' b'vae-mnist-2d' ['vae-mnist-2d'] '*' 'a/b'
        weights.recipe({}) None '' 3 'vae-mnist' 1.5
        weights.load('vae-mnist-2d',{}) 'gone' Path('gone') 3 Path(__file__)
        weight_files.layers({})
            nn.Conv2d(1,1,4,dilation=2) nn.Conv2d(1,1,4,bias=False) nn.Linear(2,2,bias=False)
            nn.Conv2d(1,1,4,padding=(1,2)) nn.Conv2d(1,1,4,stride=(1,2)) nn.Conv2d(2,2,4,groups=2)
            nn.Conv2d(1,1,(3,4)) nn.ConvTranspose2d(1,1,4,output_padding=1,stride=2)
            nn.Conv2d(1,1,4,padding_mode='circular',padding=1) nn.Conv2d(1,1,4,padding='same')
            nn.Flatten(2) nn.Flatten(0) nn.Tanh() nn.Dropout() None nn.Unflatten(0,(1,2))
        """,
    "photographs": """
        faces_from_folder({},'labels.csv') 'gone' None 3 'labels.csv' ''
        faces_from_folder('pictures',{}) 'gone.csv' None 3 'pictures' ''
        faces_from_folder('pictures','labels.csv',{}) 0 -1 1.5 nan None 'x' 10**6
        celeba('.',size={}) 0 141 -1 1.5 nan None 'x'
        celeba('.',faces={}) 0 2 10**9 1.5 nan 'x'
        celeba('.',shards={}) 0 133 -1 1.5 nan 'x'
        """,
}  # fmt: skip


def rows_of(place: str) -> list[tuple[str, list[str]]]:
    """The expressions of a place, and what may stand in the gap of each."""
    text = re.sub(r"\n {12}", " ", MISUSES[place])  # what goes on, on the next line
    rows = [line.split() for line in text.strip().splitlines()]
    return [(template, values) for template, *values in rows]


def misuse(place: str):
    def make(draw):
        template, values = draw.choice(rows_of(place))
        code = template.replace("{}", draw.choice(values), 1)

        def run(folder):
            if place == "photographs":
                own_faces(folder)
                celeba_files(folder)
            return eval(code, names())

        return Fault(place, code, run)

    return make


for _place in MISUSES:
    # More kinds of one thing, not one of many: each row of a place weighs about as much as a kind.
    PLACES.setdefault(_place, []).extend([misuse(_place)] * 3)


def names() -> dict:
    """What the expressions speak of."""
    import torch
    from torch import nn

    import weight_files
    from vaelib import (
        avatars,
        data,
        evaluation,
        explore,
        judges,
        latent,
        losses,
        metrics,
        models,
        training,
        weights,
    )
    from vaelib.latent import Codes

    generator = torch.Generator().manual_seed(0)
    shape = (1, 8, 8)

    def model(kind="vae", k=2):
        hidden = {"encoder_hidden": (16,), "decoder_hidden": (16,)}
        return models.Architecture(kind, k, **hidden, image_shape=shape).build()

    def judge():
        with models.seeded(0):
            return judges.Judge(shape, (4,)).eval()

    def images(n=64, shape=shape):
        pixels = torch.randint(0, 256, (n, *shape), generator=generator, dtype=torch.uint8)
        return data.Images(pixels, torch.arange(n) % 10)

    def codes(k=2):
        n = 64 if k else 0
        mu = torch.randn(n, k or 2, generator=generator)
        return Codes(mu, mu * 0 - 2, mu, torch.arange(n) % 10)

    def shown(explorer):
        return explorer._repr_mimebundle_()

    def asked(message):
        """What a page is sent that asks a kernel so: an error in words is all right here."""
        canvas, sent = explore.kl_playground().children[-1], []
        canvas.send = lambda content, buffers=None: sent.append(content)
        canvas._answer(None, message, [])
        if len(sent) == 1 and 0 < len(sent[0].get("error", "")) <= LONGEST:
            raise Ended("named", sent[0]["error"])
        return sent

    frozen = lambda: model().requires_grad_(False)  # noqa: E731
    labels = torch.arange(128).view(64, 2) % 2 == 0
    x = images(8).float()
    made = {
        "vae": lambda k=2: model(k=k), "ae": lambda: model("ae"), "frozen": frozen, "judge": judge,
        "bars": images, "none": lambda: images(0), "colour": lambda: images(64, (3, 8, 8)),
        "large": lambda: images(64, (1, 9, 9)), "x": lambda: x, "z": lambda: codes().z[:8],
        "codes": codes, "binary": lambda: (x > 0.5).float(), "shown": shown, "asked": asked,
        "faces": lambda: data.Faces(images().pixels, labels, names=("Smiling", "Hat")),
        "nan": float("nan"), "inf": float("inf"), "SE": "squared error",
        "__file__": __file__, "Path": Path,
    }  # fmt: skip
    made |= {key: getattr(training, key) for key in ["Config", "fit", "evaluate", "gaussian_loss"]}
    made |= {key: getattr(data, key) for key in ["Images", "Faces", "celeba", "faces_from_folder"]}
    made |= {"History": training.History, "Architecture": models.Architecture, "VAE": models.VAE}
    return made | {
        "torch": torch, "nn": nn, "weight_files": weight_files, "avatars": avatars, "data": data,
        "evaluation": evaluation, "explore": explore, "judges": judges, "latent": latent,
        "losses": losses, "metrics": metrics, "weights": weights,
    }  # fmt: skip


@kind("losses")
def half_precision(draw):
    mu, log_var, count = draw.uniform(-0.2, 0.2), draw.uniform(-0.2, 0.2), draw.randint(1, 64)

    def run(folder):
        import torch

        from vaelib import losses

        ends = [torch.full((1, count), value).bfloat16() for value in (mu, log_var)]
        found = losses.kl_divergence(*ends).item()
        return found, losses.kl_divergence(*(end.double() for end in ends)).item()

    return Fault(
        "losses",
        f"the KL of {count} latents in bfloat16, mu {mu:.3f}, log_var {log_var:.3f}",
        run,
        lambda pair: abs(pair[0] - pair[1]) <= 0.01 * pair[1],
    )


# --- Weights files, as Python reads them and as the page does ------------------------------------

MODELS = ("vae-mnist-2d", "ae-mnist-2d", "judge-mnist", "flow-mnist-20d", "beta-1")
BOMBS = {
    "500 lists in each other": "[" * 500 + "]" * 500,
    "100,000 lists in each other": "[" * 10**5 + "]" * 10**5,
    "100,000 objects in each other": '{"a":' * 10**5 + "1" + "}" * 10**5,
    "a number of 100,000 digits": "9" * 10**5,
    "a string of a million letters": '"' + "x" * 10**6 + '"',
}
ODD_HEADERS = {
    **{text: text for text in ("[]", "[1,2]", "3", '"x"', "null", "true", "{}", "NaN", "")},
    '{"__metadata__": null}': '{"__metadata__": null}',
    '{"__metadata__": []}': '{"__metadata__": []}',
    '{"__metadata__": {"format": 1}}': '{"__metadata__": {"format": 1}}',
    **BOMBS,
}


def split_file(content: bytes) -> tuple[dict, bytes]:
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def join_file(header: dict | str, numbers: bytes) -> bytes:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + numbers


def flipped(draw):
    at, bit = draw.random(), draw.randrange(8)

    def damage(content):
        # Half of these in the header, which is a hundredth of a file.
        end = len(content) if at < 0.5 else 8 + struct.unpack("<Q", content[:8])[0]
        place = int(2 * (at % 0.5) * end)
        return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]

    return f"bit {bit} flipped at {at:.4f}", damage


def cut(draw):
    share = draw.choice([0.0, draw.uniform(0, 0.02), draw.random(), 0.99999])
    return f"cut to {share:.5f} of it", lambda content: content[: int(share * len(content))]


def appended(draw):
    more = draw.randbytes(draw.choice([1, 2, 8, 1000]))
    return f"{len(more)} bytes appended", lambda content: content + more


def another_length(draw):
    new = draw.choice(
        ["0", "1", "length - 1", "length + 1", "2**31", "2**32", "2**60", "2**64 - 1"]
    )

    def damage(content):
        length = eval(new, {"length": struct.unpack("<Q", content[:8])[0]})
        return struct.pack("<Q", length) + content[8:]

    return f"the header's length {new}", damage


def another_header(draw):
    name = draw.choice(list(ODD_HEADERS))
    return f"the header {name}", lambda c: join_file(ODD_HEADERS[name], split_file(c)[1])


def another_text(draw):
    """A field of the metadata that is gone or odd."""
    field = draw.choice(["format", "sha256", "recipe"])
    odd = draw.choice(["gone", "", "null", "[]", "3", '"x"', "{", "1e999", *BOMBS])

    def damage(content):
        header, numbers = split_file(content)
        header["__metadata__"][field] = BOMBS.get(odd, odd)
        if odd == "gone":
            del header["__metadata__"][field]
        return join_file(header, numbers)

    return f"metadata's {field} {odd or 'empty'}", damage


def another_entry(draw):
    """A tensor whose entry in the header is odd."""
    changes = [
        ("dtype", draw.choice(["F64", "I64", "BOOL", "F8", "", None, 3, "U8", "BF16"])),
        ("shape", draw.choice([[-1, -1], [0], [], None, "x", [2**60, 2**60], [1.5], [1], [2**53]])),
        ("data_offsets", draw.choice([[-8, 8], [8, 0], [0, 2**60], [0], [], None, "x", [0, 0]])),
    ]
    key, value = draw.choice(changes)
    which = draw.random()

    def damage(content):
        header, numbers = split_file(content)
        tensors = sorted(header.keys() - {"__metadata__"})
        header[tensors[int(which * len(tensors))]][key] = value
        return join_file(header, numbers)

    return f"a tensor's {key} {json.dumps(value)}", damage


def another_tensor(draw):
    what = draw.choice(["renamed", "gone from the header", "null", "a list", "doubled"])

    def damage(content):
        header, numbers = split_file(content)
        name = sorted(header.keys() - {"__metadata__"})[0]
        entry = header.pop(name)
        new = {"renamed": {"other": entry}, "null": {name: None}, "a list": {name: [1]},
               "doubled": {name: entry, "other": entry}}  # fmt: skip
        return join_file(header | new.get(what, {}), numbers)

    return f"a tensor {what}", damage


def no_number(draw):
    value = draw.choice([0x7E00, 0x7C00, 0xFC00])
    where = draw.random()

    def damage(content):
        import hashlib

        header, numbers = split_file(content)
        at = int(where * (len(numbers) // 2)) * 2
        numbers = numbers[:at] + struct.pack("<H", value) + numbers[at + 2 :]
        header["__metadata__"]["sha256"] = json.dumps(hashlib.sha256(numbers).hexdigest())
        return join_file(header, numbers)

    name = {0x7E00: "NaN", 0x7C00: "inf", 0xFC00: "-inf"}[value]
    return f"{name} among the numbers, its checksum made right", damage


DAMAGES = (
    flipped, cut, appended, another_length, another_header, another_text, another_entry,
    another_tensor, no_number,
)  # fmt: skip


def copied(folder: Path, name: str) -> list[Path]:
    return [
        Path(shutil.copy(path, folder))
        for path in sorted((ROOT / "vaelib" / "weights").glob(f"{name}.*"))
        if ".codes." not in path.name
    ]


@kind("weights")
@kind("weights")
def damaged_weights(draw):
    name, which = draw.choice(MODELS), draw.random()
    text, damage = draw.choice(DAMAGES)(draw)

    def run(folder):
        from vaelib import weights

        paths = copied(folder, name)
        path = paths[int(which * len(paths))]
        path.write_bytes(damage(path.read_bytes()))
        return weights.load(name, folder)

    def right(model):
        from vaelib import weights

        good = weights.load(name).state_dict()
        return all(good[key].equal(value) for key, value in model.state_dict().items())

    return Fault(
        "weights",
        f"load {name}, in its file {'first' if which < 0.5 else 'last'}: {text}",
        run,
        right,
    )


@kind("weights")
def another_architecture(draw):
    fields = "kind latent_dim encoder decoder_hidden image_shape noise depth"
    field = draw.choice(fields.split(" "))
    values = (
        0,
        -1,
        10**9,
        1.5,
        "x",
        None,
        [],
        True,
        float("nan"),
        [0],
        [-5],
        [10**9],
        [1.5],
        {},
        99999,
    )
    value = draw.choice(values)
    name = draw.choice(["vae-mnist-2d", "ae-mnist-2d", "beta-1"])

    def run(folder):
        from vaelib import weights

        for path in copied(folder, name):
            header, numbers = split_file(path.read_bytes())
            recipe = json.loads(header["__metadata__"]["recipe"])
            recipe["architecture"][field] = value
            header["__metadata__"]["recipe"] = json.dumps(recipe)
            path.write_bytes(join_file(header, numbers))
        return weights.load(name, folder)

    def right(model):  # a noise of 0 is the one that is there
        return field == "noise" and value == 0

    return Fault("weights", f"load {name} whose recipe has {field} = {value!r}", run, right)


RUN = """
import { readFileSync } from "node:fs";
import { network } from "ENGINE";
const [source, from, code] = process.argv.slice(1);
async function read() {
  if (!source.startsWith("http")) {
    const bytes = readFileSync(source);
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  }
  const documentElement = { dataset: { content_root: "./" } };
  globalThis.document = { documentElement, baseURI: source, querySelectorAll: () => [] };
  (0, eval)(await (await fetch(`${source}_static/vaelib/book.js`)).text());
  return globalThis.vaelibLoad(from);
}
let told;
try {
  told = { numbers: Array.from(network(await read())(JSON.parse(code))) };
} catch (error) {
  told = { name: error?.name, message: String(error?.message) };
}
console.log(JSON.stringify(told));
process.exit();
"""


def in_node(source: str | Path, code: str, path: str = "") -> list[float]:
    """What the page's engine makes of a code, or how it ends; ``source`` is a file, or the address
    of a book in which book.js is to fetch ``path``."""
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))  # node reserves what it will never use
    script = RUN.replace("ENGINE", (ROOT / "vaelib/static/engine.js").as_uri())
    command = ["node", "--input-type=module", "--eval", script, "--", str(source), path, code]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode or not ran.stdout:
        raise Ended("raw", f"node ended with {ran.returncode}: {ran.stderr[-200:]}")
    told = json.loads(ran.stdout)
    if "numbers" in told:
        return told["numbers"]
    ours = told["name"] == "Error" and 0 < len(told["message"]) <= LONGEST
    raise Ended("named" if ours else "raw", f"{told['name']}: {told['message']}")


def in_the_book(folder: Path, name: str, damage: Callable, code: str) -> list[float]:
    """What a page of a book makes of a code, once a file that it fetches has been damaged."""
    sys.path.insert(0, str(ROOT / "book_ext"))
    import vae_book

    widgets = f'application/vnd.jupyter.widget-state+json">"{name}"</script>'
    static = folder / "_static"
    static.mkdir()
    vae_book.copy_package_files(static, {folder / "page.html": widgets})
    path = static / "weights" / f"{name}.decoder.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        found = in_node(address, code, f"weights/{path.name}")
        server.shutdown()
    return found


def from_a_kernel(folder: Path, name: str, damage: Callable, code: str) -> list[float]:
    """The same where a kernel is asked for the file, and sends it or says why not."""
    from vaelib import explore, weights

    canvas, sent = explore.kl_playground().children[-1], []
    canvas.send = lambda content, buffers=None: sent.append((content, buffers))
    for path in copied(folder, name):
        path.write_bytes(damage(path.read_bytes()))
    weights.FOLDER = folder
    canvas._answer(None, {"path": f"weights/{name}.decoder.safetensors"}, [])
    [(content, buffers)] = sent
    if said := content.get("error"):
        raise Ended("named" if len(said) <= LONGEST else "raw", said)
    (folder / "came").write_bytes(buffers[0])
    return in_node(folder / "came", code)


@kind("page")
@kind("page")
@kind("page")
def damaged_in_the_page(draw):
    text, damage = draw.choice(DAMAGES)(draw)
    way = draw.choice([in_the_book, from_a_kernel])
    name = draw.choice(["vae-mnist-2d", "beta-1"])
    code = json.dumps([0.5, -1.0] if name == "vae-mnist-2d" else [0.25] * 16)

    def run(folder):
        path = ROOT / "vaelib" / "weights" / f"{name}.decoder.safetensors"
        return way(folder, name, damage, code), in_node(path, code)

    where = way.__name__.replace("_", " ")
    return Fault("page", f"{name}'s decoder {where}: {text}", run, lambda pair: pair[0] == pair[1])


@kind("page")
def another_layer(draw):
    key, value = draw.choice([
        ("op", draw.choice(["tanh", "", None, "toString", "constructor", 3])),
        ("name", draw.choice(["9", None, 3, "__proto__"])),
        ("layers", draw.choice([None, 3, "x", {}, [None], [3], []])),
    ])  # fmt: skip

    def run(folder):
        path = ROOT / "vaelib" / "weights" / "vae-mnist-2d.decoder.safetensors"
        header, numbers = split_file(path.read_bytes())
        layers = json.loads(header["__metadata__"]["layers"])
        layers[0][key] = value
        if key == "layers":
            layers = value
        header["__metadata__"]["layers"] = json.dumps(layers)
        (folder / "bad").write_bytes(join_file(header, numbers))
        return in_node(folder / "bad", "[0.5, -1.0]")

    return Fault("page", f"a decoder whose first layer has {key} = {value!r}", run)


@kind("page")
def another_code(draw):
    code = draw.choice(
        ["[1]", "[1, 2, 3]", "[]", "null", '"xy"', "{}", "[null, 1]", '["x", 1]', "7"]
    )

    def run(folder):
        return in_node(ROOT / "vaelib" / "weights" / "vae-mnist-2d.decoder.safetensors", code)

    return Fault("page", f"the code {code}", run)


# --- Data in the cache ---------------------------------------------------------------------------


def small_damage(draw):
    return draw.choice([flipped_anywhere, cut, appended])(draw)


def flipped_anywhere(draw):
    at, bit = draw.random(), draw.randrange(8)

    def damage(content):
        place = int(at * len(content))
        return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]

    return f"bit {bit} flipped at {at:.4f}", damage


@kind("data")
def damaged_digits(draw):
    text, damage = small_damage(draw)
    which = draw.randrange(4)

    def run(folder):
        from vaelib import digits
        from vaelib.files import DataError

        def offline(*_):
            raise DataError("no network")

        digits.download = offline
        name = list(digits.MNIST_MD5)[which]
        shutil.copytree(digits.cache_folder() / "MNIST", folder / "MNIST")
        path = folder / "MNIST" / "raw" / name
        path.write_bytes(damage(path.read_bytes()))
        return digits.mnist(folder)

    return Fault("data", f"MNIST offline, file {which}: {text}", run)


@kind("data")
def damaged_block(draw):
    text, damage = small_damage(draw)
    if draw.random() < 0.5:
        text, damage = draw.choice(["float64", "int8", "of another shape", "a pickle"]), None

    def run(folder):
        import numpy as np

        from vaelib import avatars

        good = avatars._folder(None, 0, None) / "0.npz"
        path = avatars._folder(folder, 0, None) / "0.npz"
        path.parent.mkdir(parents=True)
        pixels = np.load(good)["pixels"]
        kinds = {"float64": pixels.astype(float) / 255, "int8": pixels.astype(np.int8),
                 "of another shape": pixels[:10], "a pickle": np.array([None])}  # fmt: skip
        if damage:
            path.write_bytes(damage(good.read_bytes()))
        else:
            np.savez_compressed(path, pixels=kinds[text])
        avatars._draw_blocks = lambda *_: shutil.copy(good, path)  # what drawing anew gives
        return avatars.faces(20, root=folder).pixels, pixels[:20]

    def right(pair):
        return (pair[0].numpy() == pair[1]).all()

    return Fault("data", f"a cached block of drawn faces, {text}", run, right)


def celeba_files(folder: Path) -> Path:
    """Sixty faces in the layout of the official files."""
    sys.path.insert(0, str(ROOT / "tests"))
    import test_celeba

    return test_celeba.make(folder)


def own_faces(folder: Path) -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    import test_own_faces

    test_own_faces.make(folder)


LINES = (
    "", "x", "1 2 3", "000007.jpg", "000007.jpg 3", "000007.jpg 1 -1", "60 60", "-5", "\0",
    "é" * 99,
)  # fmt: skip


@kind("data")
def edited_celeba(draw):
    name = draw.choice(["list_attr_celeba.txt", "list_eval_partition.txt"])
    line, new = draw.choice([0, 1, 2, 9, -1]), draw.choice([None, *LINES])

    def run(folder):
        path = celeba_files(folder) / name
        lines = path.read_text().splitlines()
        lines[line : None if line == -1 else line + 1] = [] if new is None else [new]
        path.write_text("\n".join(lines) + "\n")
        from vaelib import data

        return data.celeba(folder)

    return Fault("data", f"CelebA, {name}: line {line} {'gone' if new is None else repr(new)}", run)


@kind("data")
def damaged_celeba_face(draw):
    what = draw.choice(["cut", "text", "of another size", "empty", "gone", "a folder"])
    number = draw.randrange(1, 61)

    def run(folder):
        path = celeba_files(folder) / "img_align_celeba" / f"{number:06}.jpg"
        import test_celeba

        good = path.read_bytes()
        path.unlink()
        if what == "a folder":
            path.mkdir()
        elif what != "gone":
            wrong = {"cut": good[: len(good) // 2], "text": b"not here", "empty": b"",
                     "of another size": test_celeba.jpeg(1, (200, 200))}  # fmt: skip
            path.write_bytes(wrong[what])
        from vaelib import data

        return data.celeba(folder)

    return Fault("data", f"CelebA, face {number} {what}", run)


@kind("photographs")
@kind("photographs")
def damaged_photograph(draw):
    what = draw.choice(
        ["cut", "text", "grey", "16 bit", "empty", "gone", "a folder", "1 pixel wide"]
    )
    number = draw.randrange(20)

    def run(folder):
        own_faces(folder)
        from PIL import Image

        from vaelib import data

        path = folder / "pictures" / f"face {number:02}.png"
        good = path.read_bytes()
        path.unlink()
        if what == "a folder":
            path.mkdir()
        elif what in ("grey", "16 bit", "1 pixel wide"):
            mode, size = {
                "grey": ("L", (9, 9)),
                "16 bit": ("I;16", (9, 9)),
                "1 pixel wide": ("RGB", (1, 900)),
            }[what]
            Image.new(mode, size).save(path)
        elif what != "gone":
            path.write_bytes({"cut": good[: len(good) // 2], "text": b"no", "empty": b""}[what])
        return data.faces_from_folder(folder / "pictures", folder / "labels.csv")

    # A picture of one column is a picture: its middle square is one pixel.
    return Fault(
        "photographs", f"photograph {number} {what}", run, lambda _: what == "1 pixel wide"
    )


@kind("photographs")
@kind("photographs")
def edited_table(draw):
    row, header = "face 03.png,0,1", "picture,Smiling,Hat"
    rows = """face 03.png,0|face 03.png,2,1|face 04.png,0,1|face 03.png,nan,1|face 03.png,0,1,1|,0,1
        |../labels.csv,0,1|face 03.png;0;1"""
    headers = "|picture|picture,Hat,Hat|picture,,Hat|picture;Smiling;Hat|face 99.png,1,0"
    old, odd = draw.choice([(row, rows), (header, headers)])
    new = draw.choice([one.strip() for one in odd.split("|")])

    def run(folder):
        own_faces(folder)
        from vaelib import data

        path = folder / "labels.csv"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        return data.faces_from_folder(folder / "pictures", path)

    return Fault("photographs", f"the table's {old!r} made {new!r}", run)


# --- Commands ------------------------------------------------------------------------------------


def command(folder: Path, *arguments: str):
    """Run a tool; it must end with a sentence of its own."""
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, env=environment
    )
    said = ran.stderr.strip()
    if ran.returncode == 0:
        return ran.stdout
    if "Traceback (most" in said or not said or len(said) > LONGEST:
        raise Ended("raw", f"ended with {ran.returncode}: {said[-300:]}")
    raise Ended("named", said)


CONTENTS = {
    **{text: text for text in ("[]", "{}", "3", "null", '"x"', "", "{", '{"cells": 3}', "[[[")},
    '{"nbformat": 3}': '{"nbformat": 3, "worksheets": []}',
    "cells null": '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": null}',
    "a cell null": '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [null]}',
    "a cell {}": '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{}]}',
    "no cells": '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}',
    "format '4'": '{"nbformat": "4", "nbformat_minor": 5, "metadata": {}, "cells": []}',
    **BOMBS,
}


@kind("tools")
@kind("tools")
def no_notebook(draw):
    action = draw.choice(["check", "check", "strip", "to-py"])
    name = draw.choice([*CONTENTS, "bytes", "a folder", "nothing there"])

    def run(folder):
        path = folder / "chapter.ipynb"
        if name == "a folder":
            path.mkdir()
        elif name == "bytes":
            path.write_bytes(bytes(range(128, 256)))
        elif name != "nothing there":
            path.write_text(CONTENTS[name])
        more = ["draft.py"] if action == "to-py" else []
        return command(folder, str(ROOT / "tools/notebooks.py"), action, path.name, *more)

    # A notebook without cells is one that there is nothing to strip from.
    return Fault(
        "tools",
        f"notebooks.py {action} on {name}",
        run,
        lambda _: (action, name) == ("strip", "no cells"),
    )


@kind("tools")
def no_draft(draw):
    text = draw.choice(
        [
            "",
            "x = 1",
            "# %%\nx = 1",
            "# %% [markdown]\n# no title",
            "# %%(",
            "a folder",
            "nothing there",
        ]
    )

    def run(folder):
        path = folder / "draft.py"
        if text == "a folder":
            path.mkdir()
        elif text != "nothing there":
            path.write_text(text)
        return command(folder, str(ROOT / "tools/notebooks.py"), "from-py", "draft.py", "out.ipynb")

    return Fault("tools", f"notebooks.py from-py on {text!r}", run)


def project_copy(folder: Path, git: bool = True) -> Path:
    shutil.copytree(ROOT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    if git:
        subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


@kind("tools")
@kind("tools")
def odd_address(draw):
    host = "https://github.com"
    paths = f"""a b/c|a/b c|-a/b|a-/b|a--b/c|a_b/c|a.b/c|./..|a/..|a/.|{"a" * 40}/b|a/{"b" * 101}
        |a|a/b/c|a/b?x=1|a/b#x|/b|ä/b|a/.git"""
    urls = [f"{host}/{path}" for path in map(str.strip, paths.split("|"))]
    urls += ["", " ", "git@github.com:a/b.git", "http://github.com/a/b", "https://gitlab.com/a/b"]
    url = draw.choice(urls)

    def run(folder):
        return command(project_copy(folder), "tools/repository.py", url)

    return Fault("tools", f"repository.py {url!r}", run)


@kind("tools")
def outside_a_clone(draw):
    what = draw.choice(
        ["no git folder", "no pyproject", "a broken pyproject", "no address", "two addresses"]
    )

    def run(folder):
        project_copy(folder, git=what != "no git folder")
        settings = folder / "pyproject.toml"
        if what == "no pyproject":
            settings.unlink()
        elif what == "a broken pyproject":
            settings.write_text("[project\n")
        elif what == "no address":
            settings.write_text('[project]\nname = "x"\n')
        address = "https://github.com/a/b"
        more = [address] if what == "two addresses" else []
        # Above the folder there may be a clone of something else.
        os.environ["GIT_CEILING_DIRECTORIES"] = str(folder.parent)
        return command(folder, "tools/repository.py", address, *more)

    return Fault("tools", f"repository.py with {what}", run)


# --- Drawing and judging -------------------------------------------------------------------------


def drawn(seed: int, count: int = COUNT) -> list[Fault]:
    """``count`` faults, no two alike: a place, a kind there, and what the kind draws."""
    draw, faults = random.Random(seed), {}
    while len(faults) < count:
        fault = draw.choice(PLACES[draw.choice(sorted(PLACES))])(draw)
        faults.setdefault((fault.place, fault.text), fault)
    return list(faults.values())


def raised_by_us(error: BaseException) -> bool:
    """Whether a `raise` that stands in this project made the error: not a call that went wrong."""
    last = error.__traceback__
    while last.tb_next:
        last = last.tb_next
    code = last.tb_frame.f_code
    path = Path(code.co_filename)
    inside = path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in OURS
    op = next((i.opname for i in dis.get_instructions(code) if i.offset == last.tb_lasti), "")
    return inside and path != Path(__file__) and op == "RAISE_VARARGS"


def outcome(fault: Fault, folder: Path) -> tuple[str, str]:
    """How it ends, and what is said."""
    try:
        result = fault.run(folder)
    except Ended as end:
        return end.outcome, str(end)
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
        ours = raised_by_us(error) and len(str(error)) <= LONGEST
        return "named" if ours else "raw", said
    return ("mended" if fault.right(result) else "silent"), ""


def _child(fault: Fault, folder: str, pipe) -> None:
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    os.chdir(folder)
    # What asks for all memory is refused, and does not take the machine with it.
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 3 * 2**30, -1))
    found, said = outcome(fault, Path(folder))
    pipe.send((found, said[:300]))


def judged(fault: Fault) -> tuple[str, str]:
    """:func:`outcome` in a process of its own, which may be killed."""
    processes = multiprocessing.get_context("fork")
    ours, theirs = processes.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        process = processes.Process(target=_child, args=(fault, folder, theirs))
        process.start()
        theirs.close()
        try:
            return ours.recv() if ours.poll(LIMIT) else ("hang", f"no end in {LIMIT} s")
        except EOFError:
            return "hang", f"killed ({process.exitcode})"
        finally:
            process.kill()
            process.join()


def main() -> None:
    which = int(next((word for word in sys.argv[1:] if word.isdecimal()), 1))
    import torch

    import vaelib

    if not Path(vaelib.__file__).is_relative_to(ROOT):
        sys.exit(f"This would judge {vaelib.__file__}: set PYTHONPATH to {ROOT}.")
    torch.set_num_threads(1)
    names()  # what each fault needs is imported once
    table, counts = Counter(), Counter()
    for number, fault in enumerate(drawn(SEEDS[which]), start=1):
        found, said = judged(fault)
        table[fault.place, found] += 1
        counts[found] += 1
        if "--all" in sys.argv or found not in ("named", "mended"):
            print(f"{number:3} {found:7}{fault.place:12}{fault.text}\n{'':11}{said}", flush=True)
    print(f"seed {SEEDS[which]}, {COUNT} faults")
    print(f"{'':14}" + "".join(f"{name:>8}" for name in OUTCOMES))
    for place in [*sorted(PLACES), "all"]:
        row = [counts[name] if place == "all" else table[place, name] for name in OUTCOMES]
        print(f"{place:14}" + "".join(f"{number:8}" for number in row))


if __name__ == "__main__":
    main()
