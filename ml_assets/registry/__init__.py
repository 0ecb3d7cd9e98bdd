"""Which models there are, which one answers, and why.

`bundle` is a model as a folder that lasts (`manifest` says what made it, `frozen` turns the
pipeline into bytes); `versions` registers bundles under ids that sort by time, `numbering` gives
them semantic versions. `measuring` evaluates a version on rows that it never saw, `gate` judges,
`promotion` decides and records, `releases` is the log of who answered when. `reproduction` makes
a version again from its manifest. Nothing here fits a model or computes a metric itself.
"""
