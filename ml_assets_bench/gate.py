"""`validated` for one partition, beside one DuckDB pass that does the same by hand.

The pass casts the columns, asks the same rules, and writes valid and quarantined rows as Parquet,
from the same raw file of the lake. It keeps no statistics, no verdict, no history.
"""

import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np

from ml_assets.ingestion import ingest, register_source, source_partitions
from ml_assets.problem import Problem, problem_named
from ml_assets.storage import Commit, Home
from ml_assets.validation import admit

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)

CAST = """
select
  complaint_id, _fault,
  try_strptime(nullif(date_received, ''), '%m/%d/%Y') as date_received, date_received as received_text,
  {texts},
  try_strptime(nullif(date_sent_to_company, ''), '%m/%d/%Y') as date_sent_to_company,
  date_sent_to_company as sent_text,
  case timely_response when 'Yes' then true when 'No' then false end as timely_response,
  timely_response as timely_text,
  case consumer_disputed when 'Yes' then true when 'No' then false end as consumer_disputed,
  consumer_disputed as disputed_text,
  count(*) over (partition by complaint_id) as copies
from {raw}
"""
BROKEN = """
_fault is not null
or complaint_id is null or not regexp_matches(complaint_id, '^[0-9A-Za-z-]{1,40}$') or copies > 1
or date_received is null or date_received < '2011-01-01' or date_received >= '2100-01-01'
or coalesce(len(product) not between 1 and 200, false)
or coalesce(len(sub_product) not between 1 and 200, false)
or issue is null or len(issue) not between 1 and 300
or coalesce(len(sub_issue) not between 1 and 300, false)
or coalesce(len(consumer_complaint_narrative) > 100000, false)
or coalesce(len(company) not between 1 and 300, false)
or coalesce(not regexp_matches(state, '^([A-Z]{2}|UNITED STATES MINOR OUTLYING ISLANDS)$'), false)
or coalesce(not regexp_matches(zip_code, '^[0-9X]{3,5}(-[0-9X]{4})?$'), false)
or coalesce(len(submitted_via) not between 1 and 60, false)
or coalesce(len(company_response_to_consumer) not between 1 and 100, false)
or (date_sent_to_company is null and nullif(sent_text, '') is not null)
or (timely_response is null and coalesce(timely_text, '') not in ('', 'N/A'))
or (consumer_disputed is null and coalesce(disputed_text, '') not in ('', 'N/A'))
or coalesce(date_sent_to_company < date_received - interval 2 day, false)
"""


def measure(rows: int = 100_000, repeats: int = 5) -> None:
    """Print how many times one DuckDB pass the gate takes, both on the same raw partition."""
    problem = problem_named("complaints")
    with tempfile.TemporaryDirectory() as folder:
        home = Home.open(folder, environment={})
        partition = _raw(problem, home, Path(folder), rows)
        pairs = [
            (_gate(problem, home, partition), _pass(problem, home, Path(folder)))
            for _ in range(repeats + 1)
        ][1:]
    gate, one_pass = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"validated, {rows:,} rows: {gate:.3f} s; one DuckDB pass: {one_pass:.3f} s")
    print(f"ratio {gate / one_pass:.2f} (limit 2)")


def _raw(problem: Problem, home: Home, folder: Path, rows: int) -> str:
    """Ingest generated rows of one month."""
    source = folder / "complaints.csv"
    table = problem.sample(rows, np.random.default_rng(0))
    table["date_received"] = "06/15/2015"
    table["date_sent_to_company"] = "06/17/2015"
    table.to_csv(source, index=False)
    register_source(problem, home, source)
    ingest(problem, home, source_partitions(problem, home), run_id="bench", now=NOW)
    return "2015-06"


def _gate(problem: Problem, home: Home, partition: str) -> float:
    """Seconds that the gate takes for a partition that it has not judged yet."""
    started = time.perf_counter()
    admission = admit(problem, home, partition, run_id="bench", now=NOW)
    seconds = time.perf_counter() - started
    if not admission.admitted or admission.unchanged:
        raise SystemExit(f"The gate did not do its work: {admission.sentence}")
    _forget(home, problem, partition)
    return seconds


def _forget(home: Home, problem: Problem, partition: str) -> None:
    """Take the partition out again, so that the gate has to judge it anew."""
    commit = Commit(run_id="bench", code_hash="", fingerprint="")
    for noun in ("validated", "quarantined"):
        home.lake.delete(f"{problem.name}/{noun}", partition, commit=commit)


def _pass(problem: Problem, home: Home, folder: Path) -> float:
    """Seconds that one pass by hand takes."""
    texts = ", ".join(
        f"nullif({name}, '') as {name}"
        for name, field in problem.fields.items()
        if field.kind == "text" and field.role != "id"
    )
    started = time.perf_counter()
    with duckdb.connect() as connection:
        raw = home.lake.scan(f"{problem.name}/raw")
        connection.execute("set enable_progress_bar = false")
        connection.execute(
            f"copy (select *, {BROKEN} as broken from ({CAST.format(raw=raw, texts=texts)})) "
            f"to '{folder}/halves' "
            "(format parquet, compression zstd, partition_by (broken), overwrite_or_ignore)"
        )
    return time.perf_counter() - started
