"""A table for people keeps every id and number whole."""

from ml_assets.cli.printing import print_table


def test_keeps_ids_whole_in_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    ids = [f"20261124T163406Z-a450{place}" for place in range(4)]

    print_table("Models", list("abcd"), [ids])

    shown = capsys.readouterr().out
    assert all(id_ in shown for id_ in ids)
