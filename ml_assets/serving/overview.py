"""Everything about a problem's models on one page: who answers, how good, since when, and why."""

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ml_assets.analysis import analysed_versions
from ml_assets.evaluation import metric_named
from ml_assets.problem import Problem
from ml_assets.registry import (
    Evaluation,
    ModelVersion,
    champion,
    decisions,
    evaluations,
    releases,
    versions,
)
from ml_assets.serving.deployments import Live
from ml_assets.serving.predicting import json_response
from ml_assets.serving.service import Service, in_thread
from ml_assets.storage import Home


class Overview:
    """The endpoint `overview`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def overview(self, request: Request) -> Response:
        """Say which versions there are, how good they are, and who was released when and why."""
        problem, deployments = self._service.problem_of(request), self._service.deployments
        told = await in_thread(_told, problem, deployments.home)
        told["failure"] = deployments.failures.get(problem.name)
        told["answering"] = _answering(deployments.current.get(problem.name))
        return json_response(told)


def _told(problem: Problem, home: Home) -> dict[str, Any]:
    config = problem.config
    measured = {each.version: each for each in evaluations(problem, home)}
    decided = {each.version: each for each in decisions(problem, home)}
    released = champion(problem, home)
    analysed = analysed_versions(problem, home)
    known = list(reversed(versions(problem, home)))
    return {
        "problem": problem.name,
        "objective": config.objective,
        "owner": config.owner,
        "kpi": {
            "metric": config.kpi.metric,
            "formula": config.kpi.formula,
            "floor": config.kpi.floor,
            "owner": config.kpi.owner,
        },
        "metrics": _directions([config.kpi.metric, *config.metrics]),
        "champion": released.version if released else None,
        "trained": _trained(released) if released else None,
        "evaluation": _evaluation(measured.get(released.version)) if released else None,
        "versions": [
            {
                **_version(each),
                "is_analysed": each.version in analysed,
                "kpi": _kpi(measured.get(each.version)),
                "outcome": decided[each.version].outcome if each.version in decided else None,
                "message": decided[each.version].message if each.version in decided else None,
            }
            for each in known
        ],
        "releases": [
            {name: value for name, value in each._asdict().items() if name != "evidence"}
            for each in reversed(releases(problem, home))
        ],
    }


def _directions(names: Iterable[str]) -> list[dict[str, Any]]:
    return [
        {"name": name, "higher_is_better": metric_named(name).higher_is_better}
        for name in dict.fromkeys(names)
    ]


def _answering(live: Live | None) -> dict[str, Any] | None:
    """The version that this process has loaded, which may be an older one than the champion."""
    if live is None:
        return None
    ways = live.predictor.ways
    return {
        "version": live.predictor.version,
        "is_direct": ways.are_direct,
        "ways": ways._asdict(),
        "warnings": live.predictor.bundle.warnings,
    }


def _version(version: ModelVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "number": version.number,
        "number_reason": version.number_reason,
        "created_at": version.created_at,
        "trigger": version.trigger,
        "algorithm": version.manifest.algorithm.kind,
    }


def _trained(version: ModelVersion) -> dict[str, Any]:
    data = version.manifest.data
    partitions = sorted(data.partitions)
    return {
        "rows": data.rows,
        "partitions": len(partitions),
        "first_partition": partitions[0] if partitions else None,
        "last_partition": partitions[-1] if partitions else None,
        "excluded": data.excluded,
        "feedback_batches": len(data.feedback),
        "features": list(version.manifest.signature.features),
        "training_set": data.training_set,
        "intervals": version.manifest.intervals,
        "local_rows": version.manifest.local_rows,
    }


def _kpi(evaluation: Evaluation | None) -> Mapping[str, Any] | None:
    return evaluation.kpi._asdict() if evaluation and evaluation.kpi else None


def _evaluation(evaluation: Evaluation | None) -> dict[str, Any] | None:
    if evaluation is None:
        return None
    return {
        "at": evaluation.at,
        "rows": evaluation.rows,
        "kpi": _kpi(evaluation),
        "metrics": evaluation.metrics,
        "slices": [each._asdict() for each in evaluation.slices],
    }
