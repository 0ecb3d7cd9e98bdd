"""The pictures of a report: each shows one part of the analysis, and is left out where there is none."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ml_assets.analysis import Analysis
from ml_assets.evaluation.closeness import Closeness
from ml_assets.evaluation.comparison import plain
from ml_assets.evaluation.curves import Point
from ml_assets.reporting.drawing import (
    Plot,
    Row,
    Scale,
    box,
    intervals,
    stroke,
    svg,
    text,
)
from ml_assets.reporting.timeline import Station

SQUARE = (312.0, 290.0)
WIDE = (980.0, 260.0)
MARGIN = 90.0
"""Pixels at the left of a timeline."""

SHOWN_SLICES = 15
SHOWN_FEATURES = 20
SHOWN_VERSIONS = 20
ROOM_FOR_A_DATE = 75.0
"""Pixels."""
FAR_APART = 30.0
"""Values whose largest is so many times the smallest are drawn by their logarithm."""


class Picture(NamedTuple):
    """One picture."""

    name: str
    """Under which the page finds it."""
    title: str
    svg: str


def pictures(analysis: Analysis, stations: Sequence[Station] = ()) -> dict[str, Picture]:
    """Draw what there is, by name."""
    drawn = {
        name: Picture(name, title, found)
        for name, (title, draw) in DRAWN.items()
        if (found := draw(analysis)) is not None
    }
    if stations:
        title = f"{analysis.kpi.metric} by version"
        drawn["timeline"] = Picture("timeline", title, _timeline(analysis, stations, title))
    return drawn


def _unit(x_name: str, y_name: str) -> Plot:
    """A plot of shares against shares."""
    width, height = SQUARE
    return Plot(Scale(0, 1, 44, width - 14), Scale(0, 1, height - 46, 26), x_name, y_name)


def _roc(analysis: Analysis) -> str | None:
    points = analysis.curves.roc if analysis.curves else ()
    if not points:
        return None
    plot = _unit("false positive rate", "true positive rate")
    parts = [plot.axes(), plot.rule((0, 0), (1, 1)), plot.line(_from_origin(points), "own")]
    return svg("ROC curve", SQUARE, [*parts, _here(plot, points, analysis.threshold)])


def _precision_recall(analysis: Analysis) -> str | None:
    points = analysis.curves.precision_recall if analysis.curves else ()
    if not points:
        return None
    plot = _unit("recall", "precision")
    share = points[-1].y  # decided yes, every row: precision is the share of positive labels
    parts = [plot.axes(), plot.rule((0, share), (1, share)), plot.line(_places(points), "own")]
    return svg(
        "Precision-recall curve", SQUARE, [*parts, _here(plot, points, analysis.threshold)]
    )


def _places(points: Sequence[Point]) -> list[tuple[float, float]]:
    return [(one.x, one.y) for one in points]


def _from_origin(points: Sequence[Point]) -> list[tuple[float, float]]:
    return [(0.0, 0.0), *_places(points)]


def _here(plot: Plot, points: Sequence[Point], threshold: float | None) -> str:
    """The point of the curve where decisions are made."""
    decided = [one for one in points if threshold is not None and one.threshold >= threshold]
    if not decided:
        return ""
    one = decided[-1]
    return plot.dot(one.x, one.y, "other", size=5, said=f"threshold {plain(threshold or 0.0)}")


def _calibration(analysis: Analysis) -> str | None:
    bins = analysis.curves.calibration if analysis.curves else ()
    if not bins:
        return None
    plot = _unit("mean prediction", "observed share")
    parts = [plot.axes(), plot.rule((0, 0), (1, 1))]
    for one in bins:
        said = f"{one.rows:,} rows: predicted {plain(one.predicted)}, observed {plain(one.observed)}"
        parts += [plot.reach(one.predicted, one.low, one.high, "own")]
        parts += [plot.dot(one.predicted, one.observed, "own", size=4, said=said)]
    return svg("Calibration, with 95% intervals", SQUARE, parts)


def _cost(analysis: Analysis) -> str | None:
    chosen = analysis.threshold_choice
    if chosen is None:
        return None
    costs = [cost for _, cost in chosen.curve]
    top = max(costs) * 1.05 or 1.0
    width, height = SQUARE
    plot = Plot(
        Scale(0, 1, 52, width - 14), Scale(0, top, height - 46, 26), "threshold", "cost by row"
    )
    said = f"{plain(chosen.threshold)} costs {plain(chosen.cost)} a row"
    parts = [
        plot.axes(),
        plot.rule((0.5, 0), (0.5, top)),
        plot.line(chosen.curve, "own"),
        plot.dot(chosen.threshold, chosen.cost, "other", size=5, said=said),
    ]
    return svg("Cost of mistakes by threshold, on the validation rows", SQUARE, parts)


def _learning(analysis: Analysis) -> str | None:
    points = [
        (one.rows, one.train, one.validation)
        for one in analysis.learning_curve
        if one.train is not None and one.validation is not None
    ]
    if len(points) < 2:  # noqa: PLR2004 - a curve has two ends
        return None
    values = [value for _, *both in points for value in both]
    room = (max(values) - min(values)) * 0.1 or 0.01
    plot = Plot(
        Scale(0, points[-1][0] * 1.02, 60, SQUARE[0] - 20),
        Scale(min(values) - room, max(values) + room, SQUARE[1] - 46, 26),
        "rows learned from",
        analysis.kpi.metric,
    )
    parts = [plot.axes()]
    for place, kind in ((1, "other"), (2, "own")):
        line = [(float(one[0]), float(one[place] or 0.0)) for one in points]
        parts += [plot.line(line, kind), *(plot.dot(x, y, kind) for x, y in line)]
    return svg("Learning curve: training and validation", SQUARE, parts)


def _slices(analysis: Analysis) -> str | None:
    scan = analysis.slices
    rows = [
        Row(
            one.name,
            one.metrics[scan.metric],
            one.low,
            one.high,
            f"{one.rows:,} rows",
            "bad" if one.is_worse else "own",
        )
        for one in scan.slices[:SHOWN_SLICES]
    ]
    if not rows:
        return None
    return intervals("Slices, worst first", rows, rule=scan.overall, axis=scan.metric)


def _importance(analysis: Analysis) -> str | None:
    importance = analysis.importance
    rows = [
        Row(one.feature, one.loss, one.low, one.high, plain(one.loss, sign="+"))
        for one in importance.features[:SHOWN_FEATURES]
        if one.loss is not None
    ]
    if not rows:
        return None
    axis = f"loss of {importance.metric} when the feature is shuffled"
    return intervals("Importance of features", rows, rule=0.0, axis=axis)


def _scatter(analysis: Analysis) -> str | None:
    found = analysis.closeness
    if found is None or not found.pairs:
        return None
    values = [value for pair in found.pairs for value in pair]
    low, high = min(values), max(values)
    is_wide = low > 0 and high / low > FAR_APART
    width, height = SQUARE
    plot = Plot(
        Scale(low, high, 52, width - 14, is_wide),
        Scale(low, high, height - 46, 26, is_wide),
        "label",
        "prediction",
    )
    dots = [plot.dot(one.label, one.prediction, "own faint", size=2) for one in found.pairs]
    name = f"Predicted against actual, {len(found.pairs):,} rows"
    return svg(name, SQUARE, [plot.axes(), *dots, plot.rule((low, low), (high, high))])


def _by_size(analysis: Analysis) -> str | None:
    found = analysis.closeness
    if found is None or any(one.relative_error is None for one in found.groups):
        return None
    return _bars(
        found, "median error as a share of the label", "Errors by the size of the label"
    )


def _bars(found: Closeness, y_name: str, name: str) -> str:
    errors = [one.relative_error or 0.0 for one in found.groups]
    width, height = SQUARE
    plot = Plot(
        Scale(0, len(errors), 44, width - 14),
        Scale(0, max(errors) * 1.1 or 1.0, height - 46, 26),
        "labels, smallest tenth to largest",
        y_name,
    )
    axes = plot._replace(x=plot.x._replace(low=0.5, high=0.5)).axes()
    parts = [axes]
    for place, error in enumerate(errors):
        left, top = plot.x.at(place) + 3, plot.y.at(error)
        across = plot.x.at(place + 1) - plot.x.at(place) - 6
        parts += [box((left, top), (across, plot.y.start - top), "band", opacity=0.85)]
    return svg(name, SQUARE, parts)


def _timeline(analysis: Analysis, stations: Sequence[Station], name: str) -> str:
    """KPI with interval over versions, bars of rows below, and who answered."""
    shown = stations[-SHOWN_VERSIONS:]
    values = [v for one in shown for v in (one.kpi, one.low, one.high) if v is not None]
    low, high = min([*values, analysis.kpi.floor]), max([*values, analysis.kpi.floor])
    room = (high - low) * 0.1 or 0.01
    width, height = WIDE
    plot = Plot(
        Scale(0, len(shown), MARGIN, width - 16),
        Scale(low - room, high + room, height - 112, 26),
        "",
        f"{analysis.kpi.metric}; dashed: the floor",
    )
    floor = plot.rule((0, analysis.kpi.floor), (len(shown), analysis.kpi.floor))
    axes = plot._replace(x=plot.x._replace(low=0.5, high=0.5)).axes()
    stops = [part for k, one in enumerate(shown) for part in _station(plot, shown, k, one)]
    labels = [
        text("rows", (plot.x.start - 8, height - 56), "soft", anchor="end"),
        text("answered", (plot.x.start - 8, height - 8), "soft", anchor="end"),
    ]
    return svg(name, WIDE, [axes, floor, *stops, *labels])


def _station(plot: Plot, shown: Sequence[Station], place: int, one: Station) -> Iterator[str]:
    height, x = WIDE[1], place + 0.5
    left, right = plot.x.at(place), plot.x.at(place + 1)
    most = max(station.rows for station in shown) or 1
    across = min((right - left) * 0.6, 60.0)
    bar = 30 * one.rows / most
    middle = plot.x.at(x)
    yield box((middle - across / 2, height - 46 - bar), (across, bar), "bar")
    yield text(f"{one.rows:,}", (middle, height - 50 - bar), "soft", anchor="middle")
    yield text(one.number, (middle, height - 28), "", anchor="middle", said=one.version)
    if one.low is not None and one.high is not None:
        yield plot.reach(x, one.low, one.high, "own")
    if one.kpi is not None:
        yield plot.dot(x, one.kpi, "own", size=4.5, said=f"{one.number}: {plain(one.kpi)}")
    if one.answered:
        is_live = one.answered[-1].until is None
        kind = "other" if is_live else "axis"
        yield stroke((left + 4, height - 18), (right - 4, height - 18), f"reach {kind}")
        if is_live or right - left > ROOM_FOR_A_DATE:
            words = "now" if is_live else f"{one.answered[0].since:%Y-%m-%d}"
            yield text(words, (middle, height - 4), "soft", anchor="middle")


DRAWN: dict[str, tuple[str, Callable[[Analysis], str | None]]] = {
    "roc": ("ROC curve", _roc),
    "precision_recall": ("Precision and recall", _precision_recall),
    "calibration": ("Calibration", _calibration),
    "cost": ("Cost by threshold", _cost),
    "scatter": ("Predicted against actual", _scatter),
    "by_size": ("Errors by the size of the label", _by_size),
    "learning": ("Learning curve", _learning),
    "slices": ("Slices, worst first", _slices),
    "importance": ("Importance", _importance),
}
"""Name to title and how it is drawn; None where the analysis has nothing of it."""
