"""Why a version was released is said in a sentence, not in a column."""

from datetime import UTC, datetime

from ml_assets.cli.models import print_releases
from ml_assets.registry.releases import Release


def test_says_the_whole_reason_in_one_line(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    why = "it is above the champion in every slice; the policy asks for no approval " * 3
    release = Release(
        problem="complaints",
        sequence=1,
        deployment="complaints-1",
        at=datetime(2026, 11, 24, tzinfo=UTC),
        kind="promotion",
        from_version=None,
        to_version="20261124T163406Z-a4505",
        who="nora",
        why=why,
        run_id="",
        evidence={},
    )

    print_releases("complaints", [release], as_json=False)

    assert f"complaints-1: {why}" in capsys.readouterr().out
