"""What is remembered of source files: where they are, what was found in them, what raw has of them.

A delivery is one content at one path. It is as old as the file was when it was first seen, but
never older than what was at its path before. The lake says what raw holds; the ledger only says
what its fingerprints mean, so that a kill between the two does no harm.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from ml_assets.ingestion.files import SourceFile, Stamp, hash_file
from ml_assets.progress import track
from ml_assets.storage import PartitionState, Store
from ml_assets.storage.store import UTCDateTime, metadata

PLACES = sa.Table(
    "source_places",
    metadata,
    sa.Column("problem", sa.String, primary_key=True),
    sa.Column("path", sa.String, primary_key=True),
)
STAMPS = sa.Table(
    "source_stamps",
    metadata,
    sa.Column("path", sa.String, primary_key=True),
    sa.Column("stamp", sa.JSON, nullable=False),
    sa.Column("content_hash", sa.String, nullable=False),
)
FILES = sa.Table(
    "source_files",
    metadata,
    sa.Column("problem", sa.String, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("path", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("content_hash", sa.String, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("first_seen_at", UTCDateTime, nullable=False),
)
CONTENTS = sa.Table(
    "source_contents",
    metadata,
    sa.Column("problem", sa.String, primary_key=True),
    sa.Column("content_hash", sa.String, primary_key=True),
    sa.Column("reading", sa.String, nullable=False),
    sa.Column("refused", sa.String),
    sa.Column("found", sa.JSON(none_as_null=True)),
)
MERGES = sa.Table(
    "raw_merges",
    metadata,
    sa.Column("problem", sa.String, primary_key=True),
    sa.Column("partition", sa.String, primary_key=True),
    sa.Column("fingerprint", sa.String, primary_key=True),
    sa.Column("reading", sa.String, nullable=False),
    sa.Column("sequences", sa.JSON, nullable=False),
)


class Found(NamedTuple):
    """What was found in a file when it was read."""

    rows: dict[str, int]
    """By partition."""
    faulty_rows: int
    blank_rows: int
    encoding: str
    ignored_columns: tuple[str, ...]
    absent_columns: tuple[str, ...]
    has_ids: bool
    """False where ids were made from file and row."""


class Content(NamedTuple):
    """What is known of one content."""

    reading: str
    """How it was read."""
    refused: str | None
    found: Found | None


class Delivery(NamedTuple):
    """One content at one path."""

    sequence: int
    """Microseconds since 1970 when the file was written; a newer delivery has a larger one."""
    path: str
    name: str
    content_hash: str
    content: Content | None
    """None while it was not read."""

    @property
    def found(self) -> Found | None:
        """What was found when it was read last; None when it was refused or not read."""
        return self.content and self.content.found


class Merge(NamedTuple):
    """What a live partition of raw was made of."""

    reading: str
    sequences: frozenset[int]


class Ledger:
    """The ledger of one problem.

    Args:
        store: Where it is kept.
        problem: The problem's name.
    """

    def __init__(self, store: Store, problem: str) -> None:
        self._store = store
        self._problem = problem
        store.ensure(PLACES, STAMPS, FILES, CONTENTS, MERGES)

    def register(self, place: Path) -> None:
        """Remember a file or folder that rows come from."""
        with suppress(IntegrityError), self._store.begin() as connection:  # known already
            connection.execute(sa.insert(PLACES).values(problem=self._problem, path=str(place)))

    def places(self) -> list[Path]:
        """The files and folders that rows come from, by name."""
        query = sa.select(PLACES.c.path).where(PLACES.c.problem == self._problem)
        with self._store.connect() as connection:
            return sorted(Path(path) for path in connection.scalars(query))

    def hashes(self, paths: Sequence[Path]) -> dict[Path, str]:
        """Content hash of every file that can be opened.

        One whose stamp is as it was is not read again.
        """
        stamps = {path: stamp for path in paths if (stamp := Stamp.of(path)) is not None}
        known = self._known_stamps([stamp.path for stamp in stamps.values()])
        unknown = [path for path, stamp in stamps.items() if stamp not in known]
        digests = ((path, hash_file(path)) for path in track(unknown, "hash files"))
        new = {path: digest for path, digest in digests if digest is not None}
        # One that was written to meanwhile keeps a stamp that nobody will see again.
        self._remember_stamps({stamps[path]: digest for path, digest in new.items()})
        old = {path: known[stamp] for path, stamp in stamps.items() if stamp in known}
        return {**old, **new}

    def deliveries(self) -> list[Delivery]:
        """Every delivery ever seen, oldest first."""
        query = sa.select(FILES).where(FILES.c.problem == self._problem)
        with self._store.connect() as connection:
            rows = connection.execute(query.order_by(FILES.c.sequence)).all()
        contents = self.contents()
        return [
            Delivery(
                sequence=row.sequence,
                path=row.path,
                name=row.name,
                content_hash=row.content_hash,
                content=contents.get(row.content_hash),
            )
            for row in rows
        ]

    def contents(self) -> dict[str, Content]:
        """What is known of the contents that were read, by their hash."""
        query = sa.select(CONTENTS).where(CONTENTS.c.problem == self._problem)
        with self._store.connect() as connection:
            rows = connection.execute(query).all()
        return {
            row.content_hash: Content(row.reading, row.refused, _found(row.found))
            for row in rows
        }

    def note(self, content_hash: str, content: Content) -> None:
        """Write down what was found in a content, or why it was refused."""
        found = content.found
        row = {
            "problem": self._problem,
            "content_hash": content_hash,
            "reading": content.reading,
            "refused": content.refused,
            "found": None if found is None else found._asdict(),
        }
        self._put(CONTENTS, [row], key=["problem", "content_hash"])

    def receive(self, files: Sequence[SourceFile], *, now: datetime) -> list[Delivery]:
        """The deliveries that `files` are, oldest first; new ones are written down."""
        history, contents = History(self.deliveries()), self.contents()
        here = {str(file.path) for file in files}
        received: dict[int, Delivery] = {}
        new: list[dict[str, object]] = []
        for file in files:
            delivery = history.same(file)
            if delivery is None:
                delivery = Delivery(
                    sequence=history.new_sequence(file),
                    path=str(file.path),
                    name=file.path.name,
                    content_hash=file.content_hash,
                    content=contents.get(file.content_hash),
                )
                history.add(delivery)
                new.append(_row(self._problem, delivery, file, now))
            elif delivery.path not in here:
                delivery = self._renamed(delivery, file.path)
            received[delivery.sequence] = delivery
        if new:
            with self._store.begin() as connection:
                connection.execute(sa.insert(FILES), new)
        return [received[sequence] for sequence in sorted(received)]

    def merges(self, live: Mapping[str, PartitionState]) -> dict[str, Merge]:
        """What the live partitions of raw were made of, as far as it is known."""
        query = sa.select(MERGES).where(MERGES.c.problem == self._problem)
        with self._store.connect() as connection:
            rows = connection.execute(query).all()
        return {
            row.partition: Merge(row.reading, frozenset(row.sequences))
            for row in rows
            if row.partition in live and row.fingerprint == live[row.partition].fingerprint
        }

    def record_merge(
        self, partition: str, fingerprint: str, merge: Merge, *, live: PartitionState | None
    ) -> None:
        """Write down what raw is made of where its fingerprint is `fingerprint`.

        Called before the lake is written; what is live until then stays known.
        """
        mine = sa.and_(MERGES.c.problem == self._problem, MERGES.c.partition == partition)
        outdated = MERGES.c.fingerprint != (live.fingerprint if live else "")
        with self._store.begin() as connection:
            connection.execute(
                sa.delete(MERGES).where(
                    mine, sa.or_(outdated, MERGES.c.fingerprint == fingerprint)
                )
            )
            connection.execute(
                sa.insert(MERGES).values(
                    problem=self._problem,
                    partition=partition,
                    fingerprint=fingerprint,
                    reading=merge.reading,
                    sequences=sorted(merge.sequences),
                )
            )

    def _renamed(self, delivery: Delivery, path: Path) -> Delivery:
        with self._store.begin() as connection:
            connection.execute(
                sa.update(FILES).where(self._is(delivery)).values(path=str(path))
            )
        return delivery._replace(path=str(path))

    def _is(self, delivery: Delivery) -> sa.ColumnElement[bool]:
        return sa.and_(FILES.c.problem == self._problem, FILES.c.sequence == delivery.sequence)

    def _known_stamps(self, paths: Sequence[str]) -> dict[Stamp, str]:
        query = sa.select(STAMPS)
        if len(paths) <= FEW_PATHS:
            query = query.where(STAMPS.c.path.in_(paths))
        with self._store.connect() as connection:
            return {Stamp(*row.stamp): row.content_hash for row in connection.execute(query)}

    def _remember_stamps(self, hashes: Mapping[Stamp, str]) -> None:
        if hashes:
            rows = [
                {"path": stamp.path, "stamp": list(stamp), "content_hash": digest}
                for stamp, digest in hashes.items()
            ]
            self._put(STAMPS, rows, key=["path"])

    def _put(
        self, table: sa.Table, rows: Sequence[Mapping[str, object]], *, key: Sequence[str]
    ) -> None:
        """Replace rows of what is only remembered; whoever else does so knows the same."""
        is_it = (table.c[name] == sa.bindparam(f"old_{name}") for name in key)
        old = [{f"old_{name}": row[name] for name in key} for row in rows]
        with suppress(IntegrityError), self._store.begin() as connection:
            connection.execute(sa.delete(table).where(*is_it), old)
            connection.execute(sa.insert(table), rows)


FEW_PATHS = 500
"""A database takes only so many values in one query."""


class History:
    """Deliveries by path and by content.

    Args:
        deliveries: Those known so far.
    """

    def __init__(self, deliveries: Iterable[Delivery]) -> None:
        self._at: dict[str, list[Delivery]] = defaultdict(list)
        self._of: dict[str, list[Delivery]] = defaultdict(list)
        self._taken: set[int] = set()
        for delivery in deliveries:
            self.add(delivery)

    def add(self, delivery: Delivery) -> None:
        """Remember a delivery."""
        self._at[delivery.path].append(delivery)
        self._of[delivery.content_hash].append(delivery)
        self._taken.add(delivery.sequence)

    def same(self, file: SourceFile) -> Delivery | None:
        """The delivery that `file` is, if it was seen before.

        The content that was last at its path; or, at a path where nothing was before, a content
        known from elsewhere: the file was renamed, or copied. A content that returns to a path
        where another was meanwhile is a new delivery: somebody took the other one back.
        """
        if at_path := self.at(file.path):
            newest = max(at_path, key=_age)
            return newest if newest.content_hash == file.content_hash else None
        return max(self._of.get(file.content_hash, ()), key=_age, default=None)

    def at(self, path: Path) -> Sequence[Delivery]:
        """All deliveries at a path."""
        return self._at.get(str(path), ())

    def replaced(self, delivery: Delivery) -> list[Delivery]:
        """Earlier deliveries at the same path."""
        at_path = self.at(Path(delivery.path))
        return [each for each in at_path if each.sequence < delivery.sequence]

    def new_sequence(self, file: SourceFile) -> int:
        """When `file` was written, but after what was at its path, and after its twins."""
        written = file.path.stat().st_mtime_ns // 1000
        earlier = (each.sequence + 1 for each in self.at(file.path))
        sequence = max([written, *earlier])
        while sequence in self._taken:
            sequence += 1
        return sequence


def _age(delivery: Delivery) -> int:
    return delivery.sequence


def _row(
    problem: str, delivery: Delivery, file: SourceFile, now: datetime
) -> dict[str, object]:
    return {
        "problem": problem,
        "sequence": delivery.sequence,
        "path": delivery.path,
        "name": delivery.name,
        "content_hash": delivery.content_hash,
        "bytes": file.bytes,
        "first_seen_at": now,
    }


def _found(values: Mapping[str, object] | None) -> Found | None:
    """Undo what JSON makes of tuples."""
    if values is None:
        return None
    lists = {name: tuple(v) for name, v in values.items() if isinstance(v, list)}
    return Found(**{**values, **lists})  # type: ignore[arg-type]
