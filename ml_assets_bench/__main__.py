"""`python -m ml_assets_bench NAME`: run one benchmark, or all of them."""

import argparse
from collections.abc import Callable
from pathlib import Path

from ml_assets_bench import chain, duplicates, gate, growth, promotion, serving, slices

CACHE = Path.home() / ".cache" / "ml_assets_bench"


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m ml_assets_bench", description=__doc__)
    commands = parser.add_subparsers(dest="name", required=True)
    for name, text in {
        "chain": "100,000 rows in one partition: platform beside the plain script",
        "range": "the same rows in 30 partitions, in one run",
        "gate": "`validated` beside one DuckDB pass",
        "duplicates": "planted duplicates: found, missed, and how long it takes",
        "growth": "time and memory from raw to validated, by rows",
        "promotion": "how often challengers pass that are no better, and that are",
        "slices": "metrics of 199 slices beside numpy by hand and fairlearn",
        "all": "everything above",
    }.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--rows", type=int, default=100_000)
        command.add_argument("--repeats", type=int, default=3)
        if name in {"slices", "all"}:
            command.add_argument("--folder", type=Path, default=CACHE, help="of environments")
            command.add_argument("--alone", action="store_true", help="without fairlearn")
    served = commands.add_parser("serving", help="the service beside MLflow's and BentoML's")
    served.add_argument("--folder", type=Path, default=CACHE, help="of the peers' environments")
    served.add_argument("--seconds", type=float, default=5.0, help="of each load")
    served.add_argument("--repeats", type=int, default=3)
    served.add_argument("--alone", action="store_true", help="without the peers")
    other_side = commands.add_parser("plain", help="the plain script alone")
    other_side.add_argument("source", type=Path)
    other_side.add_argument("folder", type=Path)
    asked = parser.parse_args()
    if asked.name == "plain":
        chain.plain(asked.source, asked.folder)
    if asked.name == "serving":
        serving.measure(
            asked.folder, seconds=asked.seconds, repeats=asked.repeats, peers=not asked.alone
        )
    for name, measure in MEASURES.items():
        if asked.name in {name, "all"}:
            measure(asked)


MEASURES: dict[str, Callable[[argparse.Namespace], None]] = {
    "gate": lambda asked: gate.measure(asked.rows, asked.repeats),
    "chain": lambda asked: chain.measure(asked.rows, 1, asked.repeats),
    "range": lambda asked: chain.measure(asked.rows, 30, asked.repeats),
    "duplicates": lambda asked: duplicates.measure(repeats=asked.repeats),
    "promotion": lambda _: promotion.measure(),
    "slices": lambda asked: slices.measure(
        asked.folder, asked.rows, asked.repeats, peers=not asked.alone
    ),
    "growth": lambda _: growth.measure(),
}


main()
