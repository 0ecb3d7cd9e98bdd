"""US consumer complaints: will the consumer dispute the company's answer?"""

from pathlib import Path

from ml_assets.problem import Config, Problem
from ml_assets.problems.complaints.contract import Complaint
from ml_assets.problems.complaints.features import features
from ml_assets.problems.complaints.source import sample

FOLDER = Path(__file__).parent

complaints = Problem(
    name="complaints",
    folder=FOLDER,
    contract=Complaint,
    features=features,
    sample=sample,
    config=Config.from_file(FOLDER / "config.yaml"),
)
