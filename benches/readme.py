"""Writes the measured parts of README.md and benches/README.md.

    python3 benches/readme.py MARK < text

replaces a part of benches/README.md.
"""

import pathlib
import sys

FRONT = pathlib.Path(__file__).parent.parent / "README.md"
TABLES = pathlib.Path(__file__).parent / "README.md"


def write(file, mark, text):
    """Replaces the text between `<!-- mark -->` and `<!-- end of mark -->`."""
    marks = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->\n"
    before, begin, rest = file.read_text().partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not end:
        sys.exit(f"{file.name} has no marks {marks}")
    file.write_text(before + begin + text + end + after)


if __name__ == "__main__":
    write(TABLES, sys.argv[1], sys.stdin.read())
