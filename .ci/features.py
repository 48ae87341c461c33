"""Checks the table of features in codec-std/src/lib.rs.

The table must list every feature of `kinesis-agg`, with the number of crates that it
adds (according to `cargo tree`) and the Rust version that it needs.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent


def crates(*features):
    """Returns the crates in a build, without those for build scripts and tests."""
    tree = subprocess.check_output(
        ["cargo", "tree", "--locked", "-p", "kinesis-agg", "-e", "normal", "--prefix=none"]
        + ["--format={p}", "--no-default-features", "--features=" + ",".join(features)],
        text=True,
        cwd=ROOT,
    )
    return {tuple(line.split()[:2]) for line in tree.splitlines() if line}


metadata = json.loads(
    subprocess.check_output(
        ["cargo", "metadata", "--locked", "--no-deps", "--format-version=1"], cwd=ROOT
    )
)
package = next(p for p in metadata["packages"] if p["name"] == "kinesis-agg")
needed = package["metadata"]["feature-rust-version"]
docs = (ROOT / "codec-std/src/lib.rs").read_text()
rows = re.findall(r"^//! \| `([a-z-]+)` \|.*\| (\d+) \| ([\d.]+) \|$", docs, re.M)
stated = {name: (int(count), rust) for name, count, rust in rows}
base = crates()
actual = {
    feature: (len(crates(feature) - base), needed.get(feature, package["rust_version"]))
    for feature in package["features"]
}
print(f"without features: {len(base)} crates; more with: {actual}")
if stated != actual:
    sys.exit(f"the table in codec-std/src/lib.rs is wrong: it states {stated}")
