"""Import torchvision even where its compiled operators do not match the installed torch.

The package index serves torchvision built for CUDA. Beside a CPU build of torch its operators do
not load, and `import torchvision` then fails with "operator torchvision::nms does not exist",
although data sets and transforms need no operator at all. Declaring the two schemas that the
import registers fake kernels for is enough. Nothing is done where the import works.
"""

import torch


def import_torchvision():
    """Return the ``torchvision`` module, with the missing operator schemas declared if need be."""
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        _declare_operators()
        import torchvision
    return torchvision


def _declare_operators():
    global _library  # the declaration lives as long as this object does
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        _library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
