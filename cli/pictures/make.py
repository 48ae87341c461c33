#!/usr/bin/env python3
"""Draws the README's pictures of the command line from what it really prints.

    cli/pictures/make.py [path of kinesis-agg]

A test compares their text with the output, so run this when the output changes.
"""

import html
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
EXAMPLE = "cli/examples/kpl.ndjson"
PICTURES = {
    "inspect.svg": ["inspect", "--record", "0", EXAMPLE],
    "stats.svg": ["stats", "--ranges", "4", "--top", "5", EXAMPLE],
}
COLORS = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "34": "#79c0ff", "36": "#76e3ea"}
LINE_HEIGHT, CELL_WIDTH, MARGIN = 18, 8.43, 14


def spans(line):
    """The line's parts as tspan elements."""
    style = ""
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if part.startswith("\x1b["):
            for code in part[2:-1].split(";"):
                if code in COLORS:
                    style += f' fill="{COLORS[code]}"'
                elif code == "1":
                    style += ' font-weight="bold"'
                elif code == "2":
                    style += ' fill-opacity="0.6"'
                else:
                    style = ""
        elif part:
            yield f"<tspan{style}>{html.escape(part, quote=False)}</tspan>"


def draw(args, tool):
    printed = subprocess.run(
        [tool, *args, "--color", "always"], cwd=ROOT, check=True, capture_output=True, text=True,
        env={"COLUMNS": "80"},
    ).stdout
    lines = [f"$ kinesis-agg {' '.join(args)}", *printed.splitlines()]
    width = round(80 * CELL_WIDTH + 2 * MARGIN)
    height = len(lines) * LINE_HEIGHT + 2 * MARGIN
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="ui-monospace, Menlo, Consolas, monospace" '
        f'font-size="14" fill="#e6edf3">'
    )
    yield '<rect width="100%" height="100%" rx="8" fill="#0d1117"/>'
    for number, line in enumerate(lines, 1):
        top = MARGIN + number * LINE_HEIGHT - 4
        yield f'<text x="{MARGIN}" y="{top}" xml:space="preserve">{"".join(spans(line))}</text>'
    yield "</svg>"


def main():
    tool = sys.argv[1] if len(sys.argv) > 1 else ROOT / "target" / "debug" / "kinesis-agg"
    for name, args in PICTURES.items():
        (HERE / name).write_text("\n".join(draw(args, tool)) + "\n")


main()
