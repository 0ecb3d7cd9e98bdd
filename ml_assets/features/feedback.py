"""Rows that feedback made, beside the rows of the source.

The table `<problem>/feedback` has the features of answers that were given, each with the label that
came of it. Something the source tells too must not be learned from twice: of several labels of the
same entity the newest known one counts. A label of the source is known once its delay has passed
since the event, one of feedback once it has passed since the prediction; so between the two, event
time and time of prediction decide, and where they are equal feedback does.

A weak label (weight below 1) is learned from, but nothing is judged by it: it is in no split but
`train`.
"""

from typing import TYPE_CHECKING, NamedTuple

from ml_assets.errors import TrainingError
from ml_assets.features.view import LABEL, PARTITION, WEIGHT, feature_recipe
from ml_assets.features.workspace import quoted
from ml_assets.problem import Problem
from ml_assets.storage import Home, PartitionState

if TYPE_CHECKING:
    import duckdb

FEEDBACK = "feedback/"
"""In front of a batch's name where it stands beside partitions of the source."""

SHOWN = 5


class UsableFeedback(NamedTuple):
    """Batches to learn from, and the version of the table that has them."""

    states: dict[str, PartitionState]
    version: int | None


def feedback_table(problem: Problem) -> str:
    """Name of the table with the rows that feedback made."""
    return f"{problem.name}/feedback"


def usable_feedback(problem: Problem, home: Home) -> UsableFeedback:
    """Find the batches to learn from.

    Raises:
        TrainingError: If features of some are of other code: a model would learn from a mixture.
    """
    version = home.lake.version(feedback_table(problem))
    if version is None:
        return UsableFeedback({}, None)
    states = home.lake.partitions(feedback_table(problem), version=version)
    recipe = feature_recipe(problem)
    stale = [name for name, state in states.items() if state.code_hash != recipe]
    if stale:
        raise TrainingError(
            f"{problem.name}: the features of {len(stale):,} of {len(states):,} feedback batches "
            f"were made by other code or library versions than the present ones: "
            f"{', '.join(stale[:SHOWN])}{', …' if len(stale) > SHOWN else ''}. Materialize "
            "feedback of these batches first."
        )
    return UsableFeedback(states, version)


def load_feedback(
    connection: "duckdb.DuckDBPyConnection",
    problem: Problem,
    home: Home,
    usable: UsableFeedback,
) -> None:
    """Add who, when, label and weight of every row that feedback made to the table `known`."""
    if not usable.states:
        return
    names = [problem.entity_id, problem.event_time, PARTITION, LABEL, WEIGHT]
    reader = home.lake.batches(
        feedback_table(problem),
        partitions=list(usable.states),
        columns=[*names, "prediction_id", "predicted_at"],
        version=usable.version,
    )
    connection.register("said", reader)
    connection.execute(
        f"""insert into known by name select {quoted(problem.entity_id)} as entity,
        {quoted(problem.event_time)} as moment, '{FEEDBACK}' || partition as partition, label,
        weight as given_weight, prediction_id, predicted_at from said"""
    )


def keep_newest_labels(connection: "duckdb.DuckDBPyConnection", problem: Problem) -> None:
    """Drop rows of the table `trusted` about which feedback, or the source, knows something newer.

    Rows of the source alone are left as they are, also where they repeat each other.
    """
    said = connection.sql("select 1 from known where prediction_id is not null limit 1")
    if not said.fetchall():
        connection.execute("create view newest as from trusted")
        return
    is_unique = problem.fields[problem.entity_id].unique
    thing = "entity" if is_unique else "entity, moment"
    connection.execute(
        f"""create table newest as select * exclude (place, has_feedback) from (
            select *, bool_or(prediction_id is not null) over (partition by {thing})
                as has_feedback,
            row_number() over (partition by {thing} order by
                coalesce(predicted_at, moment) desc, prediction_id desc nulls last) as place
            from trusted
        ) where place = 1 or not has_feedback"""
    )
