#!/usr/bin/env python3
"""Tables and charts of src/docs from what was measured.

    charts.py compare RESULTS DOCS     the comparison with peers
    charts.py growth RESULTS DOCS      how costs grow

`run` calls both. RESULTS of the first has one JSON object a line: {"peer": …, "what": …, "values": […]}; of the second it is
what benches/c/costs.c prints. They are kept as results-* beside this file, so that the charts can be made again. Figures
are medians of all runs; of all spaced calls, the best repeat's. What the quiet samples have comes first, where there is it.
"""

import json
import pathlib
import statistics
import sys

OURS, FLOOR = "logfusion", "bare ring"
BLUE, GREY, DARK, LIGHT = "#2563eb", "#9ca3af", "#111827", "#e5e7eb"
PALETTE = ["#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f"]


def is_quiet(machine, best):
    """As in benches/common/machine.h. Peers in Rust have additions, but no lines: they are too far from what a line takes."""
    additions, *lines = machine
    return additions <= 1.15 * best[0] and all(line <= max(6, 1.5 * best[1]) for line in lines)


def load(path):
    """By peer and by what was measured, the values of each run. A run that met no quiet moment has no quiet samples."""
    runs = []  # (peer, {what: values}); no peer runs twice in a row
    for line in pathlib.Path(path).read_text().splitlines():
        row = json.loads(line)
        if not runs or runs[-1][0] != row["peer"]:
            runs.append((row["peer"], {}))
        runs[-1][1][row["what"]] = row["values"]
    best = [min(values) for values in zip(*(run["machine"] for _, run in runs if len(run["machine"]) == 2))]
    results = {}
    for peer, run in runs:
        was_quiet = is_quiet(run["machine"], best)
        for what, values in run.items():
            if was_quiet or not what.endswith(" quiet"):
                results.setdefault(peer, {}).setdefault(what, []).append(values)
    return results


def median_of(runs):
    return statistics.median(value for run in runs for value in run)


def best_spaced(runs):
    """Of each percentile the best repeat's: the noise of a machine with neighbours has two modes."""
    repeats = [run[at : at + 3] for run in runs for at in range(0, len(run), 3)]
    return [min(repeat[index] for repeat in repeats) for index in range(3)]


def calls(result, what):
    """What a call takes in a tight loop, in ns: of the quiet samples (None: too few), and of all."""
    quiet = result.get(what + " quiet")
    return statistics.median(median for median, _ in quiet) if quiet else None, median_of(result[what])


def preferred(quiet, of_all):
    return of_all if quiet is None else quiet


# ---- SVG


class Svg:
    def __init__(self, width, height, title):
        self.width, self.height = width, height
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
            f"<title>{title}</title>",
            f'<rect width="{width}" height="{height}" fill="white"/>',
            f'<text x="16" y="24" font-size="15" font-weight="bold" fill="{DARK}">{title}</text>',
        ]

    def text(self, x, y, text, anchor="start", fill=DARK, size=12):
        text = text.replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}">{text}</text>')

    def line(self, x1, y1, x2, y2, stroke=LIGHT, width=1):
        self.parts.append(f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{stroke}" stroke-width="{width}"/>')

    def rect(self, x, y, width, height, fill):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" fill="{fill}"/>')

    def polyline(self, points, stroke, width=2):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="{width}"/>')

    def write(self, path):
        path.write_text("\n".join([*self.parts, "</svg>"]) + "\n")


def bars(path, title, rows, unit, log=False, left=190):
    """rows: (name, value), shown in this order."""
    import math

    right, height = 90, 24
    svg = Svg(720, 56 + height * len(rows), title)
    most = max(value for _, value in rows)
    least = min(value for _, value in rows)
    for index, (name, value) in enumerate(rows):
        y = 44 + index * height
        room = svg.width - left - right
        length = (math.log(value / least) + 0.3) / (math.log(most / least) + 0.3) * room if log else value / most * room
        svg.text(left - 8, y + 14, name, "end")
        svg.rect(left, y + 2, length, height - 8, BLUE if name.startswith(OURS) else GREY)
        svg.text(left + length + 6, y + 14, f"{value:.3g}{unit}")
    svg.write(path)


def histogram(path, title, curves):
    """curves: (name, counts in ten buckets a decade from 0.1 ns)."""
    svg = Svg(720, 380, title)
    left, top, width, height = 56, 44, 640, 250
    first, last = 10, 58  # 1 ns to 63 us
    most = max(count / sum(counts) for _, counts in curves for count in counts)
    x = lambda bucket: left + (bucket - first) / (last - first) * width
    y = lambda share: top + height - share / most * height
    for decade, label in ((10, "1 ns"), (20, "10 ns"), (30, "100 ns"), (40, "1 µs"), (50, "10 µs")):
        svg.line(x(decade), top, x(decade), top + height)
        svg.text(x(decade), top + height + 18, label, "middle")
    svg.line(left, top + height, left + width, top + height, DARK)
    for index, (name, counts) in enumerate(curves):
        total = sum(counts)
        points = [(x(bucket + 0.5), y(counts[bucket] / total)) for bucket in range(first, last)]
        color = PALETTE[index % len(PALETTE)]
        svg.polyline(points, color, 3 if name == OURS else 1.5)
        column, row = divmod(index, 3)
        svg.rect(left + column * 215, top + height + 36 + row * 18, 12, 12, color)
        svg.text(left + column * 215 + 18, top + height + 46 + row * 18, name)
    svg.text(left, top - 6, "share of bursts", fill=GREY, size=11)
    svg.write(path)


# ---- Markdown


def put(docs, marker, lines):
    path = docs / "performance.md"
    text = path.read_text()
    begin, end = f"<!-- {marker}: made by benches/compare/charts.py -->", f"<!-- {marker}: end -->"
    if begin not in text:
        sys.exit(f"{path} has no place for {marker}: add the lines {begin!r} and {end!r}")
    before, rest = text.split(begin, 1)
    after = rest.split(end, 1)[1]
    path.write_text(before + begin + "\n" + "\n".join(lines) + "\n" + end + after)


def compare(results, docs):
    clock = median_of(results[OURS]["clock"])
    names = sorted(results, key=lambda name: (not name.startswith(FLOOR), not name.startswith(OURS),
                                              preferred(*calls(results[name], "numbers"))))
    rows = []
    for name in names:
        result = results[name]
        cells = []
        for what in ("numbers", "text"):
            quiet, of_all = calls(result, what)
            show = lambda value: "–" if value is None else f"{value / clock:.2f}"
            cells.append((preferred(quiet, of_all), f"{show(quiet)} ({show(of_all)})"))
        cells += [(value, f"{value:,.0f}") for value in best_spaced(result["spaced"])]
        if "file" in result:
            rate = median_of(result["file"]) / 1e6
            cells.append((rate, f"{rate:.2f}"))
        else:
            cells.append((0, "–"))
        rows.append((name, cells))
    columns = list(zip(*([value for value, _ in cells] for name, cells in rows if not name.startswith(FLOOR))))
    best = [min(column) for column in columns[:-1]] + [max(columns[-1])]
    lines = [
        "| | int, int, double | int, int, 35 bytes | 20 calls, then a pause: p50 | p99 | p99.9 | to a file |",
        "|---|---|---|---|---|---|---|",
        "| | clock reads a call | clock reads a call | ns a call | ns a call | ns a call | million a second |",
    ]
    for name, cells in rows:
        shown = [f"**{text}**" if value == best[column] else text for column, (value, text) in enumerate(cells)]
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    lines += ["", "In clock reads: of the samples of quiet moments (the peers in Rust ask only whether the core works for them alone), and "
              "(of all).", "Bold: the best of the column but for the bare ring, which is the floor and no logger. "
              f"One clock read: {clock:.2f} ns."]
    put(docs, "compare", lines)

    tight = [(name, preferred(*calls(results[name], "text")) / clock) for name in names]
    bars(docs / "tight.svg", "A call in a tight loop, int + int + 35 bytes, in clock reads (log scale)",
         sorted(tight, key=lambda row: row[1]), "", log=True)
    files = [(name, median_of(results[name]["file"]) / 1e6) for name in names if "file" in results[name]]
    bars(docs / "file.svg", "Records to a file, none lost, million a second", sorted(files, key=lambda row: -row[1]), "")
    shown = [OURS] + [name for name in names if not name.startswith((OURS, FLOOR))]
    curves = [(name, [sum(column) for column in zip(*results[name]["histogram"])]) for name in shown]
    histogram(docs / "spaced.svg", "Time of a call, 20 calls and a pause of 200 µs", curves[:8])


def growth(path, docs):
    rows = [[part.strip() for part in line.split("|")] for line in path.read_text().splitlines() if ", against " in line]
    ratios = [(what.removesuffix(" against none").removesuffix(","), float(value.split()[0])) for what, value, *_ in rows]
    bars(docs / "growth.svg", "Costs as multiples of the small case", ratios, " ×", left=380)


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("compare", "growth"):
        sys.exit(__doc__)
    what, source, docs = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    kept = pathlib.Path(__file__).parent / ("results-compare.jsonl" if what == "compare" else "results-growth.txt")
    if source.resolve() != kept.resolve():
        kept.write_text(source.read_text())
    if what == "compare":
        compare(load(kept), docs)
    else:
        growth(kept, docs)


if __name__ == "__main__":
    main()
