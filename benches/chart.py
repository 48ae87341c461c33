"""Shows the scoreboard as charts and as tables.

    cargo run --release -p kinesis-agg-benches --bin scoreboard -- --json > scores.json
    cargo run --release -p kinesis-agg-benches --bin scoreboard -- --json grid >> scores.json
    python3 benches/chart.py --machine "a name for the machine" < scores.json

Writes benches/charts/*.svg, and with --readme also the tables between their marks
in benches/README.md and README.md. A missing scenario is an error, and so is a missing cell of the grid.
"""

import argparse
import json
import math
import pathlib
import re
import sys
from html import escape

import readme

CHARTS = pathlib.Path(__file__).parent / "charts"

# File, heading, and the start of the names of the scenarios. Scenarios with fewer lanes than
# the machine has, and those of growth, are only shown in the terminal.
PICTURES = [
    ("walk", "All user records, the digest known to be good", "walk "),
    ("verify", "All user records of one blob, with the digest", "verify "),
    ("batches", "All user records of many blobs, with the digests", "batch "),
    ("encode", "User records into a blob", "encode "),
]
LEFT_OUT = "AVX2 lanes"
# Peers that do only a part of the work.
FLOORS = ["md-5 alone"]
TABLE = [
    "walk 9,000 x 100 B, 1,000 keys",
    "verify and walk 9,000 x 100 B in codec",
    "verify and walk 9,000 x 100 B in codec-std",
    "batch of 10 x 1 MB",
    "batch of 200 x 50 kB",
    "batch of 1 kB to 1 MB, ragged",
    "encode 9,000 x 100 B, 1,000 keys",
    "encode with digest 9,000 x 100 B in codec",
    "encode with digest 9,000 x 100 B in codec-std",
    "hash keys of 5,000 partition keys",
]

# The README's table: scenario, description, peers.
FRONT = [
    (
        "walk 9,000 x 100 B, 1,000 keys",
        "read an aggregate of 9,000 user records of 100 bytes, digest already verified",
        ["quick-protobuf", "prost Bytes"],
    ),
    (
        "verify and walk 9,000 x 100 B in codec-std",
        "the same with the digest",
        ["quick-protobuf + md-5", "prost Bytes + md-5"],
    ),
    (
        "batch of 10 x 1 MB",
        "read 10 aggregates of 1 MB, feature `simd`",
        ["quick-protobuf + md-5", "prost Bytes + md-5"],
    ),
    (
        "batch of 200 x 50 kB",
        "read 200 aggregates of 50 kB, feature `simd`",
        ["quick-protobuf + md-5", "prost Bytes + md-5"],
    ),
    (
        "encode 9,000 x 100 B, 1,000 keys",
        "write an aggregate of 9,000 user records of 100 bytes, without the digest",
        ["prost Bytes, built and encoded"],
    ),
    (
        "encode with digest 9,000 x 100 B in codec-std",
        "the same with the digest",
        ["best-effort aggregator on prost"],
    ),
    (
        "hash keys of 5,000 partition keys",
        "hash 5,000 partition keys, feature `simd`",
        ["one by one"],
    ),
]

# The grid: the name of each metric in the table, and the number of cells.
GRID = {
    "grid walk": "check and walk",
    "grid check": "check alone",
    "grid encode": "encode",
}
CELL_COUNT = 136
# Time per user record in cells with neighbouring data sizes up to this one.
STEP_MAX_DATA_LEN = 200

WIDTH, NAMES, RIGHT = 840, 250, 130
BAR, GAP, HEADING = 15, 4, 24
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #2b2a28 }
  .heading { font-size: 16px; font-weight: 600 }
  .scenario { font-weight: 600 }
  .quiet { fill: #6b6963 }
  .card { fill: #fcfcfb }
  .grid { stroke: #e4e2dd }
  .one { stroke: #2b2a28; stroke-width: 1.5 }
  .slower { fill: #2a78d6 }
  .faster { fill: #d95926 }
  .floor { fill: #a5a29a }
  @media (prefers-color-scheme: dark) {
    text { fill: #ebe9e4 }
    .quiet { fill: #a5a29a }
    .card { fill: #1a1a19 }
    .grid { stroke: #3a3936 }
    .one { stroke: #ebe9e4 }
    .slower { fill: #4d93e6 }
    .faster { fill: #e8743f }
    .floor { fill: #7d7a73 }
  }
"""


def read(lines):
    """Returns the scenarios in the order of the scoreboard (name, unit, our time, peers), and
    the grid's scores."""
    scenarios, grid = {}, []
    for line in filter(str.strip, lines):
        score = json.loads(line)
        if score["metric"] in GRID:
            grid.append(score)
            continue
        unit = score["metric"].removeprefix("ns per ")
        scenario = scenarios.setdefault(score["scenario"], (unit, score["ours"], []))
        scenario[2].append((score["peer_name"], score["peer"], score["ratio"]))
    return scenarios, grid


def times(ratio):
    digits = 0 if ratio >= 9.995 else 1 if ratio >= 2.995 else 2
    return f"{ratio:.{digits}f}x"


def nanos(value):
    return f"{value:,.0f} ns" if value >= 99.5 else f"{value:.1f} ns"


def picture(heading, scenarios, machine):
    """Draws bars from the line of our time; a bar to the right is a slower peer."""
    ratios = [ratio for _, _, peers in scenarios.values() for _, _, ratio in peers]
    # Powers of two, with some room on both sides of 1 for any ratios.
    low = min(-0.25, math.log2(min(ratios)) - 0.1)
    high = max(1, math.log2(max(ratios)) + 0.1)
    scale = (WIDTH - NAMES - RIGHT) / (high - low)

    def x(ratio):
        return NAMES + (math.log2(ratio) - low) * scale

    powers = range(math.ceil(low), math.floor(high) + 1)
    out, grid, y = [], [], 74
    top = y
    for name, (unit, ours, peers) in scenarios.items():
        title = f"{name}: kinesis-agg {nanos(ours)} per {unit}"
        out.append(f'<text class="scenario" x="16" y="{y + 14}">{escape(title)}</text>')
        y += HEADING
        end = y + len(peers) * (BAR + GAP)
        for at, kind in ((x(2.0**power), "grid" if power else "one") for power in powers):
            ends = f'x1="{at:.1f}" x2="{at:.1f}" y1="{y - GAP}" y2="{end}"'
            grid.append(f'<line class="{kind}" {ends}/>')
        for peer, time, ratio in peers:
            kind = "floor" if peer in FLOORS else "slower" if ratio >= 1 else "faster"
            start, end = sorted((x(1), x(ratio)))
            out.append(f'<text x="{NAMES - 8}" y="{y + 11}" text-anchor="end">{escape(peer)}</text>')
            width = max(end - start, 1)
            out.append(
                f'<rect class="{kind}" x="{start:.1f}" y="{y}" width="{width:.1f}" height="{BAR}"/>'
            )
            said = f"{times(ratio)}, {nanos(time)}"
            out.append(f'<text class="quiet" x="{max(end, x(1)) + 6:.1f}" y="{y + 11}">{said}</text>')
            y += BAR + GAP
        y += 8
    for power in powers:
        label = f"{2**power}x" if power >= 0 else f"1/{2**-power}x"
        place = f'x="{x(2.0**power):.1f}" y="{top - 6}"'
        grid.append(f'<text class="quiet" {place} text-anchor="middle">{label}</text>')
    key = "Peer's time / our time; the line is kinesis-agg."
    kinds = {"slower": "takes longer", "faster": "takes less", "floor": "does less: the digest alone"}
    used = {kind for kind in kinds if any(f'class="{kind}"' in line for line in out)}
    legend, at = [], 16 + 6.4 * len(key)
    for kind in (kind for kind in kinds if kind in used):
        legend.append(f'<rect class="{kind}" x="{at:.0f}" y="37" width="11" height="11"/>')
        legend.append(f'<text class="quiet" x="{at + 16:.0f}" y="47">{kinds[kind]}</text>')
        at += 38 + 6.4 * len(kinds[kind])
    height = y + 30
    foot = f"One thread's processor time, medians; {machine}."
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" height="{height}" role="img">',
        f"<title>{escape(heading)}: peers' times as multiples of ours</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="card" width="{WIDTH}" height="{height}" rx="6"/>',
        f'<text class="heading" x="16" y="26">{escape(heading)}</text>',
        f'<text class="quiet" x="16" y="47">{escape(key)}</text>',
        *legend,
        *grid,
        *out,
        f'<text class="quiet" x="16" y="{height - 12}">{escape(foot)}</text>',
        "</svg>",
        "",
    ]
    return "\n".join(lines)


def table(scenarios, machine):
    lines = [
        f"A peer's time / ours, one thread's processor time on {machine}:",
        "",
        "| What | Ours | Peers |",
        "|---|---|---|",
    ]
    for name in TABLE:
        unit, ours, peers = scenarios[name]
        said = "; ".join(f"{peer} {times(ratio)}" for peer, _, ratio in peers)
        lines.append(f"| {name} | {nanos(ours)} per {unit} | {said} |")
    return "\n".join(lines) + "\n"


def front_table(scenarios, machine):
    lines = [
        f"Peer's time / ours, one thread's processor time on {machine}:",
        "",
        "| What | Ours | Peers |",
        "|---|---|---|",
    ]
    for name, what, chosen in FRONT:
        unit, ours, peers = scenarios[name]
        ratios = {peer: ratio for peer, _, ratio in peers}
        compared = "; ".join(f"{peer} {times(ratios[peer])}" for peer in chosen)
        lines.append(f"| {what} | {nanos(ours)} per {unit} | {compared} |")
    return "\n".join(lines) + "\n"


def cell_of(score):
    """Returns the data size of a cell, and everything else that identifies it."""
    name = score["scenario"].removeprefix(score["metric"] + " ")
    data_len, rest = re.fullmatch(r"[\d,]+ x ([\d,]+) B, (.*)", name).groups()
    return int(data_len.replace(",", "")), rest


def largest_step(scores):
    """Returns the largest ratio of our times in cells with neighbouring data sizes, and the
    cell with more data."""
    cells = {cell_of(score): score for score in scores}
    order = sorted(cells, key=lambda cell: (cell[1], cell[0]))
    steps = []
    for before, after in zip(order, order[1:]):
        if before[1] == after[1] and after[0] <= STEP_MAX_DATA_LEN:
            ratio = cells[after]["ours"] / cells[before]["ours"]
            steps.append((max(ratio, 1 / ratio), cells[after]))
    return max(steps, key=lambda step: step[0])


def grid_table(grid, machine):
    lines = [
        "The same over a grid: 0 to 100,000 bytes of data, 1 to 30,000 partition keys, without and",
        f"with explicit hash keys, {CELL_COUNT} cells each. A peer's time / ours, one thread's",
        f"processor time on {machine}:",
        "",
        "| What | Peer | Worst cell | Median cell |",
        "|---|---|---|---|",
    ]
    steps = []
    for metric, what in GRID.items():
        of_metric = [score for score in grid if score["metric"] == metric]
        if not of_metric:
            sys.exit(f"no scores of {metric}")
        for peer in dict.fromkeys(score["peer_name"] for score in of_metric):
            scores = [score for score in of_metric if score["peer_name"] == peer]
            scores.sort(key=lambda score: score["ratio"])
            if len(scores) != CELL_COUNT:
                sys.exit(f"{metric}, {peer}: {len(scores)} cells instead of {CELL_COUNT}")
            said = [
                f"{times(score['ratio'])}: {score['scenario'].removeprefix(metric + ' ')}"
                for score in (scores[0], scores[len(scores) // 2])
            ]
            lines.append(f"| {what} | {peer} | {said[0]} | {said[1]} |")
        ratio, cell = largest_step(of_metric)
        steps.append(f"{what} {ratio:.2f}x ({cell['scenario'].removeprefix(metric + ' ')})")
    lines += [
        "",
        f"Largest step of our time per user record between neighbouring data sizes up to"
        f" {STEP_MAX_DATA_LEN} bytes: {'; '.join(steps)}.",
    ]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--machine", required=True, help="where it was measured")
    parser.add_argument("--readme", action="store_true", help="write the tables, too")
    args = parser.parse_args()
    scenarios, grid = read(sys.stdin)
    missing = [name for name in TABLE if name not in scenarios]
    if missing:
        sys.exit(f"no scores of {missing}")
    CHARTS.mkdir(exist_ok=True)
    for file, heading, start in PICTURES:
        chosen = {
            name: scenario
            for name, scenario in scenarios.items()
            if name.startswith(start) and LEFT_OUT not in name
        }
        (CHARTS / f"{file}.svg").write_text(picture(heading, chosen, args.machine))
    if args.readme:
        readme.write(readme.FRONT, "speed", front_table(scenarios, args.machine))
        readme.write(readme.TABLES, "scoreboard", table(scenarios, args.machine))
        readme.write(readme.TABLES, "grid", grid_table(grid, args.machine))


main()
