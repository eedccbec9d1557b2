"""The explorers, one file each: what a cell calls, and its still picture. See ``widgets.py``.

To add one, write a file here and its JavaScript in ``vaelib/static``. In a cell::

    from vaelib import explore

    explore.latent_explorer("ae-mnist-2d", "vae-mnist-2d")
"""

from importlib import import_module
from pkgutil import iter_modules


def __getattr__(name):
    # All files, when the first name is used: they import matplotlib, which takes long.
    if not name.startswith("__"):
        for file in iter_modules(__path__):
            module = import_module(f"{__name__}.{file.name}")
            own = {key for key, of in vars(module).items() if _is_own(key, of, module)}
            globals().update({key: getattr(module, key) for key in own})
        if name in globals():
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _is_own(key: str, of: object, module) -> bool:
    made_here = getattr(of, "__module__", None) == module.__name__
    return not key.startswith("_") and (key.isupper() or made_here)
