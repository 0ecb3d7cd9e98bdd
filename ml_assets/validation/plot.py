"""A partition's profile in one small picture: four panels, or five, that fit into a run's metadata.

Drawn as SVG text: a thousandth of the time that a plotting library takes, sharp at every size,
and a few kilobytes, so that hundreds of partitions can each have theirs.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

INK = "#1f2933"
BLUE = "#2f6690"
SAND = "#d9b382"

WIDTH, HEIGHT = 960, 500
HIGHER = 190
"""Pixels more, where labels are values."""

NAME_WIDTH = 165
"""Pixels left of a bar, for its name."""

BAR, STEP = 13, 19
"""Pixels: how thick a bar is, and from one bar to the next."""

PANEL_WIDTH, PANEL_HEIGHT = 455, 195
PLACES = ((15, 70), (490, 70), (15, 290), (490, 290), (15, 510))
"""Left upper corner of each panel's drawing; its title stands above."""

LONGEST_NAME = 26
LONGEST_CATEGORY = 44
MOST_BARS = 9
MOST_DATES = 5
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
    target: Sequence[tuple[str, float]] = ()
    """Bins of a regression's labels, and the share in each."""


class Bar(NamedTuple):
    """One horizontal bar: its name at the left, its length, and what is written on it."""

    name: str
    share: float
    text: str


def draw(picture: Picture) -> bytes:
    """The picture as SVG, UTF-8."""
    headline = f"{picture.title}: {picture.rows:,} rows, {picture.labels}"
    parts = [
        _text(headline, (15, 28), size=16, weight="bold"),
        *_days(picture.rows_by_day, PLACES[0]),
        *_shares(
            "Association with the target, 0 to 1", picture.associations, "{:.2f}", PLACES[1]
        ),
        *_shares("Missing share", picture.missing, "{:.0%}", PLACES[2]),
        *_categories(picture, PLACES[3]),
        *_bins(picture.target, PLACES[4]),
    ]
    height = HEIGHT + (HIGHER if picture.target else 0)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="DejaVu Sans, Helvetica, sans-serif">'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>{"".join(parts)}</svg>'
    ).encode()


def _days(rows_by_day: Sequence[tuple[dt.date, int]], at: tuple[int, int]) -> Iterator[str]:
    """Rows by day of the event, as columns over a line of dates."""
    x, y = at
    yield _title("Rows by day", at)
    if not rows_by_day:
        return
    first, last = rows_by_day[0][0], rows_by_day[-1][0]
    width = (PANEL_WIDTH - 40) / ((last - first).days + 1)
    most = max(rows for _, rows in rows_by_day)
    bottom = y + PANEL_HEIGHT - 20
    for day, rows in rows_by_day:
        height = (bottom - y) * rows / max(most, 1)
        left = x + 35 + width * (day - first).days
        yield _rectangle((left, bottom - height), (width * 0.85, height), BLUE)
    yield _text(f"{most:,}", (x + 30, y + 10), anchor="end")
    yield _text("0", (x + 30, bottom), anchor="end")
    days = (last - first).days
    for ahead in sorted(
        {round(days * place / (MOST_DATES - 1)) for place in range(MOST_DATES)}
    ):
        day = first + dt.timedelta(days=ahead)
        left = x + 35 + width * (ahead + 0.5)
        yield _text(f"{day:%b} {day.day}", (left, bottom + 16), anchor="middle")


def _shares(
    title: str, pairs: Sequence[tuple[str, float]], form: str, at: tuple[int, int]
) -> Iterator[str]:
    """The largest shares, one bar each."""
    visible = sorted(
        (pair for pair in pairs if pair[1] >= LEAST_SHARE), key=lambda pair: -pair[1]
    )
    bars = [Bar(name, share, form.format(share)) for name, share in visible[:MOST_BARS]]
    yield _title(title if bars else f"{title}: none", at)
    longest = max((bar.share for bar in bars), default=1.0) * 1.18
    for place, bar in enumerate(bars):
        length = _bar_room() * bar.share / longest
        yield from _bar(bar, at, place, length=length, color=BLUE, text_after=length + 5)


def _categories(picture: Picture, at: tuple[int, int]) -> Iterator[str]:
    """The most frequent categories of the columns that go most with the target."""
    rank = dict(picture.associations)
    chosen = sorted(picture.top, key=lambda each: (-rank.get(each[0], -1.0), each[0]))[:3]
    bars = [
        Bar(
            name if place == 0 else "",
            rows / max(picture.rows, 1),
            f"{_short(value, LONGEST_CATEGORY)}  {rows / max(picture.rows, 1):.0%}",
        )
        for name, top, _ in chosen
        for place, (value, rows) in enumerate(top[:3])
    ]
    yield _title("Most frequent categories (share of rows)" if bars else "No categories", at)
    for place, bar in enumerate(bars):
        length = _bar_room() * bar.share
        yield from _bar(bar, at, place, length=length, color=SAND, text_after=5)


def _bins(shares: Sequence[tuple[str, float]], at: tuple[int, int]) -> Iterator[str]:
    """How labels are distributed, in the order of their size."""
    if not shares:
        return
    yield _title("Labels", at)
    longest = max(share for _, share in shares) * 1.18
    for place, (name, share) in enumerate(shares):
        length = _bar_room() * share / longest
        bar = Bar(name, share, f"{share:.0%}")
        yield from _bar(bar, at, place, length=length, color=BLUE, text_after=length + 5)


def _bar(
    bar: Bar, at: tuple[int, int], place: int, *, length: float, color: str, text_after: float
) -> Iterator[str]:
    left, top = at[0] + NAME_WIDTH, at[1] + place * STEP
    baseline = top + BAR - 2
    yield _text(_short(bar.name), (left - 6, baseline), anchor="end")
    yield _rectangle((left, top), (length, BAR), color)
    yield _text(bar.text, (left + text_after, baseline))


def _bar_room() -> float:
    """Pixels that the longest bar may take."""
    return float(PANEL_WIDTH - NAME_WIDTH)


def _title(text: str, at: tuple[int, int]) -> str:
    return _text(text, (at[0], at[1] - 12), size=13)


def _text(
    text: str,
    at: tuple[float, float],
    *,
    size: int = 11,
    anchor: str = "start",
    weight: str = "normal",
) -> str:
    return (
        f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'font-weight="{weight}" fill="{INK}">{escape(text)}</text>'
    )


def _rectangle(at: tuple[float, float], size: tuple[float, float], color: str) -> str:
    return (
        f'<rect x="{at[0]:.1f}" y="{at[1]:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}" '
        f'fill="{color}"/>'
    )


def _short(text: str, longest: int = LONGEST_NAME) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
