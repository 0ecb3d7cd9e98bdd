"""Who may ask: API keys with roles, kept as hashes.

A key is 32 random bytes, so its SHA-256 tells nothing about it and needs no salt. Keys are never
changed: one that is lost is revoked, and another is made.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Literal, NamedTuple, get_args

import sqlalchemy as sa

from ml_assets.errors import MLAssetsError, RequestRefused
from ml_assets.storage import Home, UTCDateTime, metadata

Role = Literal["predict", "feedback", "review", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""What a key may do; admin may do everything."""

PREFIX = "mla_"
"""So that a key that leaked into a file is found by its looks."""

LONGEST_NAME = 100

HOST = re.compile(r"(?:\[(?P<six>[^\[\]]*)\]|(?P<name>[^:]*))(?::[0-9]*)?")
"""A name or an address, perhaps with a port."""

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(LONGEST_NAME), nullable=False),
    sa.Column("roles", sa.String(100), nullable=False),
    sa.Column("created_at", UTCDateTime, nullable=False),
    sa.Column("revoked_at", UTCDateTime, nullable=True),
)


class Key(NamedTuple):
    """What is known of a key; not the key itself."""

    name: str
    roles: frozenset[str]

    def may(self, role: Role) -> bool:
        """Whether the key allows `role`."""
        return role in self.roles or "admin" in self.roles


class KeyRecord(NamedTuple):
    """What the store has about a key; nobody can make the key out of it."""

    name: str
    roles: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None


def make_key(home: Home, name: str, roles: Sequence[str], *, now: datetime) -> str:
    """Make a key; it is shown once and kept as a hash.

    Args:
        home: The deployment that it opens.
        name: Whose it is, for the prediction log's readers.
        roles: What it may do.
        now: When.

    Raises:
        MLAssetsError: If the name is none, or a role is not known.
    """
    if not name.strip() or len(name) > LONGEST_NAME:
        raise MLAssetsError(
            f"A key needs a name of at most {LONGEST_NAME} characters, got {name!r}."
        )
    if not roles or set(roles) - set(ROLES):
        raise MLAssetsError(
            f"A key needs roles out of {', '.join(ROLES)}; got {', '.join(roles) or 'none'}."
        )
    key = PREFIX + secrets.token_urlsafe(32)
    home.store.ensure(api_keys)
    with home.store.begin() as connection:
        connection.execute(
            sa.insert(api_keys).values(
                hash=hash_of(key),
                name=name,
                roles=" ".join(dict.fromkeys(roles)),
                created_at=now,
            )
        )
    return key


def revoke_keys(home: Home, name: str, *, now: datetime) -> int:
    """Revoke every key of a name; how many there were.

    Raises:
        MLAssetsError: If none of that name is in use.
    """
    used = {key.name for key in known_keys(home).values()}
    if name not in used:
        there = ", ".join(sorted(used)) or "none"
        raise MLAssetsError(f"No key of {name!r} is in use. In use: {there}.")
    c = api_keys.c
    with home.store.begin() as connection:
        done = connection.execute(
            sa.update(api_keys)
            .where(c.name == name, c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        return int(done.rowcount)


def key_records(home: Home) -> list[KeyRecord]:
    """Every key that was ever made, oldest first."""
    home.store.ensure(api_keys)
    c = api_keys.c
    query = sa.select(c.name, c.roles, c.created_at, c.revoked_at)
    with home.store.connect() as connection:
        return [
            KeyRecord(row.name, tuple(row.roles.split()), row.created_at, row.revoked_at)
            for row in connection.execute(query.order_by(c.created_at, c.name))
        ]


def known_keys(home: Home) -> dict[str, Key]:
    """Every key that is not revoked, by its hash."""
    home.store.ensure(api_keys)
    c = api_keys.c
    query = sa.select(c.hash, c.name, c.roles).where(c.revoked_at.is_(None))
    with home.store.connect() as connection:
        return {
            row.hash: Key(row.name, frozenset(row.roles.split()))
            for row in connection.execute(query)
        }


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, whom nobody else can reach by it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_own_host(header: str | None) -> None:
    """Refuse a request that came by the name of another host; for what nobody needs a key for.

    A page of a stranger can give its own name the address of this machine, and would then be
    let read what a browser here can read.

    Args:
        header: The request's `Host`.

    Raises:
        RequestRefused: If it is not a name of this machine.
    """
    found = HOST.fullmatch(header or "")
    host = (found["six"] or found["name"]) if found else header
    if not is_loopback(host or ""):
        raise RequestRefused(
            403,
            f"Without keys, rows are shown to this machine only, and this request is for {host!r}. "
            "Ask 127.0.0.1, or serve with --keys.",
        )


def hash_of(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def require(keys: Mapping[str, Key] | None, header: str | None, role: Role) -> Key | None:
    """Return the key that a request came with.

    Args:
        keys: Those that are known; None where none is needed, in development.
        header: The request's `Authorization`.
        role: What the request wants to do.

    Raises:
        RequestRefused: If there is none, it is unknown or revoked, or it does not allow this.
    """
    if keys is None:
        return None
    scheme, _, key = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise RequestRefused(401, "Send a key: `Authorization: Bearer mla_…`.")
    found = keys.get(hash_of(key.strip()))
    if found is None:
        raise RequestRefused(401, "The key is unknown, or was revoked.")
    if not found.may(role):
        allowed = ", ".join(sorted(found.roles))
        raise RequestRefused(
            403, f"The key of {found.name} allows {allowed}; needed is {role}."
        )
    return found
