"""The one path from a raw row to a prediction: in batch, online and embedded.

`compiled` turns a fitted pipeline into direct look-ups, put together from `tokens` and `bags`
(text), `encoders` and `lookups` (columns), `affine`, `linear`, `trees` and `links` (models).
"""
