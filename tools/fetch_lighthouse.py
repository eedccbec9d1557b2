"""Fetch Lighthouse, which scores the built pages, into .cache/lighthouse/.

It is the last Lighthouse that runs on Node.js 20. One of its packages asks for the latest of two
others, which no lock can hold: lighthouse/package.json says which.
"""

from npm_locked import made_from

from project import ROOT

SOURCE = ROOT / "tools" / "lighthouse"
MADE = ROOT / ".cache" / "lighthouse"


def main() -> None:
    with made_from(SOURCE, MADE) as (packages, made):
        packages.rename(made / "node_modules")


if __name__ == "__main__":
    main()
