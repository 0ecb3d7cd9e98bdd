"""What an answer with its label must be before a model learns from it.

The row that was asked about is held to the problem's own contract, as it was when it was asked: the
contract may have become stricter since.
"""

import pandera.pandas as pa

from ml_assets.problem import Problem

UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

LABELS = {
    "binary": pa.Check.isin([0.0, 1.0]),
    "regression": pa.Check.in_range(
        float("-inf"), float("inf"), include_min=False, include_max=False
    ),
}
"""Which labels there are, by kind of problem."""


def answer_contract(problem: Problem) -> pa.DataFrameSchema:
    """What is asked of an answer and its label."""
    return pa.DataFrameSchema(
        {
            "prediction_id": pa.Column(checks=pa.Check.str_matches(UUID), unique=True),
            "model_version": pa.Column(checks=pa.Check.str_length(min_value=1)),
            "predicted_at": pa.Column(),
            "label": pa.Column(checks=LABELS[problem.config.kind]),
            "weight": pa.Column(checks=[pa.Check.gt(0), pa.Check.le(1)]),
        }
    )
