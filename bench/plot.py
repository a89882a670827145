"""Two plots as SVG, by hand: bars of speed, and lines over the number of rows."""

from collections.abc import Mapping, Sequence
from html import escape
from math import log10

WIDTH, LEFT, BAR, TOP = 760, 290, 22, 40
BLUE, GREY, RED = "#2563eb", "#94a3b8", "#dc2626"
_FRAME = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" '
    'font-family="system-ui, sans-serif" font-size="12">'
    '<rect width="{w}" height="{h}" fill="#ffffff"/>'
    '<text x="16" y="24" font-size="15" font-weight="600" fill="#0f172a">{title}</text>'
    "{body}</svg>\n"
)


def bars(title: str, speeds: Mapping[str, float], ours: str) -> str:
    """Megabytes per second by name; names with ``ours`` in them are highlighted."""
    longest = max(speeds.values())
    body = ""
    for at, (name, speed) in enumerate(speeds.items()):
        y, width = TOP + at * BAR, speed / longest * (WIDTH - LEFT - 90)
        colour = BLUE if ours in name else GREY
        body += (
            f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end" fill="#334155">'
            f"{escape(name)}</text>"
            f'<rect x="{LEFT}" y="{y + 3}" width="{width:.1f}" height="{BAR - 6}" fill="{colour}"/>'
            f'<text x="{LEFT + width + 6:.1f}" y="{y + 15}" fill="#334155">{speed:,.0f} MB/s</text>'
        )
    return _FRAME.format(w=WIDTH, h=TOP + len(speeds) * BAR + 16, title=escape(title), body=body)


def growth(title: str, points: Sequence[tuple[int, float, float]]) -> str:
    """Seconds (left, logarithmic) and peak megabytes (right, linear) over rows (logarithmic)."""
    height, bottom, right = 340, 290, WIDTH - 70
    rows, seconds, peaks = zip(*points, strict=True)
    x0, x1 = log10(min(rows)), log10(max(rows))
    y0, y1 = log10(min(seconds)) - 0.1, log10(max(seconds)) + 0.1
    ceiling = max(400.0, max(peaks) * 1.1)

    def x(value: float) -> float:
        return 70 + float((log10(value) - x0) / max(x1 - x0, 1e-9) * (right - 70))

    def by_seconds(value: float) -> float:
        return bottom - float((log10(value) - y0) / (y1 - y0) * (bottom - TOP - 20))

    def by_memory(value: float) -> float:
        return bottom - float(value / ceiling * (bottom - TOP - 20))

    body = f'<path d="M70 {TOP} V{bottom} H{right} V{TOP}" fill="none" stroke="#cbd5e1"/>'
    for values, place, colour, unit in (
        (seconds, by_seconds, BLUE, "s"),
        (peaks, by_memory, RED, "MB"),
    ):
        found = [(x(row), place(value), value) for row, value in zip(rows, values, strict=True)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py, _ in found)
        body += f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for px, py, value in found:
            label = f"{value:,.1f} {unit}" if unit == "s" else f"{value:,.0f} {unit}"
            body += f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>'
            body += (
                f'<text x="{px:.1f}" y="{py - 8:.1f}" text-anchor="middle" '
                f'fill="{colour}">{label}</text>'
            )
    for row in rows:
        body += f'<text x="{x(row):.1f}" y="{bottom + 18}" text-anchor="middle">{row:,}</text>'
    body += f'<text x="{WIDTH / 2}" y="{bottom + 38}" text-anchor="middle">rows</text>'
    return _FRAME.format(w=WIDTH, h=height, title=escape(title), body=body)
