"""The one path from a raw row to a prediction: in batch, online and embedded.

`predictor` is the path: `inputs` (the known part of the contract, read by `values`, judged by
`rules`), `featuring`, and the model. Each part has a direct way for single rows: `compiled` turns a
fitted pipeline into look-ups (`encoders`, `lookups`, `affine`; `bags`, `grams`, `tokens` for text;
`linear`, `trees`, `links`), `tracing` turns code written for frames into functions of one row
(`columns`, `scalars`), and `remembering` keeps what they say of values that come again. Many rows
go the same way column by column (`transposition`), up to their `answers`. `agreement` compares the
direct ways with those of training; `loading` takes models from the registry.
"""

from ml_assets.inference.answers import Answer, Answers, Prediction
from ml_assets.inference.loading import load_predictor
from ml_assets.inference.predictor import Predictor, Ways

__all__ = ["Answer", "Answers", "Prediction", "Predictor", "Ways", "load_predictor"]
