"""What a table's Delta log says: which files are live, what they were made from, who wrote them.

`content_hash`, `fingerprint` and `code_hash` are Delta partition columns beside `partition`, so
the list of live files alone says what every partition is; the history is never walked for it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.transaction import AddAction, RemoveAction

from ml_assets.errors import StorageError
from ml_assets.storage.columns import KEYS, merged_schema
from ml_assets.storage.opened import OpenTable
from ml_assets.storage.parquet import LiveFile, WrittenFile

KEEP_FOR_EVER = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
}
"""Old versions stay readable, so that a training set of years ago can be made again."""


@dataclass(frozen=True, kw_only=True)
class Commit:
    """Who writes a partition, and from what."""

    run_id: str
    code_hash: str
    """Source of the code that made the rows."""
    fingerprint: str
    """Of everything the partition was made from: decides staleness."""


class PartitionState(NamedTuple):
    """What a partition holds now, and what it was made from."""

    partition: str
    content_hash: str
    fingerprint: str
    code_hash: str
    rows: int
    bytes: int
    written_at: datetime

    def says(self, content: str, commit: Commit) -> bool:
        """Whether writing `content` with `commit` would change nothing but the run."""
        said = (self.content_hash, self.fingerprint, self.code_hash)
        return said == (content, commit.fingerprint, commit.code_hash)


class TableCommit(NamedTuple):
    """One line of a table's history."""

    version: int
    at: datetime
    operation: str
    """`create`, `write`, `delete`, or `restart` where a column's type changed."""
    run_id: str
    code_hash: str
    fingerprint: str
    content_hash: str
    partitions: tuple[str, ...]
    rows: int


NOTHING = WrittenFile(
    path="", content_hash="", rows=0, bytes=0, at=datetime.fromtimestamp(0, UTC)
)
"""What takes the place of a partition that is deleted."""


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """A partition about to be replaced: by a file, or by nothing."""

    table: str
    partition: str
    schema: pa.Schema
    written: WrittenFile
    commit: Commit

    @property
    def state(self) -> PartitionState:
        """What the partition will be."""
        return PartitionState(
            partition=self.partition,
            content_hash=self.written.content_hash,
            fingerprint=self.commit.fingerprint,
            code_hash=self.commit.code_hash,
            rows=self.written.rows,
            bytes=self.written.bytes,
            written_at=self.written.at,
        )

    @property
    def is_deletion(self) -> bool:
        """Whether nothing takes the partition's place."""
        return self.written == NOTHING


def create_table(url: str, schema: pa.Schema, options: dict[str, str]) -> None:
    """Make an empty table; no harm when somebody else has just made it."""
    DeltaTable.create(
        url,
        Schema.from_arrow(_with_keys(schema)),
        mode="ignore",
        partition_by=list(KEYS),
        configuration=KEEP_FOR_EVER,
        storage_options=options,
    )


def commit_replacement(opened: OpenTable, replacement: Replacement) -> None:
    """Make the replacement the next version of the table as it was opened.

    Raises:
        deltalake.exceptions.CommitFailedError: If somebody else made the next version.
    """
    state, merged = replacement.state, merged_schema(own_columns(opened), replacement.schema)
    version, before = opened.version(), states(opened)
    operation = "write" if merged is not None else "restart"
    note = {
        "act": "delete" if replacement.is_deletion else operation,
        "partition": state.partition,
        "run_id": replacement.commit.run_id,
        "code_hash": state.code_hash,
        "fingerprint": state.fingerprint,
        "content_hash": state.content_hash,
        "rows": state.rows,
    }
    # No retries: Delta would move the commit onto a newer version, where two writers of one new
    # partition would both stay, and a partition of the old type beside a table started anew.
    opened.create_write_transaction(
        _add_actions(replacement),
        "overwrite",
        Schema.from_arrow(_with_keys(replacement.schema if merged is None else merged)),
        list(KEYS),
        None if merged is None else [("partition", "=", state.partition)],
        commit_properties=CommitProperties(custom_metadata=note, max_commit_retries=0),
    )
    # Nobody came between, so what is live now need not be read again.
    now = {} if merged is None else dict(before)
    now.pop(state.partition, None)
    if not replacement.is_deletion:
        now[state.partition] = state
    opened.known = version + 1, dict(sorted(now.items()))


def states(opened: OpenTable) -> Mapping[str, PartitionState]:
    """What every live partition is, sorted by key."""
    if opened.known is None or opened.known[0] != opened.version():
        opened.known = opened.version(), _states(opened)
    return opened.known[1]


def _states(opened: OpenTable) -> dict[str, PartitionState]:
    actions = _live(opened)
    names = [f"partition.{key}" for key in KEYS]
    names += ["num_records", "size_bytes", "modification_time"]
    found = {}
    for *said, milliseconds in zip(*(actions[name].to_pylist() for name in names), strict=True):
        at = datetime.fromtimestamp(milliseconds / 1000, UTC)
        found[said[0]] = PartitionState._make((*said, at))
    return dict(sorted(found.items()))


def live_files(
    opened: OpenTable, table: str, partitions: Iterable[str] | None = None
) -> dict[str, LiveFile]:
    """The file of every live partition, or of those of some, sorted by key; paths are the lake's."""
    actions = _live(opened)
    if partitions is not None:
        wanted = pa.array(partitions, pa.string())
        actions = actions.filter(pc.is_in(actions["partition.partition"], wanted))
    keys = actions["partition.partition"].to_pylist()
    paths = (unquote(path) for path in actions["path"].to_pylist())
    files = (LiveFile(f"{table}/{path}", key) for path, key in zip(paths, keys, strict=True))
    return {file.partition: file for file in sorted(files, key=lambda file: file.partition)}


def own_columns(opened: OpenTable) -> pa.Schema:
    """The table's columns, without those that the lake adds."""
    return pa.schema([f for f in pa.schema(opened.schema().to_arrow()) if f.name not in KEYS])


def history_line(entry: Mapping[str, object]) -> TableCommit:
    """One commit as the log has it; a table's creation has no run and no partition."""
    partition = entry.get("partition")
    return TableCommit(
        version=int(str(entry["version"])),
        at=datetime.fromtimestamp(int(str(entry["timestamp"])) / 1000, UTC),
        operation=str(entry.get("act", entry["operation"])).lower().removesuffix(" table"),
        run_id=str(entry.get("run_id", "")),
        code_hash=str(entry.get("code_hash", "")),
        fingerprint=str(entry.get("fingerprint", "")),
        content_hash=str(entry.get("content_hash", "")),
        partitions=() if partition is None else (str(partition),),
        rows=int(str(entry.get("rows", 0))),
    )


def _add_actions(replacement: Replacement) -> list[AddAction | RemoveAction]:
    """How Delta writes down the new file, if there is one."""
    if replacement.is_deletion:
        return []
    state = replacement.state
    action = AddAction(
        path=replacement.written.path.removeprefix(f"{replacement.table}/"),
        size=state.bytes,
        partition_values={key: getattr(state, key) for key in KEYS},
        modification_time=int(state.written_at.timestamp() * 1000),
        data_change=True,
        stats=json.dumps({"numRecords": state.rows}),
    )
    return [action]


def _live(opened: OpenTable) -> pa.Table:
    """One row per live file, which is one per partition."""
    actions = opened.live()
    keys = actions["partition.partition"]
    if len(keys.unique()) < len(keys):
        raise StorageError(
            f"{opened.table_uri} has {len(keys)} files for {len(keys.unique())} partitions, one "
            f"each is allowed: something else than this package wrote to it. Restore a version "
            f"that its history shows, with any Delta client."
        )
    return actions


def _with_keys(schema: pa.Schema) -> pa.Schema:
    return pa.schema([*(pa.field(key, pa.string()) for key in KEYS), *schema])
