"""Benchmarks: what the platform costs beside a plain script that does the same work.

`python -m ml_assets_bench chain|range|gate|growth|serving` measures both sides in one go, on the same
generated rows, and prints the ratio: machines differ and are noisy, ratios hardly.
"""
