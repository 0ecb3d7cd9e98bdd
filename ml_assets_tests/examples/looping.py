"""What a code server loads to close the loop: every label is worth a training."""

from quick import LOOP, declared_with

from ml_assets.defs.wiring import definitions_of

EAGER = declared_with(LOOP, retraining={"min_new_labels": 1})

defs = definitions_of(EAGER, look_seconds=1)
