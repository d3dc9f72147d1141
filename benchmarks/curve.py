"""Detection curves as a plain SVG: the chance of FAIL against true loss over margin."""

from __future__ import annotations

from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 360, 60, 310, 20
COLOURS = ("#0a4fae", "#a40e26", "#116329")
DASHES = ("", "6 4", "2 4")


def write_curves(path: Path, curves: dict[str, list[tuple[float, float]]]) -> None:
    """Writes one line a damage, of points (loss over margin, chance of FAIL)."""
    reach = max(x for points in curves.values() for x, _ in points) * 1.05

    def at(x: float, y: float) -> str:
        return f"{LEFT + (WIDTH - LEFT - 20) * x / reach:.1f},{BOTTOM - (BOTTOM - TOP) * y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="13" role="img"><title>Chance of FAIL against true loss over margin</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for share in (0, 0.05, 0.5, 0.95, 1):
        x, y = at(0, share).split(",")
        parts.append(f'<path d="M{at(0, share)}L{at(reach, share)}" stroke="#c9cdd2"/>')
        parts.append(f'<text x="{float(x) - 8}" y="{float(y) + 4}" text-anchor="end">{share:g}</text>')
    for tick in range(int(reach) + 1):
        x, _ = at(tick, 0).split(",")
        parts.append(f'<path d="M{at(tick, 0)}L{at(tick, 1)}" stroke="#e4e6e9"/>')
        parts.append(f'<text x="{x}" y="{BOTTOM + 18}" text-anchor="middle">{tick}</text>')
    for k, (name, points) in enumerate(curves.items()):
        line = " ".join(at(*point) for point in sorted(points))
        style = f'stroke="{COLOURS[k]}" stroke-dasharray="{DASHES[k]}"'
        parts.append(f'<polyline points="{line}" fill="none" stroke-width="2" {style}/>')
        parts += [
            f'<circle cx="{p[0]}" cy="{p[1]}" r="3" fill="{COLOURS[k]}"/>'
            for p in (at(*point).split(",") for point in points)
        ]
        y = BOTTOM - 70 + 18 * k
        parts.append(f'<path d="M{WIDTH - 260},{y - 4}h30" stroke-width="2" {style}/>')
        parts.append(f'<text x="{WIDTH - 222}" y="{y}">{name}</text>')
    middle = (LEFT + WIDTH) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">true loss over margin</text>')
    parts.append("</svg>\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(parts))
