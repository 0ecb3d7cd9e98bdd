"""`ml-assets …`: the platform in a terminal.

An edge: nothing imports it, and it decides nothing. `app` has the commands; each gathers facts
(small frozen types) through the rooms and gives them to `printing`, as tables for people or as
JSON for programs. Dagster, pandas and the like are imported by the commands that need them.
"""

from ml_assets.cli.app import command, main

__all__ = ["command", "main"]
