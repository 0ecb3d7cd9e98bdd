"""The analysis of a version in Dagster: its pictures, and where its report is.

An asset of its own, after the champion: what people want to look at holds up no release.
"""

from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs import metadata
from ml_assets.defs.events import Said
from ml_assets.defs.models import newest_model, result
from ml_assets.defs.resources import HomeResource, utc_now
from ml_assets.defs.specs import spec_of
from ml_assets.errors import InsufficientData
from ml_assets.problem import Declared, Problem
from ml_assets.storage import Home

if TYPE_CHECKING:
    from ml_assets.analysis import Analysis
    from ml_assets.registry import ModelVersion


def analysis_assets(declared: Declared) -> list[dg.AssetsDefinition]:
    """Everything that is made of the analysis of a version."""
    return [_analysis(declared)]


def _analysis(declared: Declared) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"{declared.name}__analysis",
        specs=[spec_of(declared, "analysis")],
        pool=declared.name,
    )
    def analysis(
        context: dg.AssetExecutionContext, home: HomeResource
    ) -> dg.MaterializeResult[None]:
        from ml_assets.analysis import analyse

        problem, opened = declared.load(), home.open()
        version = newest_model(problem, opened)
        try:
            found = analyse(problem, opened, version, now=utc_now())
        except InsufficientData as error:
            # A version with too few test rows is still measured and judged.
            context.log.warning(str(error))
            said: Said = {"not_analysed": dg.MetadataValue.text(str(error))}
            made_by = "nothing"
        else:
            said, made_by = _shown(problem, opened, version, found), found.code
        return result(
            f"{version.version} {made_by}",
            {"version": dg.MetadataValue.text(version.version), **said},
        )

    return analysis


def _shown(problem: Problem, home: Home, version: "ModelVersion", found: "Analysis") -> Said:
    """The pictures of the report, and the page with all of it and what was decided."""
    from ml_assets.reporting import keep_report, pictures, report_of, timeline
    from ml_assets.reporting.drawing import standalone

    drawn = pictures(found, timeline(problem, home))
    page = keep_report(home, report_of(problem, home, version, now=found.at, analysis=found))
    return {
        "report": dg.MetadataValue.path(str(page)),
        "unchanged": dg.MetadataValue.bool(found.unchanged),
        **{
            f"picture_{name}": metadata.plot(standalone(one.svg), text=one.title)
            for name, one in drawn.items()
        },
    }
