"""What Dagster loads: every installed problem, wired."""

from ml_assets.defs.wiring import definitions_of
from ml_assets.problem import declared_problems

defs = definitions_of(*declared_problems())
