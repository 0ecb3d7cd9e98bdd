"""Homes of many countries and sources: for what price will one be sold?"""

from pathlib import Path

from ml_assets.problem import Config, Problem
from ml_assets.problems.homes.contract import Home
from ml_assets.problems.homes.features import features
from ml_assets.problems.homes.hooks import as_the_client_counts, in_square_metres
from ml_assets.problems.homes.source import sample

FOLDER = Path(__file__).parent

homes = Problem(
    name="homes",
    folder=FOLDER,
    contract=Home,
    features=features,
    sample=sample,
    config=Config.from_file(FOLDER / "config.yaml"),
    request_hook=in_square_metres,
    response_hook=as_the_client_counts,
)
