"""Judges: classifiers that say what a decoded picture shows, trained apart from every autoencoder.

A decoder's pictures are softer than real ones, and some are no digit or no face. So a judge is
trained on softened pictures, and on spoiled ones of which it shall not be sure. What is asked of
judges is in :mod:`vaelib.metrics`; the shipped ones are ``judge-mnist``, which
``tools/digit_judge.py`` trains, and ``judge-avatars``.
"""

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from vaelib.images import Faces, Images
from vaelib.models import Judge, seeded


def fit_attribute_judge(
    train: Faces, epochs: int = 5, batch_size: int = 128, lr: float = 2e-3, seed: int = 0,
    spoiled: float = 0.3, blur: float = 1.0, shift: int = 0, channels=(32, 64, 96),
) -> Judge:  # fmt: skip
    """A judge that names each attribute, and is unsure of one that is half there.

    Each batch is blurred by a Gaussian of up to ``blur`` pixels and shifted by up to ``shift``
    (faces are cropped to a fixed place and need none). A share ``spoiled`` of it is mixed with
    other faces, and so are its labels (mixup, Zhang et al. 2018): glasses that one can look
    through shall get one half.
    """

    def batch(x, labels, generator):
        count = int(spoiled * len(x))
        target = labels.float()
        other = torch.randint(len(x), (count,), generator=generator)
        t = torch.rand(count, 1, generator=generator)
        target[:count] = t * target[:count] + (1 - t) * target[other]
        t = t[..., None, None]
        x = torch.cat([t * x[:count] + (1 - t) * x[other], x[count:]])
        # The blur takes what lies outside for 0, and around these faces is white.
        return 1 - soften(1 - x, blur, shift, generator), target

    arguments = {"image_shape": train.shape, "channels": channels, "outputs": len(train.names)}
    loss = F.binary_cross_entropy_with_logits
    return fit_judge(arguments, train, batch, loss, epochs, batch_size, lr, seed)


def fit_judge(arguments: dict, train: Images, batch, loss, epochs, batch_size, lr, seed) -> Judge:
    """The judges' loop: batch(x, labels, generator) makes what is shown, and what is right."""
    with seeded(seed):
        judge = Judge(**arguments)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(judge.parameters(), lr=lr)
    steps = epochs * -(-len(train) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    with tqdm(total=steps, unit="step", desc="judge", leave=False) as bar:
        for _ in range(epochs):
            for x, labels in train.batches(batch_size, generator):
                shown, target = batch(x, labels, generator)
                error = loss(judge(shown), target)
                optimiser.zero_grad()
                error.backward()
                optimiser.step()
                schedule.step()
                bar.update()
    return judge.eval()


def soften(x: Tensor, widest: float, furthest: int, generator) -> Tensor:
    """Blur a batch by a Gaussian of random width (pixels), and shift it by whole pixels."""
    width = widest * torch.rand(1, generator=generator).clamp_min(0.01)
    kernel = torch.exp(-(torch.arange(-3.0, 4) ** 2) / (2 * width**2))
    kernel = kernel / kernel.sum()
    channels = x.shape[1]
    for shape, padding in (((1, 1, 7, 1), (3, 0)), ((1, 1, 1, 7), (0, 3))):
        kernels = kernel.view(shape).repeat(channels, 1, 1, 1)
        x = F.conv2d(x, kernels, padding=padding, groups=channels)
    shift = torch.randint(-furthest, furthest + 1, (2,), generator=generator)
    return torch.roll(x, shift.tolist(), dims=(2, 3))
