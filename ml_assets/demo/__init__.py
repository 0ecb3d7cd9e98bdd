"""The complaints problem end to end on generated files, some of them broken on purpose.

`faults` says what is planted, `delivery` writes the files as a sender would, `evidence` looks into
the lake and the stores for what caught each fault, `story` plays it and `report` tells it. Nothing
is taken for granted: a fault counts as caught when the stores show it.
"""

from ml_assets.demo.report import print_demo
from ml_assets.demo.story import run_demo

__all__ = ["print_demo", "run_demo"]
