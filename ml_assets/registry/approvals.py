"""A person's yes or no to one bundle, and whether the policy waits for it.

An approval is bound to the content of the bundle: another bundle needs another one. The last word
about a bundle counts.
"""

import datetime as dt
from typing import NamedTuple

import sqlalchemy as sa

from ml_assets.problem import Problem
from ml_assets.registry import tables
from ml_assets.registry.gate import Finding
from ml_assets.registry.versions import ModelVersion, version_named
from ml_assets.storage import Home

CHECK = "approval"


class Approval(NamedTuple):
    """A row of the table `approvals`."""

    id: int
    problem: str
    version: str
    artifact: str
    approved: bool
    at: dt.datetime
    who: str
    why: str


def approve(
    problem: Problem,
    home: Home,
    version: ModelVersion | str,
    *,
    now: dt.datetime,
    who: str,
    why: str,
    approved: bool = True,
) -> None:
    """Record a person's yes or no to exactly this bundle; a changed bundle needs a new one."""
    if isinstance(version, str):
        version = version_named(problem, home, version)
    row = {
        "problem": problem.name,
        "version": version.version,
        "artifact": version.artifact,
        "approved": approved,
        "at": now,
        "who": who,
        "why": why,
    }
    tables.prepare(home)
    with home.store.begin() as connection:
        connection.execute(sa.insert(tables.approvals).values(row))


def last_word(problem: Problem, home: Home, version: ModelVersion) -> Approval | None:
    """The last approval or refusal of exactly this bundle."""
    table = tables.approvals
    query = (
        sa.select(table)
        .where(table.c.problem == problem.name)
        .where(table.c.artifact == version.artifact)
        .order_by(table.c.id.desc())
        .limit(1)
    )
    tables.prepare(home)
    with home.store.connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Approval(**row)


def approval_finding(
    problem: Problem, home: Home, version: ModelVersion, *, who: str, reason: str | None
) -> Finding:
    """What the policy asks of people, and whether they did it.

    Args:
        problem: Its configuration has the policy.
        home: Where approvals are.
        version: The challenger.
        who: Asks for the release.
        reason: Why they want it, whatever the gate says; it is what `manual` waits for.
    """
    policy, said = problem.config.promotion.approval, last_word(problem, home, version)
    if said is not None and not said.approved:
        return Finding(CHECK, passed=False, text=f"{said.who} refused this bundle: {said.why}")
    if policy == "auto":
        return Finding(CHECK, passed=True, text="the policy asks for no approval")
    if said is not None:
        text = f"approved by {said.who} at {said.at:%Y-%m-%d %H:%M}: {said.why}"
        return Finding(CHECK, passed=True, text=text)
    if policy == "needs_approval":
        text = "every check passed, and it waits for somebody to approve this bundle"
        return Finding(CHECK, passed=False, text=text)
    if reason is not None:
        return Finding(CHECK, passed=True, text=f"released by {who}: {reason}")
    text = "every check passed, and it waits for somebody to release it with a reason"
    return Finding(CHECK, passed=False, text=text)
