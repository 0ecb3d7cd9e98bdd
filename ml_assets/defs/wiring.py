"""One problem's definitions, put together."""

import dagster as dg

from ml_assets.defs.analysis import analysis_assets
from ml_assets.defs.asking import SENSOR_SECONDS
from ml_assets.defs.automation import automation
from ml_assets.defs.checks import data_checks
from ml_assets.defs.data import data_assets
from ml_assets.defs.experiments import experiments_assets
from ml_assets.defs.feedback import feedback_assets, feedback_checks
from ml_assets.defs.model_checks import model_checks
from ml_assets.defs.models import model_assets
from ml_assets.defs.predictions import predictions_assets
from ml_assets.defs.resources import HomeResource
from ml_assets.defs.serving_checks import serving_checks
from ml_assets.problem import Declared


def definitions_of(*declared: Declared, look_seconds: int = SENSOR_SECONDS) -> dg.Definitions:
    """Everything of some problems, and what they share; sensors look every so many seconds."""
    shared = dg.Definitions(resources={"home": HomeResource()}, executor=dg.in_process_executor)
    own = (problem_definitions(each, look_seconds=look_seconds) for each in declared)
    return dg.Definitions.merge(shared, *own)


def problem_definitions(
    declared: Declared, *, look_seconds: int = SENSOR_SECONDS
) -> dg.Definitions:
    """Assets, checks, jobs, schedules and sensors of one problem."""
    own = dg.Definitions(
        assets=[
            *data_assets(declared),
            *feedback_assets(declared),
            *model_assets(declared),
            *analysis_assets(declared),
            *predictions_assets(declared),
            *experiments_assets(declared),
        ],
        asset_checks=[
            *data_checks(declared),
            *feedback_checks(declared),
            *model_checks(declared),
            *serving_checks(declared),
        ],
    )
    return dg.Definitions.merge(own, automation(declared, look_seconds=look_seconds))
