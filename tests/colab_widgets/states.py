"""Print the states of the explorers' widgets as a kernel of .venv-colab, with ipywidgets 7.7.1,
tells them: name -> (the explorer's id, id -> state). The calls that make them come from stdin.
"""

import json
import sys

import ipywidgets

from vaelib import explore

told = {}
for name, call in json.load(sys.stdin).items():
    before = set(ipywidgets.Widget.widgets)
    explorer = eval(f"explore.{call}", {"explore": explore})
    made = {k: w.get_state() for k, w in ipywidgets.Widget.widgets.items() if k not in before}
    told[name] = (explorer.model_id, made)
print(json.dumps({"ipywidgets": ipywidgets.__version__, "explorers": told}))
