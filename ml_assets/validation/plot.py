"""A partition's profile in one small picture: four panels that fit into a run's metadata."""

import datetime as dt
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg

INK = "#1f2933"
FAINT = "#9aa5b1"
BLUE = "#2f6690"
SAND = "#d9b382"

WIDTH, HEIGHT, DPI = 9.6, 5.0, 100
COLORS = 48
"""Of the PNG's palette; more double its size and show nothing."""

LAYOUT = {
    "left": 0.165,
    "right": 0.985,
    "top": 0.86,
    "bottom": 0.05,
    "wspace": 0.5,
    "hspace": 0.34,
}
"""Fixed: to let matplotlib work it out would draw everything twice."""

LONGEST_NAME = 26
MOST_BARS = 9
LEAST_SHARE = 0.005
"""Smaller bars are not drawn; nobody would see them."""


class Picture(NamedTuple):
    """What is drawn."""

    title: str
    rows: int
    labels: str
    """What is to be said of them, in a few words."""
    rows_by_day: Sequence[tuple[dt.date, int]]
    missing: Sequence[tuple[str, float]]
    associations: Sequence[tuple[str, float]]
    top: Sequence[tuple[str, Sequence[tuple[str, int]], int]]


def draw(picture: Picture) -> bytes:
    """The picture as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(
        _headline(picture), x=0.012, ha="left", fontsize=11, color=INK, weight="bold"
    )
    panels = figure.subplots(2, 2, gridspec_kw=LAYOUT)
    _days(panels[0][0], picture.rows_by_day)
    _bars(panels[0][1], "Association with the target, 0 to 1", picture.associations, "{:.2f}")
    _bars(panels[1][0], "Missing share", picture.missing, "{:.0%}")
    _categories(panels[1][1], picture)
    return _png(canvas)


def _headline(picture: Picture) -> str:
    return f"{picture.title}: {picture.rows:,} rows, {picture.labels}"


def _days(axes: "Axes", rows_by_day: Sequence[tuple[dt.date, int]]) -> None:
    """Rows by day of the event."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import MaxNLocator

    _plain(axes, "Rows by day")
    days = [day for day, _ in rows_by_day]
    axes.bar(days, [rows for _, rows in rows_by_day], width=0.85, color=BLUE)  # type: ignore[arg-type]
    locator = AutoDateLocator(maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))


def _bars(axes: "Axes", title: str, pairs: Sequence[tuple[str, float]], form: str) -> None:
    """The largest shares, one bar each."""
    visible = [pair for pair in pairs if pair[1] >= LEAST_SHARE]
    shown = sorted(visible, key=lambda pair: -pair[1])[:MOST_BARS][::-1]
    _plain(axes, title if shown else f"{title}: none")
    axes.barh(range(len(shown)), [share for _, share in shown], height=0.7, color=BLUE)
    _name_bars(axes, [name for name, _ in shown])
    axes.set_xlim(0, max([LEAST_SHARE, *(share for _, share in shown)]) * 1.18)
    for place, (_, share) in enumerate(shown):
        _write(axes, form.format(share), (share, place))


def _name_bars(axes: "Axes", names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.set_ylim(len(names) - MOST_BARS - 0.6, len(names) - 0.4)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def _write(axes: "Axes", text: str, at: tuple[float, float]) -> None:
    axes.annotate(
        text, at, xytext=(4, 0), textcoords="offset points", va="center", fontsize=7, color=INK
    )


def _categories(axes: "Axes", picture: Picture) -> None:
    """The most frequent categories of the columns that go most with the target."""
    rank = dict(picture.associations)
    chosen = sorted(picture.top, key=lambda each: (-rank.get(each[0], -1.0), each[0]))[:3]
    lines = [
        (name if place == 0 else "", value, rows)
        for name, top, _ in chosen
        for place, (value, rows) in enumerate(top[:3])
    ][::-1]
    _plain(axes, "Most frequent categories (share of rows)" if lines else "No categories")
    shares = [rows / max(picture.rows, 1) for _, _, rows in lines]
    axes.barh(range(len(lines)), shares, height=0.7, color=SAND)
    _name_bars(axes, [name for name, _, _ in lines])
    axes.set_xlim(0, 1)
    for place, (_, value, _) in enumerate(lines):
        _write(axes, f"{_short(value, 44)}  {shares[place]:.0%}", (0.0, place))


def _plain(axes: "Axes", title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9, color=INK)
    axes.tick_params(labelsize=7, length=0, colors=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)


def _short(text: str, longest: int = LONGEST_NAME) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _png(canvas: "FigureCanvasAgg") -> bytes:
    """What is on the canvas with a small palette, so that hundreds of pictures stay light."""
    import numpy as np
    from PIL import Image

    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    stream = io.BytesIO()
    image.quantize(COLORS).save(stream, format="PNG", optimize=True)
    return stream.getvalue()
