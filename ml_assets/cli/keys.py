"""API keys of the prediction service: made, listed and revoked."""

from collections.abc import Sequence

from ml_assets.cli.printing import print_json, print_table, say
from ml_assets.serving.keys import KeyRecord


def print_key(name: str, roles: Sequence[str], key: str, *, as_json: bool) -> None:
    """Show a key, for the only time."""
    if as_json:
        print_json({"name": name, "roles": roles, "key": key})
        return
    say(key)
    say(f"The key of {name} allows {', '.join(roles)}. It is shown once, and kept as a hash.")
    say(f"Use it: curl -H 'Authorization: Bearer {key[:8]}…' …")


def print_keys(records: Sequence[KeyRecord], *, as_json: bool) -> None:
    """List keys, oldest first."""
    if as_json:
        print_json(records)
        return
    print_table("Keys", KeyRecord._fields, records, empty="none yet")


def print_revoked(name: str, count: int, *, as_json: bool) -> None:
    """Say how many keys of a name opened the service until now."""
    if as_json:
        print_json({"name": name, "revoked": count})
        return
    keys = "1 key" if count == 1 else f"{count:,} keys"
    say(f"{keys} of {name} revoked; a running service refuses them within a second.")
