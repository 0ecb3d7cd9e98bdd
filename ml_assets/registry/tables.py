"""Tables of the registry. Every one is append-only, and the database itself holds it to that."""

import sqlalchemy as sa

from ml_assets.storage import Home, UTCDateTime, append_only, metadata

models = append_only(
    sa.Table(
        "models",
        metadata,
        sa.Column("version", sa.String, primary_key=True),
        sa.Column("problem", sa.String, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("artifact", sa.String, nullable=False),
        sa.Column("number", sa.String, nullable=False),
        sa.Column("number_reason", sa.String, nullable=False),
        sa.Column("previous", sa.String, nullable=True),
        sa.Column("training_set", sa.String, nullable=False),
        sa.Column("training_fingerprint", sa.String, nullable=False, index=True),
        sa.Column("trigger", sa.String, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("manifest", sa.JSON, nullable=False),
        sa.Column("course", sa.JSON, nullable=True),
        sa.UniqueConstraint("problem", "sequence"),
        sa.UniqueConstraint("problem", "artifact"),
        sa.UniqueConstraint("problem", "number"),
    )
)
"""One row for each model version."""

evaluations = append_only(
    sa.Table(
        "evaluations",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("problem", sa.String, nullable=False),
        sa.Column("version", sa.String, sa.ForeignKey("models.version"), nullable=False),
        sa.Column("training_set", sa.String, nullable=False),
        sa.Column("champion", sa.String, nullable=True),
        sa.Column("metrics_code", sa.String, nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("kpi", sa.JSON, nullable=True),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("slices", sa.JSON, nullable=False),
        sa.Index("evaluations_of_version", "version", "id"),
    )
)
"""What was measured about a version: split or model to metric to value, and its slices."""

approvals = append_only(
    sa.Table(
        "approvals",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("problem", sa.String, nullable=False),
        sa.Column("version", sa.String, sa.ForeignKey("models.version"), nullable=False),
        sa.Column("artifact", sa.String, nullable=False),
        sa.Column("approved", sa.Boolean, nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Index("approvals_of_artifact", "problem", "artifact"),
    )
)
"""A person's yes or no to one bundle; bound to its content hash, so another bundle has none."""

decisions = append_only(
    sa.Table(
        "decisions",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("problem", sa.String, nullable=False),
        sa.Column("version", sa.String, sa.ForeignKey("models.version"), nullable=False),
        sa.Column("champion", sa.String, nullable=True),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("message", sa.String, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Index("decisions_of_problem", "problem", "id"),
    )
)
"""Every time a promotion was considered, whatever came of it."""

releases = append_only(
    sa.Table(
        "releases",
        metadata,
        sa.Column("problem", sa.String, primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("deployment", sa.String, nullable=False, unique=True),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("from_version", sa.String, nullable=True),
        sa.Column("to_version", sa.String, sa.ForeignKey("models.version"), nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Index("releases_at", "problem", "at"),
    )
)
"""The release log. (problem, sequence) is unique: of two releases at once the database takes one."""


def prepare(home: Home) -> None:
    """Create the registry's tables where they are missing."""
    home.store.ensure(models, evaluations, approvals, decisions, releases)
