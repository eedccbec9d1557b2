"""Measure the budgets of the book and write them to BENCHMARKS.md; a test never times.

    python tools/bench.py                  everything
    python tools/bench.py epoch weights    some of: epoch, weights, faces, import, page, chapters

Times are medians of runs that take turns, so a slow moment of the machine hits all alike.
"""

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch

import bench_file
from bench_page import bench_page
from torchvision_alone import import_torchvision
from vaelib import avatars, data, training, weights
from vaelib.losses import negative_elbo
from vaelib.models import Architecture
from vaelib.training import Config, evaluate, fit

ROOT = Path(__file__).resolve().parent.parent
# pytorch/examples vae/main.py: 784-400-20, batches of 128, Adam at 1e-3.
EXAMPLE = Architecture(encoder_hidden=(400,), decoder_hidden=(400,), latent_dim=20)
BATCH = 128
BOUNDS = {"vae-mnist-2d": (137.0, 136.0), "vae-mnist-20d": (96.5, 95.0)}  # required, stretch


def bench_epoch(rounds: int = 5) -> list[tuple[str, str, str]]:
    """One epoch by `fit`, by the bare arithmetic, and as pytorch/examples trains its VAE.

    CPU seconds of one thread: what is compared is work, whatever else the machine does.
    """
    images = data.mnist().train
    in_hand = [x for x, _ in images.batches(BATCH)]
    transform = import_torchvision().transforms.ToTensor()
    loader = torch.utils.data.DataLoader(
        import_torchvision().datasets.MNIST(data.cache_folder(), train=True, transform=transform),
        batch_size=BATCH,
        shuffle=True,
    )
    config = Config(epochs=1, batch_size=BATCH)
    ways = {
        "fit": lambda: fit(EXAMPLE.build(), images, config, progress=False),
        "floor": lambda: _bare_epoch(in_hand),
        "example": lambda: _example_epoch(loader),
    }
    seconds = {name: [] for name in ways}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for each other spin, and would be counted
    for _ in range(rounds):
        for name, run in ways.items():
            seconds[name].append(_timed(run, time.process_time))
    torch.set_num_threads(threads)
    fit_s, floor_s, example_s = (statistics.median(seconds[name]) for name in ways)
    over_floor = statistics.median(a / b for a, b in zip(seconds["fit"], seconds["floor"]))
    faster = statistics.median(a / b for a, b in zip(seconds["example"], seconds["fit"]))
    return [
        ("an epoch of the 784-400-20 VAE by `fit`", f"{fit_s:.2f} CPU seconds", ""),
        ("the same steps on data already in hand", f"{floor_s:.2f} CPU seconds", ""),
        ("an epoch as in pytorch/examples, `vae`", f"{example_s:.2f} CPU seconds", ""),
        ("`fit` over data in hand", f"{over_floor:.2f} x", "at most 1.1 x"),
        ("pytorch/examples over `fit`", f"{faster:.2f} x", "at least 1.5 x"),
    ]


def _bare_epoch(batches) -> None:
    model = EXAMPLE.build()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    for x in batches:
        output = model(x)
        terms = negative_elbo(output.logits, x, output.mu, output.log_var)
        optimiser.zero_grad()
        terms.loss.mean().backward()
        optimiser.step()


class _ExampleVAE(torch.nn.Module):
    """The network of pytorch/examples, vae/main.py, in our words."""

    def __init__(self):
        super().__init__()
        linear = torch.nn.Linear
        self.hidden, self.mu, self.log_var = linear(784, 400), linear(400, 20), linear(400, 20)
        self.widen, self.pixels = linear(20, 400), linear(400, 784)

    def forward(self, x):
        h = self.hidden(x.view(-1, 784)).relu()
        mu, log_var = self.mu(h), self.log_var(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * log_var)
        return self.pixels(self.widen(z).relu()).sigmoid(), mu, log_var


def _example_epoch(loader) -> None:
    model, total = _ExampleVAE(), 0.0
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for x, _ in loader:
        optimiser.zero_grad()
        decoded, mu, log_var = model(x)
        loss = torch.nn.functional.binary_cross_entropy(decoded, x.view(-1, 784), reduction="sum")
        loss = loss - 0.5 * torch.sum(1 + log_var - mu.pow(2) - log_var.exp())
        loss.backward()
        total += loss.item()
        optimiser.step()


def bench_weights() -> list[tuple[str, str, str]]:
    """Held-out loss of the shipped models, one sampled z an image, averaged over five seeds."""
    test = data.mnist().test
    rows = []
    for name, (required, stretch) in BOUNDS.items():
        model = weights.load(name)
        losses = [evaluate(model, test, training.elbo_loss, seed=seed).loss for seed in range(5)]
        spread = statistics.stdev(losses)
        rows.append(
            (
                f"held-out loss of `{name}`",
                f"{statistics.mean(losses):.2f} nats (spread over seeds of z {spread:.2f})",
                f"at most {required}, stretch {stretch}",
            )
        )
        for path in weights.FOLDER.glob(f"{name}.*coder.safetensors"):
            size = path.stat().st_size / 1000
            rows.append((f"`{path.name}`", f"{size:.0f} kB", "at most 300 kB where a page uses it"))
    return rows


def bench_faces() -> list[tuple[str, str, str]]:
    """Drawing ten thousand faces into an empty cache, and what it and the faces' model take."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = _timed(partial(avatars.faces, 10_000, root=folder, progress=False))
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.npz")) / 1e6
    decoder = weights.FOLDER / "vae-avatars.decoder.safetensors"
    return [
        ("10,000 faces drawn", f"{seconds:.0f} s, {size:.1f} MB in the cache", "at most 60 s"),
        (f"`{decoder.name}`", f"{decoder.stat().st_size / 1000:.0f} kB", "at most 1500 kB"),
    ]


def bench_import(rounds: int = 7) -> list[tuple[str, str, str]]:
    """`import vaelib` with the names a chapter begins with, over `import torch` alone.

    The package loads a module when one of its names is first used, so the bare import would
    measure nothing.
    """
    names = "VAE, Config, fit, kl_divergence, elbo, encode_images, load, mnist"
    both = {"torch": [], "vaelib": []}
    for _ in range(rounds):
        for name, seconds in both.items():
            code = (
                "import torch" if name == "torch" else f"import torch; from vaelib import {names}"
            )
            command = [sys.executable, "-c", code]
            seconds.append(_timed(partial(subprocess.run, command, check=True)))
    extra = statistics.median(both["vaelib"]) - statistics.median(both["torch"])
    return [("`import vaelib` over `import torch`", f"{max(extra, 0):.2f} s", "at most 0.3 s")]


def bench_chapters() -> list[tuple[str, str, str]]:
    """Seconds to execute each notebook from the top, kernel start included."""
    import nbformat
    from nbclient import NotebookClient

    rows, total = [], 0.0
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": ROOT}})
        seconds = _timed(client.execute)
        total += seconds
        rows.append((f"chapter `{path.stem}`", f"{seconds:.0f} s", "at most 60 s"))
    return [*rows, ("all chapters", f"{total:.0f} s", "at most 240 s")]


def _timed(run, clock=time.perf_counter) -> float:
    start = clock()
    run()
    return clock() - start


def machine() -> str:
    """The machine in words, with what else the numbers depend on."""
    return (
        f"{bench_file.machine()}, Python {platform.python_version()}, torch "
        f"{torch.__version__.split('+')[0]} with {torch.get_num_threads()} threads, no GPU used"
    )


BENCHES = {
    "epoch": bench_epoch,
    "weights": bench_weights,
    "faces": bench_faces,
    "import": bench_import,
    "page": bench_page,
    "chapters": bench_chapters,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", nargs="*", choices=[[], *BENCHES], help="by default all")
    which = parser.parse_args().which or list(BENCHES)
    rows = []
    for name in which:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        rows += BENCHES[name]()
    table = bench_file.table(("what", "measured", "budget"), rows)
    print(table)
    if which == list(BENCHES):
        text = f"Written by `make bench`. Machine: {machine()}.\n\n{table}"
        bench_file.write(bench_file.START, text)


if __name__ == "__main__":
    main()
