"""Checks that no dependency needs a newer Rust than the `rust-version` of our crates.

Clippy (incompatible_msrv) checks our own code. A feature that adapts to another crate
may need a newer Rust than our crate itself. `package.metadata.feature-rust-version`
states that version, which must be no newer than the feature needs.
"""

import json
import subprocess
import sys

PUBLISHED = {"kinesis-agg-codec", "kinesis-agg", "kinesis-agg-cli"}


def version(text):
    numbers = [int(part) for part in (text or "1.0").split(".")]
    return tuple(numbers + [0, 0])[:3]


metadata = json.loads(
    subprocess.check_output(
        ["cargo", "metadata", "--format-version=1", "--locked", "--all-features"]
    )
)
by_version = {(p["name"], "v" + p["version"]): p for p in metadata["packages"]}
members = {p["name"]: p for p in metadata["packages"] if p["source"] is None}


def dependencies(name, *features):
    """Returns the crate's dependencies, without other members' features and tests."""
    tree = subprocess.check_output(
        ["cargo", "tree", "--locked", "-p", name, "-e", "normal,build", "--prefix=none"]
        + ["--format={p}", "--features=" + ",".join(features)],
        text=True,
    )
    found = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    return [by_version[package] for package in found]


def check(name, stated, found):
    newest = max(found, key=lambda package: version(package["rust_version"]))
    print(f"{name}: {stated}, {len(found)} dependencies")
    if version(newest["rust_version"]) > version(stated):
        return [
            f"{name} states {stated}, but {newest['name']} {newest['version']}"
            f" needs {newest['rust_version']}"
        ]
    return []


faults = [f"there is no crate {name}" for name in PUBLISHED - members.keys()]
for name in sorted(PUBLISHED & members.keys()):
    package = members[name]
    stated = package["rust_version"]
    newer = (package["metadata"] or {}).get("feature-rust-version", {})
    for feature in newer.keys() - package["features"].keys():
        faults.append(f"{name} has no feature {feature}")
    # Features without an exception must support the crate's own version.
    usual = [feature for feature in package["features"] if feature not in newer]
    faults += check(name, stated, dependencies(name, *usual))
    for feature, stated in newer.items():
        found = dependencies(name, feature)
        faults += check(f"{name}/{feature}", stated, found)
        if all(version(p["rust_version"]) < version(stated) for p in found):
            faults.append(f"{name}/{feature} states {stated}, which is newer than it needs")
for fault in faults:
    print(fault)
sys.exit(bool(faults))
