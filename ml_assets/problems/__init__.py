"""The problems that ship with the platform, one folder each.

A folder has the declaration (`__init__`), `contract`, `features`, `source`, `config.yaml` and a
`README.md` with the goal, the data's source and its terms. Nothing in the platform imports a
problem: each is found by its entry point.
"""
