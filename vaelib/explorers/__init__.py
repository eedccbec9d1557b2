"""The explorers, one file each: what a cell calls, and its still picture. See ``widgets.py``.

To add one, write a file here and its JavaScript in ``vaelib/static``. A cell calls it by
``vaelib.explore``, as in ``explore.latent_explorer("ae-mnist-2d", "vae-mnist-2d")``.
"""

from importlib import import_module
from pkgutil import iter_modules


def __getattr__(name):
    # All files, when the first name is used: they import matplotlib, which takes long.
    if not name.startswith("__"):
        for file in iter_modules(__path__):
            module = import_module(f"{__name__}.{file.name}")
            for key, of in vars(module).items():
                if key.isupper() or getattr(of, "__module__", None) == module.__name__:
                    globals()[key] = of
        if name in globals():
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
