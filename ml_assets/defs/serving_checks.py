"""A check of what was served: would training compute the same features of the same requests?"""

import dagster as dg

from ml_assets.defs import metadata
from ml_assets.defs.resources import HomeResource, utc_now
from ml_assets.defs.specs import key_of
from ml_assets.problem import Declared


def serving_checks(declared: Declared) -> list[dg.AssetChecksDefinition]:
    """The check; it stops nothing, since what was served cannot be taken back."""

    @dg.asset_check(
        asset=key_of(declared, "champion"),
        name="serves_what_it_learned",
        description="Features of logged requests, computed again, are those that were served.",
    )
    def served(home: HomeResource) -> dg.AssetCheckResult:
        from ml_assets.feedback import recompute_features

        found = recompute_features(declared.load(), home.open(), now=utc_now())
        rows = ((each[0], each[1], ", ".join(each[2])) for each in found.differing)
        return dg.AssetCheckResult(
            passed=not found.differing,
            severity=dg.AssetCheckSeverity.ERROR,
            description=found.sentence,
            metadata={
                "requests": found.rows,
                "left_out": found.skipped,
                "differing": metadata.table(["request", "version", "columns"], rows),
            },
        )

    return [served]
