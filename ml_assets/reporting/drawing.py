"""Plots as SVG text: scales, axes, lines, dots and intervals, a few kilobytes each.

Shapes bear classes instead of colors, so that the page paints them for light, dark and paper;
`standalone` brings the colors along for places that have no page around. What a picture shows is
in `pictures`.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

FONT = "system-ui, 'DejaVu Sans', Helvetica, sans-serif"
STEPS = (1, 2, 5, 10)
WANTED_TICKS = 4
THOUSAND, MILLION = 1e3, 1e6
LONGEST_NAME = 44
NAMES_END = 320
"""Pixels, where the names of intervals end."""

STYLE = """
text{fill:#1b211f}.soft{fill:#5d6864}.axis{stroke:#8a9691}.grid{stroke:#dfe4e1}
.own{stroke:#256b66;fill:#256b66}.other{stroke:#b8672b;fill:#b8672b}.bad{stroke:#b3372f;fill:#b3372f}
.rule{stroke:#5d6864;stroke-dasharray:4 3}.bar{fill:#cfdedb}.band{fill:#256b66}
.line{fill:none;stroke-width:1.8}.reach{stroke-width:1.6}
"""
"""Light colors for a picture on its own; those of the page are in its style sheet."""


class Scale(NamedTuple):
    """Numbers to pixels."""

    low: float
    high: float
    start: float
    end: float
    is_logarithmic: bool = False

    def at(self, value: float) -> float:
        """The pixel of a number; beyond the ends of the scale it stays at them."""
        low, high, value = (self._bent(each) for each in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + (self.end - self.start) * min(max(share, 0.0), 1.0)

    def ticks(self) -> list[float]:
        """Round numbers along the scale, about four."""
        if self.is_logarithmic:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            return [10.0**power for power in range(first, last + 1)]
        reach = self.high - self.low
        if reach <= 0:
            return []
        unit = 10.0 ** math.floor(math.log10(reach / WANTED_TICKS))
        step = next(unit * each for each in STEPS if reach / (unit * each) <= WANTED_TICKS + 1)
        first = math.ceil(round(self.low / step, 9))
        last = math.floor(round(self.high / step, 9))
        return [round(place * step, 12) for place in range(first, last + 1)]

    def _bent(self, value: float) -> float:
        return math.log(max(value, 1e-300)) if self.is_logarithmic else value


class Plot(NamedTuple):
    """Two scales with names."""

    x: Scale
    y: Scale
    x_name: str
    y_name: str

    def axes(self) -> str:
        """Grid, ticks and names."""
        left, right, bottom, top = self.x.start, self.x.end, self.y.start, self.y.end
        parts = []
        for tick in self.x.ticks():
            at = self.x.at(tick)
            parts += [stroke((at, bottom), (at, top), "grid")]
            parts += [text(short_number(tick), (at, bottom + 15), "soft", anchor="middle")]
        for tick in self.y.ticks():
            at = self.y.at(tick)
            parts += [stroke((left, at), (right, at), "grid")]
            parts += [text(short_number(tick), (left - 6, at + 4), "soft", anchor="end")]
        middle = (left + right) / 2
        parts += [stroke((left, bottom), (right, bottom), "axis")]
        parts += [text(self.x_name, (middle, bottom + 32), "soft", anchor="middle")]
        parts += [text(self.y_name, (left, top - 9), "soft")]
        return "".join(parts)

    def line(self, points: Iterable[tuple[float, float]], kind: str) -> str:
        """Points joined by a line."""
        joined = " ".join(f"{self.x.at(x):.1f},{self.y.at(y):.1f}" for x, y in points)
        return f'<polyline class="line {kind}" points="{joined}"/>'

    def dot(self, x: float, y: float, kind: str, *, size: float = 3.5, said: str = "") -> str:
        """One point, and what is said when somebody rests on it."""
        title = f"<title>{escape(said)}</title>" if said else ""
        at = f'cx="{self.x.at(x):.1f}" cy="{self.y.at(y):.1f}" r="{size:g}"'
        return f'<circle class="{kind}" {at}>{title}</circle>'

    def reach(self, x: float, low: float, high: float, kind: str) -> str:
        """An upright interval."""
        at = self.x.at(x)
        return stroke((at, self.y.at(low)), (at, self.y.at(high)), f"reach {kind}")

    def rule(self, a: tuple[float, float], b: tuple[float, float]) -> str:
        """A dashed line between two points."""
        ends = [(self.x.at(x), self.y.at(y)) for x, y in (a, b)]
        return stroke(ends[0], ends[1], "rule")


class Row(NamedTuple):
    """One line of a picture of intervals."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    note: str
    kind: str = "own"


def intervals(
    name: str, rows: Sequence[Row], *, rule: float | None, axis: str, width: int = 980
) -> str:
    """Rows of a name, an interval and a note, over one scale; `rule` is a dashed upright line."""
    known = [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
    known += [] if rule is None else [rule]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = (high - low) * 0.04 or 0.01
    scale = Scale(low - room, high + room, NAMES_END, width - 110)
    bottom = 14 + 22 * len(rows)
    parts = []
    for tick in scale.ticks():
        at = scale.at(tick)
        parts += [stroke((at, 8), (at, bottom), "grid")]
        parts += [text(short_number(tick), (at, bottom + 15), "soft", anchor="middle")]
    if rule is not None:
        parts += [stroke((scale.at(rule), 4), (scale.at(rule), bottom), "rule")]
    parts += [_interval(row, scale, 24 + 22 * place) for place, row in enumerate(rows)]
    middle = (scale.start + scale.end) / 2
    parts += [text(axis, (middle, bottom + 32), "soft", anchor="middle")]
    return svg(name, (width, bottom + 40), parts)


def _interval(row: Row, scale: Scale, y: float) -> str:
    parts = [text(shortened(row.name), (scale.start - 12, y), "", anchor="end", said=row.name)]
    if row.low is not None and row.high is not None:
        ends = (scale.at(row.low), y - 4), (scale.at(row.high), y - 4)
        parts += [stroke(*ends, f"reach {row.kind}")]
    if row.value is not None:
        parts += [
            f'<circle class="{row.kind}" cx="{scale.at(row.value):.1f}" cy="{y - 4}" r="4"/>'
        ]
    parts += [text(row.note, (scale.end + 12, y), "soft")]
    return "".join(parts)


def svg(name: str, size: tuple[float, float], parts: Iterable[str]) -> str:
    """Parts as one picture, which says its name to those who do not see it."""
    width, height = size
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family={quoteattr(FONT)} font-size="12" '
        f'role="img" aria-label={quoteattr(name)}>{"".join(parts)}</svg>'
    )


def standalone(drawn: str) -> bytes:
    """A picture that brings its colors and its paper along."""
    head, _, rest = drawn.partition(">")
    paper = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return f"{head}><style>{STYLE}</style>{paper}{rest}".encode()


def text(
    words: str, at: tuple[float, float], kind: str, *, anchor: str = "start", said: str = ""
) -> str:
    """Words; `said` is the whole where they are shortened."""
    title = f"<title>{escape(said)}</title>" if said and said != words else ""
    place = f'x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(words)}{title}</text>'


def stroke(a: tuple[float, float], b: tuple[float, float], kind: str) -> str:
    """A straight line."""
    ends = f'x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}"'
    return f'<line class="{kind}" {ends}/>'


def box(
    at: tuple[float, float], size: tuple[float, float], kind: str, *, opacity: float = 1.0
) -> str:
    """A rectangle by its left upper corner."""
    place = f'x="{at[0]:.1f}" y="{at[1]:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}"'
    return f'<rect class="{kind}" {place} fill-opacity="{opacity:g}"/>'


def shortened(words: str, longest: int = LONGEST_NAME) -> str:
    """The beginning of long words."""
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


def short_number(value: float) -> str:
    """A number beside a tick.

    Example:
        >>> short_number(0.25), short_number(15_000), short_number(2_500_000)
        ('0.25', '15k', '2.5M')
    """
    if abs(value) >= MILLION:
        return f"{value / MILLION:g}M"
    if abs(value) >= 10 * THOUSAND:
        return f"{value / THOUSAND:g}k"
    return f"{value:,.6g}"
