"""The plots of a report, drawn as inline SVG: lines, bars with intervals, differences, sorted differences.

No colour carries a meaning alone: lines differ by dashes and markers too and are named where they end, better and worse
differ by direction and shape. Every plot has a title and a description for those who do not see it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tercet.evals.costs import gain
from tercet.evals.report.markup import element
from tercet.evals.wording import number, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from xml.etree.ElementTree import Element

    from tercet.evals.comparison import Change
    from tercet.evals.statistics import Difference

    Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 440, 264
LEFT, RIGHT, TOP, BOTTOM = 44, 16, 44, 44
ROW_WIDTH, ROW_HEIGHT = 176, 24
WIDE, WIDE_LEFT = 960, 64
BARS_WITH_TITLES = 400
"""Questions up to which each bar of the sorted differences tells its question when pointed at."""
_SHAPES = {"candidate": "better", "baseline": "worse", "no difference": "even"}
_FARTHEST = 1e12
_LOG_RATIO = 12
"""Where the largest x is that many times the smallest, the axis is logarithmic."""


def line_chart(title: str, series: Mapping[str, Points], *, x_label: str, y_label: str) -> Element:
    """Curves over the same axes.

    Args:
        title: Said to those who do not see the plot.
        series: One or two curves by name; the second is dashed.
        x_label: Under the axis.
        y_label: Above the axis.
    """
    series = {name: [(_drawable(x), _drawable(y)) for x, y in one] for name, one in series.items()}
    points = [point for one in series.values() for point in one]
    x_place, x_ticks = _x_axis([x for x, _ in points])
    low, high, y_ticks = _nice([y for _, y in points])

    def y_place(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP)

    parts = [element("title", title), element("desc", _told(series, x_label, y_label))]
    for tick in y_ticks:
        y = f"{y_place(tick):.1f}"
        parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="rule"))
        parts.append(element("text", _tick(tick), x=LEFT - 8, y=y, dy="0.35em", text_anchor="end"))
    for tick in x_ticks:
        x = f"{x_place(tick):.1f}"
        parts.append(element("text", _tick(tick), x=x, y=HEIGHT - BOTTOM + 18, text_anchor="middle"))
    parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM, class_="axis"))
    parts.append(element("text", _short(x_label, 40), x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6, text_anchor="middle"))
    parts.append(element("text", _short(y_label, 24), x=0, y=13))
    for place, (name, one) in enumerate(series.items()):
        parts.append(_curve(name, one, x_place, y_place, second=place == 1, named=len(series) > 1))
    return element("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title)


def _curve(
    name: str,
    points: Points,
    x_place: Callable[[float], float],
    y_place: Callable[[float], float],
    *,
    second: bool,
    named: bool,
) -> Element:
    placed = [(x_place(x), y_place(y), x, y) for x, y in points]
    path = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y, _, _ in placed)
    parts = [element("path", d=path, class_="curve")] if placed else []
    for x, y, at, value in placed:
        told = element("title", f"{name}: {number(value)} at {_tick(at)}")
        if second:
            parts.append(
                element("rect", told, x=f"{x - 3.5:.1f}", y=f"{y - 3.5:.1f}", width=7, height=7, class_="point")
            )
        else:
            parts.append(element("circle", told, cx=f"{x:.1f}", cy=f"{y:.1f}", r=4, class_="point"))
    if named:  # the key stands in the corner that no curve can cover
        marker = "■ " if second else "● "
        parts.append(
            element(
                "text",
                marker + _short(name, 26),
                x=WIDTH - RIGHT,
                y=13 if not second else 29,
                text_anchor="end",
                class_="series",
            )
        )
    return element("g", *parts, class_="second" if second else "first")


def interval_bar(mean: float, low: float, high: float, *, top: float) -> Element:
    """A bar up to a mean with the whisker of its interval, for a cell of a table; the axis runs from 0 to ``top``."""
    scale = (ROW_WIDTH - 8) / top if top > 0 else 0.0
    middle = ROW_HEIGHT / 2
    start, stop = 2 + low * scale, 2 + high * scale
    return element(
        "svg",
        element("title", f"{number(mean)}, 95 % interval {number(low)} to {number(high)}"),
        element("rect", x=2, y=5, width=f"{max(0.0, mean * scale):.1f}", height=14, rx=2, class_="bar"),
        element("path", d=f"M{start:.1f} {middle}H{stop:.1f}M{start:.1f} 8v8M{stop:.1f} 8v8", class_="whisker"),
        viewBox=f"0 0 {ROW_WIDTH} {ROW_HEIGHT}",
        class_="row",
        role="img",
    )


def difference_bar(one: Difference, *, reach: float) -> Element:
    """A difference with its interval around zero, for a cell of a table; the axis runs from -reach to reach."""
    scale = (ROW_WIDTH / 2 - 8) / reach if reach > 0 else 0.0
    zero, middle = ROW_WIDTH / 2, ROW_HEIGHT / 2
    start, center, stop = (zero + value * scale for value in (one.low, one.difference, one.high))
    kind = f"is-{_SHAPES[one.verdict]}"
    return element(
        "svg",
        element("title", f"{signed(one.difference)}, 95 % interval {signed(one.low)} to {signed(one.high)}"),
        element("line", x1=zero, x2=zero, y1=1, y2=ROW_HEIGHT - 1, class_="axis"),
        element("line", x1=f"{start:.1f}", x2=f"{stop:.1f}", y1=middle, y2=middle, class_=f"span {kind}"),
        element("path", d=_marker(center, middle, one.verdict), class_=f"fill {kind}"),
        viewBox=f"0 0 {ROW_WIDTH} {ROW_HEIGHT}",
        class_="row",
        role="img",
    )


def _marker(x: float, y: float, verdict: str) -> str:
    if verdict == "candidate":
        return f"M{x:.1f} {y - 6}l6 10h-12z"
    if verdict == "baseline":
        return f"M{x:.1f} {y + 6}l6 -10h-12z"
    return f"M{x - 4.5:.1f} {y}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0"


def waterfall(changes: Sequence[Change], measure: str) -> Element:
    """Every question's difference, sorted: losses left and down, wins right and up, ties on the line between.

    Of a cost a win is a fall: the axis is turned round.
    """
    reach = max((abs(change.difference) for change in changes), default=0.0) or 1.0
    width, middle, half = (WIDE - WIDE_LEFT - 2) / max(1, len(changes)), HEIGHT / 2, HEIGHT / 2 - 16
    losses = sum(change.gain < 0 for change in changes)
    wins = sum(change.gain > 0 for change in changes)
    title = f"{measure}, question by question: {losses} losses, {len(changes) - wins - losses} ties, {wins} wins"
    parts = [element("title", title)]
    for tick in (reach, 0.0, -reach):
        y = f"{middle - tick / reach * half:.1f}"
        parts.append(element("line", x1=WIDE_LEFT, x2=WIDE - 2, y1=y, y2=y, class_="axis" if not tick else "rule"))
        parts.append(
            element("text", _signed_tick(gain(measure, tick)), x=WIDE_LEFT - 8, y=y, dy="0.35em", text_anchor="end")
        )
    told = len(changes) <= BARS_WITH_TITLES
    gap = min(1.0, width * 0.15)
    paths = {"is-worse": "", "is-better": ""}
    for place, change in enumerate(changes):
        height = change.gain / reach * half
        kind = "is-better" if height > 0 else "is-worse"
        x = WIDE_LEFT + place * width
        if not height:
            continue
        if told:
            words = f"{_short(change.outcome.text, 120)}: {number(change.baseline)} → {number(change.candidate)}"
            bar = {"x": f"{x:.2f}", "y": f"{middle - max(0.0, height):.1f}", "width": f"{width - gap:.2f}"}
            parts.append(
                element("rect", element("title", words), **bar, height=f"{abs(height):.1f}", class_=f"fill {kind}")
            )
        else:
            paths[kind] += f"M{x:.2f} {middle:.1f}v{-height:.1f}h{width - gap:.2f}v{height:.1f}z"
    parts += [element("path", d=path, class_=f"fill {kind}") for kind, path in paths.items() if path]
    if losses:
        parts.append(element("text", f"▼ {losses} worse", x=WIDE_LEFT + 2, y=middle - 12, class_="strong"))
    if wins:
        parts.append(element("text", f"▲ {wins} better", x=WIDE - 2, y=middle + 28, text_anchor="end", class_="strong"))
    return element("svg", *parts, viewBox=f"0 0 {WIDE} {HEIGHT}", class_="wide", role="img", aria_label=title)


def shares(title: str, parts_of: Sequence[tuple[str, str, int]]) -> Element:
    """One bar divided by counts: (name, kind, count); parts that are wide enough tell their share."""
    total = sum(count for _, _, count in parts_of) or 1
    parts, x = [element("title", title)], 0.0
    for name, kind, count in parts_of:
        width = count / total * WIDE
        told = element("title", f"{name}: {count} of {total}")
        place = {"x": f"{x:.1f}", "y": 0, "width": f"{max(0.0, width - 2):.1f}", "height": 30}
        parts.append(element("rect", told, **place, class_=f"loss-{kind}"))
        if width > 60:
            parts.append(element("text", f"{count / total:.0%}", x=f"{x + 10:.1f}", y=15, dy="0.35em", class_="on-bar"))
        x += width
    return element("svg", *parts, viewBox=f"0 0 {WIDE} 30", role="img", aria_label=title)


def swatch(kind: str) -> Element:
    """The colour of a part, before its name in the table that goes with the plot."""
    rect = element("rect", width=12, height=12, rx=2, class_=f"loss-{kind}")
    return element("svg", rect, viewBox="0 0 12 12", class_="swatch", aria_hidden="true")


def _x_axis(values: Sequence[float]) -> tuple[Callable[[float], float], list[float]]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    span = WIDTH - RIGHT - LEFT - 24
    if low > 1 / _FARTHEST and high / low >= _LOG_RATIO:
        return (lambda x: LEFT + 12 + math.log(x / low) / math.log(high / low) * span), _spaced(
            sorted(set(values)), low
        )
    start, stop, ticks = _nice(values)
    return (lambda x: LEFT + 12 + (x - start) / (stop - start) * span), ticks


def _spaced(values: Sequence[float], low: float) -> list[float]:
    """Of the values on a logarithmic axis, those whose labels do not touch."""
    span = math.log(values[-1] / low)
    kept: list[float] = []
    for value in values:
        if not kept or math.log(value / kept[-1]) / span > 0.085:
            kept.append(value)
    return kept


def _nice(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """An axis around values with round steps: its ends and its ticks. Shares start at 0 unless all are high."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if low >= 0 and high <= 1:
        low, high = (0.0 if low < 0.5 else 0.5 if low < 0.8 else 0.8), 1.0 if high > 0.5 else high
    elif low > 0:
        low = 0.0
    if high - low < max(1.0, abs(high)) / 1e6:
        low, high = low - max(0.5, abs(low) / 2), high + max(0.5, abs(high) / 2)
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return first * step, last * step, [round(place * step, 12) for place in range(first, last + 1)]


def _drawable(value: float) -> float:
    """Nothing that is measured is as large; files may say so, and the arithmetic of axes must hold."""
    return max(-_FARTHEST, min(_FARTHEST, value))


def _signed_tick(value: float) -> str:
    text = signed(value) if value else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _tick(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def _short(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _told(series: Mapping[str, Points], x_label: str, y_label: str) -> str:
    return "; ".join(
        f"{name}: " + ", ".join(f"{y_label} {number(y)} at {x_label} {_tick(x)}" for x, y in points)
        for name, points in series.items()
    )
