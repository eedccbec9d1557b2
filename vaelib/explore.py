"""The name by which a cell has the explorers: :mod:`vaelib.explorers`, and no other module."""

import sys

from vaelib import explorers

sys.modules[__name__] = explorers
