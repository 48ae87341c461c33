"""The parts of README.md that are measured.

    python3 benches/readme.py MARK < text
"""

import pathlib
import sys

README = pathlib.Path(__file__).parent.parent / "README.md"


def write(mark, text):
    """Replaces what stands between `<!-- mark -->` and `<!-- end of mark -->`."""
    marks = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->\n"
    before, begin, rest = README.read_text().partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not end:
        sys.exit(f"README.md has no marks {marks}")
    README.write_text(before + begin + text + end + after)


if __name__ == "__main__":
    write(sys.argv[1], sys.stdin.read())
