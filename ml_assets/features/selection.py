"""Which rows become a training set: trusted labels, their split, their weight; all in SQL.

Works on a `workspace` through the tables `known` (every row with features), `trusted` (those with a
label that can be trusted), `newest` (one label of each thing, where feedback has one), `chosen`
(inside the window), `grouped` (with what they must not be torn from), `training` (split and weight
too). Nothing here writes to a store.
"""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from ml_assets.errors import InsufficientData, TrainingError
from ml_assets.features.feedback import keep_newest_labels
from ml_assets.features.split import SPLITS, event_days, newest_day, place_of, split_rule
from ml_assets.features.view import LABEL, PARTITION
from ml_assets.features.workspace import quoted
from ml_assets.problem import Key, Problem
from ml_assets.storage import Home

if TYPE_CHECKING:
    import duckdb


class Summary(NamedTuple):
    """One split as it was chosen."""

    rows: int
    mean: float
    deviation: float
    first: dt.date
    last: dt.date


def load_labels(
    connection: "duckdb.DuckDBPyConnection",
    problem: Problem,
    home: Home,
    partitions: Sequence[str],
    *,
    version: int,
) -> None:
    """Read who, when and label of every usable row into the table `known`."""
    reader = home.lake.batches(
        f"{problem.name}/features",
        partitions=partitions,
        columns=[problem.entity_id, problem.event_time, PARTITION, LABEL],
        version=version,
    )
    connection.register("features", reader)
    connection.execute(
        f"""create table known as select {quoted(problem.entity_id)} as entity,
        {quoted(problem.event_time)} as moment, partition, label, 1.0::double as given_weight,
        null::varchar as prediction_id, null::timestamptz as predicted_at from features"""
    )


def choose(
    connection: "duckdb.DuckDBPyConnection",
    problem: Problem,
    *,
    now: dt.datetime,
    window: int | None,
) -> dict[str, str]:
    """Put the rows with a trusted label into the table `chosen`; say which partitions have none."""
    until = now - dt.timedelta(days=problem.config.label.delay_days)
    connection.execute(
        f"""create view trusted as select * from known where label is not null
        and coalesce(predicted_at, moment) <= '{until.isoformat()}'::timestamptz"""
    )
    keep_newest_labels(connection, problem)
    excluded, labelled = _labelled(connection, problem, until)
    windows = sorted({Key.of(each).window for each in labelled})[-window if window else 0 :]
    newest_few = [each for each in labelled if Key.of(each).window in windows]
    older = set(labelled) - set(newest_few)
    excluded |= dict.fromkeys(older, f"is older than the newest {window} labelled partitions")
    connection.execute(
        """create table chosen as select * from newest
        where list_contains($window, partition) or (prediction_id is not null and moment >= (
            select coalesce(min(moment), '-infinity') from newest
            where list_contains($window, partition) and $is_limited))""",
        {"window": newest_few, "is_limited": window is not None},
    )
    return excluded


def _labelled(
    connection: "duckdb.DuckDBPyConnection", problem: Problem, until: dt.datetime
) -> tuple[dict[str, str], list[str]]:
    """Partitions of the source without a trusted label, and why; and those that have some."""
    found = connection.execute(
        """select partition, count(label), max(moment) filter (label is not null),
        count(label) filter (moment <= ?) from known where prediction_id is null
        group by partition order by partition""",
        [until],
    ).fetchall()
    delay = dt.timedelta(days=problem.config.label.delay_days)
    excluded = {}
    for partition, labels, newest, trusted in found:
        if not labels:
            excluded[partition] = "has no labels"
        elif not trusted:
            excluded[partition] = f"its labels can be trusted from {newest + delay:%Y-%m-%d} on"
    return excluded, [row[0] for row in found if row[0] not in excluded]


def group(
    connection: "duckdb.DuckDBPyConnection",
    problem: Problem,
    home: Home,
    *,
    version: int | None,
) -> None:
    """Say of every chosen row what it must not be torn from, in the table `grouped`.

    That is its entity, and where the problem declares duplicates all entities that are about the
    same thing. They are looked for among the validated rows as of `version`; an entity that
    feedback alone knows is on its own.
    """
    connection.execute("create table linked (entity varchar, group_id varchar)")
    if problem.config.duplicates is not None:
        groups = _linked(connection, problem, home, version=version)
        connection.register("links", groups)
        connection.execute("insert into linked from links")
    connection.execute(
        f"""create table grouped as select *, {newest_day("group_id", "moment")} as day from (
            select chosen.*, coalesce(group_id, entity) as group_id
            from chosen left join linked using (entity))"""
    )


def _linked(
    connection: "duckdb.DuckDBPyConnection",
    problem: Problem,
    home: Home,
    *,
    version: int | None,
) -> pa.Table:
    """Entities among the chosen rows, with the group that they were found to be of."""
    from ml_assets.ingestion.duplicates import Rules, link

    rules = Rules.of(problem)
    told = connection.sql(
        "select distinct partition from chosen where prediction_id is null order by 1"
    )
    connection.register(
        "validated",
        home.lake.batches(
            f"{problem.name}/validated",
            partitions=[name for (name,) in told.fetchall()],
            columns=rules.compared,
            version=version,
        ),
    )
    rows = connection.sql(
        f"""select * from validated where {quoted(problem.entity_id)} in
        (select entity from chosen)"""
    ).to_arrow_table()
    return link(rows, rules).groups.select([rules.entity_id, "group"])


def assign(connection: "duckdb.DuckDBPyConnection", problem: Problem) -> None:
    """Give every chosen row its split and its weight, in the table `training`."""
    config = problem.config
    rows = count(connection, "chosen")
    if rows < config.training.min_rows:
        raise InsufficientData(
            f"A training set of {problem.name} (rows with a trusted label)",
            rows=rows,
            needed=config.training.min_rows,
        )
    _require_one_row_at_a_time(connection, problem)
    rule = split_rule(config.split, event_days(connection, "grouped"))
    expression = rule.sql(day="day", entity="group_id")
    connection.execute(f"create table split as select *, {expression} as split from grouped")
    connection.execute("delete from split where given_weight < 1 and split <> 'train'")
    weight = _weight(problem, connection)
    connection.execute(
        f"create table training as select *, {weight} * given_weight as weight from split"
    )


def _require_one_row_at_a_time(
    connection: "duckdb.DuckDBPyConnection", problem: Problem
) -> None:
    """Id and time must tell rows apart, or features could not be joined with their labels."""
    twice = connection.sql(
        """select entity, count(*) as rows from chosen group by entity, moment having rows > 1
        order by entity"""
    ).fetchall()
    if twice:
        raise TrainingError(
            f"{problem.name}: {len(twice):,} entities have several rows at the same time, such as "
            f"{twice[0][0]} ({twice[0][1]:,} rows). Declare {problem.entity_id} unique in the "
            "contract, so that the gate quarantines the copies."
        )


def _weight(problem: Problem, connection: "duckdb.DuckDBPyConnection") -> str:
    """SQL for what a row counts when a model is fitted; held out rows count as they are.

    Weights follow from the classes of the training rows. Validation rows get them too, since the
    winner is fitted on both in the end; no metric ever uses them.
    """
    counted = (
        "select label, count(*) from split where split = 'train' group by label order by label"
    )
    counts = dict(connection.sql(counted).fetchall())
    if problem.config.kind != "binary" or len(counts) < 2:  # noqa: PLR2004
        return "1.0::double"
    match problem.config.training.imbalance:
        case "none":
            return "1.0::double"
        case "class_weight":
            share = {label: sum(counts.values()) / (2 * rows) for label, rows in counts.items()}
            fitted = f"case when label = 1 then {share[1.0]!r} else {share[0.0]!r} end"
        case "undersample":
            frequent = max(counts, key=lambda label: counts[label])
            kept = min(counts.values()) / counts[frequent]
            place = place_of("concat(entity, ':undersample')")
            fitted = f"case when label = {frequent} and {place} >= {kept!r} then 0 else 1 end"
    return f"(case when split = 'test' then 1.0 else {fitted} end)::double"


def summaries(connection: "duckdb.DuckDBPyConnection") -> dict[str, Summary]:
    """Describe each split of the table `training`."""
    found = connection.sql(
        """select split, count(*), avg(label), coalesce(stddev_pop(label), 0),
        min(cast(moment as date)), max(cast(moment as date)) from training group by split"""
    ).fetchall()
    by_name = {name: Summary(*rest) for name, *rest in found}
    return {name: by_name[name] for name in SPLITS if name in by_name}


def judge(
    problem: Problem,
    connection: "duckdb.DuckDBPyConnection",
    summaries: dict[str, Summary],
) -> tuple[str, ...]:
    """Refuse what nothing can be learned from; returns what a person should know besides."""
    if problem.config.kind == "binary":
        _require_classes(problem, connection, summaries)
    found = _label_difference(problem, summaries)
    if found is None:
        return ()
    if problem.config.split.by == "entity":
        raise TrainingError(
            f"{found} A split by entity draws both from the same rows, so this is chance in too "
            "few rows, or labels that depend on the id. Collect more rows, or raise "
            "split.max_label_difference."
        )
    # The newest rows differ because the world moved. A model must be allowed to follow it; an
    # unusual month is the gate's to refuse.
    return (found,)


def _require_classes(
    problem: Problem,
    connection: "duckdb.DuckDBPyConnection",
    summaries: dict[str, Summary],
) -> None:
    """Every split needs both classes, and the training rows enough of each to learn from."""
    counted = connection.sql(
        "select split, label, count(*) from training group by all"
    ).fetchall()
    counts = {(name, label): rows for name, label, rows in counted}
    if odd := sorted({label for _, label in counts} - {0.0, 1.0}):
        raise TrainingError(
            f"{problem.name}: a binary label is 0 or 1, got {odd[0]}. Correct the contract, or "
            "set kind: regression in config.yaml."
        )
    for name in summaries:
        needed = problem.config.training.min_rows_per_class if name == "train" else 1
        for label in (0.0, 1.0):
            rows = counts.get((name, label), 0)
            if rows < needed:
                raise InsufficientData(
                    f"{problem.name}: the class {label:.0f} in the {name} rows",
                    rows=rows,
                    needed=needed,
                )


def _label_difference(problem: Problem, summaries: dict[str, Summary]) -> str | None:
    """Say how far the labels of train and test are apart, when that is more than allowed."""
    if not {"train", "test"} <= set(summaries):
        return None
    train, test = summaries["train"], summaries["test"]
    limit = problem.config.split.max_label_difference
    if problem.config.kind == "binary":
        difference, unit = abs(train.mean - test.mean), "positive labels"
    else:
        difference = abs(train.mean - test.mean) / (train.deviation or 1.0)
        unit = "mean label, in standard deviations of the training rows"
    if difference <= limit:
        return None
    return (
        f"{problem.name}: {unit} of train and test differ by {difference:.3f}, more than "
        f"{limit:g} ({train.mean:.3f} in {train.first} to {train.last}, {test.mean:.3f} in "
        f"{test.first} to {test.last})."
    )


def included(connection: "duckdb.DuckDBPyConnection") -> list[str]:
    """Partitions that have at least one row in the table `training`."""
    found = connection.sql("select distinct partition from training order by partition")
    return [name for (name,) in found.fetchall()]


def count(connection: "duckdb.DuckDBPyConnection", table: str) -> int:
    """How many rows a table, or a table with a condition, has."""
    return int(connection.sql(f"select count(*) from {table}").fetchall()[0][0])


def rows(connection: "duckdb.DuckDBPyConnection", problem: Problem) -> pa.RecordBatchReader:
    """The chosen rows as they are stored; with their group where the problem declares duplicates."""
    grouped = ", group_id" if problem.config.duplicates else ""
    return connection.sql(
        f"""select entity as {quoted(problem.entity_id)}, moment as {quoted(problem.event_time)},
        partition as features_partition, prediction_id, label, split, weight{grouped}
        from training order by moment, entity"""
    ).to_arrow_reader()
