"""Train the judge of digits, ``judge-mnist``."""

import torch
from torch import Tensor
from torch.nn import functional as F

from vaelib.data import Images
from vaelib.judges import fit_judge, soften
from vaelib.models import Judge


def fit_digit_judge(
    train: Images, epochs: int = 10, batch_size: int = 128, lr: float = 2e-3, seed: int = 0,
    spoiled: float = 0.3, blur: float = 1.5, shift: int = 2,
) -> Judge:  # fmt: skip
    """A judge that names blurred digits and is unsure of what is not a digit.

    Each batch is blurred by a Gaussian of up to ``blur`` pixels and shifted by up to ``shift``. A
    share ``spoiled`` of it is labelled "every digit alike": double exposures of two different
    digits, and the top half of one digit on the bottom half of another (outlier exposure,
    Hendrycks et al. 2019). A plainly trained network would be confident about those.
    """

    def batch(x, labels, generator):
        count = int(spoiled * len(x))
        target = F.one_hot(labels, 10).float()
        bad, is_bad = _spoil(x, labels, count, generator)
        target[:count][is_bad] = 0.1
        return soften(torch.cat([bad, x[count:]]), blur, shift, generator), target

    return fit_judge({}, train, batch, F.cross_entropy, epochs, batch_size, lr, seed)


def _spoil(x: Tensor, labels: Tensor, count: int, generator):
    """The first ``count`` images mixed with others, and which of them are no longer digits."""
    other = torch.randint(len(x), (count,), generator=generator)
    mine, theirs = x[:count], x[other]
    t = 0.3 + 0.4 * torch.rand(count, 1, 1, 1, generator=generator)
    halves = torch.cat([mine[:, :, :14], theirs[:, :, 14:]], dim=2)
    blend = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    mixed = torch.where(blend, t * mine + (1 - t) * theirs, halves)
    return mixed, labels[:count] != labels[other]
