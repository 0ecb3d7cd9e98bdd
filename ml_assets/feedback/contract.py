"""What a row of feedback must be before a model learns from it: one answer with its label.

The part of the problem's own contract that is known at the moment of prediction is asked as well,
of the row that was logged: the contract may have become stricter since. Types are not asked here
but where texts are cast.
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


def input_contract(problem: Problem) -> pa.DataFrameSchema:
    """What is asked of the row that was logged: checks and gaps of the columns known by then.

    The entity's id is only asked to be there, since an answer about nobody known goes by its own.
    """
    schema = problem.schema.select_columns(problem.known_columns)
    loosened = {"dtype": None, "coerce": False, "unique": False}
    schema = schema.update_columns(dict.fromkeys(schema.columns, loosened))
    schema.checks, schema.unique, schema.dtype, schema.coerce = [], None, None, False
    return schema.update_column(problem.entity_id, checks=[])
