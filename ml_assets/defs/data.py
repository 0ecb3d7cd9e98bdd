"""The partitioned half of a problem's chain: raw, validated and quarantined, profile, features."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs import describe
from ml_assets.defs.events import Event, Made, materialized
from ml_assets.defs.gate import evaluations, refusal
from ml_assets.defs.resources import HomeResource, utc_now
from ml_assets.defs.specs import key_of, spec_of
from ml_assets.problem import Declared
from ml_assets.progress import track
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.ingestion import Ingested
    from ml_assets.validation import Admission

Work = Callable[
    [Declared, Home, dg.AssetExecutionContext], Iterator[Made | dg.AssetCheckEvaluation]
]


def data_assets(declared: Declared) -> list[dg.AssetsDefinition]:
    """Everything of a problem that is cut by event time."""
    return [
        *(
            step_of(declared, partial(_fetched, source), makes=[f"raw_{source}"])
            for source in declared.source_names
        ),
        step_of(declared, _joined if declared.source_names else _ingested, makes=["raw"]),
        step_of(declared, _judged, makes=["validated", "quarantined"]),
        step_of(declared, _profiled, makes=["profile"]),
        step_of(declared, _featured, makes=["features"]),
    ]


def step_of(declared: Declared, work: Work, *, makes: Sequence[str]) -> dg.AssetsDefinition:
    """Make one step, which says itself which partitions it made."""

    @dg.multi_asset(
        name=f"{declared.name}__{makes[0]}",
        specs=[spec_of(declared, noun) for noun in makes],
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=declared.name,
    )
    def step(context: dg.AssetExecutionContext, home: HomeResource) -> Iterator[Event]:
        yield from materialized(context, work(declared, home.open(), context))

    return step


def _ingested(
    declared: Declared, home: Home, context: dg.AssetExecutionContext
) -> Iterator[Made]:
    """Bring `raw` up to its sources, for the partitions asked for."""
    from ml_assets.ingestion import ingest

    problem, asked = declared.load(), context.partition_keys
    done = ingest(problem, home, asked, run_id=context.run.run_id, now=utc_now())
    context.log.info(describe.ingestion_sentence(done))
    if not done.partitions:
        raise describe.nothing_ingested(done)
    yield from _brought(declared, home, "raw", done)


def _fetched(
    source: str, declared: Declared, home: Home, context: dg.AssetExecutionContext
) -> Iterator[Made]:
    """Bring the rows of one source up to it; it need not have any of the partitions asked for."""
    from ml_assets.ingestion import feed_of, ingest

    feed, asked = feed_of(declared.load(), source), context.partition_keys
    done = ingest(feed, home, asked, run_id=context.run.run_id, now=utc_now())
    context.log.info(describe.ingestion_sentence(done))
    yield from _brought(declared, home, f"raw_{source}", done)


def _brought(declared: Declared, home: Home, noun: str, done: "Ingested") -> Iterator[Made]:
    """What an ingestion brought into a table."""
    live = home.lake.partitions(f"{declared.name}/{noun}")
    said = {each.partition: partial(describe.ingested, each) for each in done.partitions}
    # A row that moved here left another partition, which is another one now.
    said |= {partition: partial(describe.moved, live[partition]) for partition in done.moved}
    for partition, say in said.items():
        content = live[partition].content_hash
        yield Made(key_of(declared, noun), partition, content=content, describe=say)


def _joined(
    declared: Declared, home: Home, context: dg.AssetExecutionContext
) -> Iterator[Made]:
    """Make `raw` of what the sources have of the partitions asked for."""
    from ml_assets.ingestion import UNPLACED, join_sources

    asked, made = context.partition_keys, 0
    for each in join_sources(declared.load(), home, asked, run_id=context.run.run_id):
        if each.partition == UNPLACED:
            continue
        made += 1
        yield Made(
            key_of(declared, "raw"),
            each.partition,
            content=each.state.content_hash,
            describe=partial(describe.joined, each),
            parents={
                key_of(declared, f"raw_{source}"): content
                for source, content in each.made_of.items()
            },
        )
    if not made:
        raise describe.nothing_joined(asked)


def _judged(
    declared: Declared, home: Home, context: dg.AssetExecutionContext
) -> Iterator[Made | dg.AssetCheckEvaluation]:
    """Admit or refuse every partition of those asked for that `raw` holds."""
    from ml_assets.ingestion import UNPLACED
    from ml_assets.validation import admit

    problem, asked = declared.load(), held(declared, home, context, "raw")
    if UNPLACED in home.lake.partitions(f"{problem.name}/raw"):
        admit(problem, home, UNPLACED, run_id=context.run.run_id, now=utc_now())
    verdicts = []
    for partition in track(asked, "validated"):
        verdict = admit(problem, home, partition, run_id=context.run.run_id, now=utc_now())
        context.log.info(verdict.sentence)
        verdicts.append(verdict)
        yield from _halves(declared, home, verdict)
    if not any(each.admitted for each in verdicts):
        yield from evaluations(context.instance, key_of(declared, "validated"), verdicts)
        raise refusal(verdicts, what="The gate admitted none of the partitions.")


def _profiled(
    declared: Declared, home: Home, context: dg.AssetExecutionContext
) -> Iterator[Made]:
    """Describe every partition of those asked for that `validated` holds."""
    from ml_assets.validation import profile

    problem = declared.load()
    states = home.lake.partitions(f"{problem.name}/validated")
    for partition in track(held(declared, home, context, "validated"), "profile"):
        done = profile(problem, home, partition, run_id=context.run.run_id, now=utc_now())
        yield Made(
            key_of(declared, "profile"),
            partition,
            content=done.state.content_hash,
            describe=partial(describe.profiled, done),
            parents={key_of(declared, "validated"): states[partition].content_hash},
        )


def _featured(
    declared: Declared, home: Home, context: dg.AssetExecutionContext
) -> Iterator[Made]:
    """Compute the features of every partition of those asked for that `validated` holds."""
    from ml_assets.features import materialize_partitions

    problem = declared.load()
    states = home.lake.partitions(f"{problem.name}/validated")
    asked = held(declared, home, context, "validated")
    for done in materialize_partitions(problem, home, asked, run_id=context.run.run_id):
        yield Made(
            key_of(declared, "features"),
            done.partition,
            content=done.state.content_hash,
            describe=partial(describe.featured, done),
            parents={key_of(declared, "validated"): states[done.partition].content_hash},
        )


def held(
    declared: Declared, home: Home, context: dg.AssetExecutionContext, noun: str
) -> list[str]:
    """Those of the partitions asked for that `noun` holds.

    Raises:
        dg.Failure: If there is none of them; it says why the gate refused them, if it did.
    """
    states = home.lake.partitions(f"{declared.name}/{noun}")
    found = [partition for partition in context.partition_keys if partition in states]
    if not found:
        raise describe.nothing_held(declared, home, context.partition_keys, noun)
    return found


def _halves(declared: Declared, home: Home, verdict: "Admission") -> Iterator[Made]:
    """Both halves of a partition that was judged."""
    parents = {key_of(declared, "raw"): verdict.raw_hash}
    if verdict.admitted and verdict.state is not None:
        yield Made(
            key_of(declared, "validated"),
            verdict.partition,
            content=verdict.state.content_hash,
            describe=partial(describe.admitted, declared.load(), verdict),
            parents=parents,
        )
    broken = home.lake.partitions(f"{declared.name}/quarantined").get(verdict.partition)
    yield Made(
        key_of(declared, "quarantined"),
        verdict.partition,
        content=broken.content_hash if broken else "no rows",
        describe=partial(describe.quarantined, verdict),
        parents=parents,
    )
