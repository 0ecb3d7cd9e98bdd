"""The platform as Dagster sees it: assets, checks, jobs, schedules, sensors.

This package and `definitions` alone import dagster, and they decide nothing: a body reads, calls
one function of a room, and says what came of it. What the lake and the store hold is the truth;
an event here is only news of it. Nothing heavy is imported while definitions are loaded.

`wiring` puts one problem together from `data` (raw to features), `feedback`, `models` (training set
to champion), `predictions`, `experiments`, the checks, `tuning`, and `automation` with its `jobs` and sensors; `asking` is how
runs are asked for, `events` and `metadata` are how steps speak; `instance` is Dagster's own home, and
`runs` starts a run, or lets a sensor look, in this process.
"""
