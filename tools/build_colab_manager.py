"""Build the widget manager that tests/colab_widgets shows the explorers in.

It is made as Google Colab's own public one is, of the same npm packages. No page carries it.
"""

import os
import subprocess

from npm_locked import made_from
from project import ROOT

SOURCE = ROOT / "tests" / "colab_widgets"
MADE = ROOT / ".cache" / "colab_widgets"


def main() -> None:
    with made_from(SOURCE, MADE) as (packages, made):
        names = ("bin/esbuild", "esbuild.exe")
        esbuild = next(found for name in names for found in packages.glob(f"@esbuild/*/{name}"))
        options = ["--bundle", "--log-level=warning", f"--outfile={made / 'manager.js'}"]
        # The source is not beside the packages that it imports; NODE_PATH says where they are.
        environment = os.environ | {"NODE_PATH": str(packages)}
        subprocess.run([esbuild, SOURCE / "manager.js", *options], env=environment, check=True)


if __name__ == "__main__":
    main()
