"""A machine-learning platform on Dagster assets: declare a problem in one folder, get its whole life cycle.

Rooms, in the order of the life cycle; a room imports only from rooms above it:

`errors`, `progress`, `problem`, `storage`, `ingestion`, `validation`, `features`, `training`,
`evaluation`, `registry`, `inference`; then the edges `defs` (the only one that imports
dagster), `serving` and `cli`, which nothing imports. `problems` holds what ships with it.
"""
