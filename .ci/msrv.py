"""The `rust-version` that our crates state holds for what they depend on.

Clippy (incompatible_msrv) holds our own code to it.
"""

import json
import subprocess
import sys

PUBLISHED = {"kinesis-agg-codec", "kinesis-agg", "kinesis-agg-cli"}


def version(text):
    return tuple(int(part) for part in (text or "1.0").split(".")[:2])


metadata = json.loads(
    subprocess.check_output(
        ["cargo", "metadata", "--format-version=1", "--locked", "--all-features"]
    )
)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
failed = False
checked = 0
for root in metadata["workspace_members"]:
    stated = packages[root]["rust_version"]
    if packages[root]["name"] not in PUBLISHED:
        continue
    checked += 1
    seen, queue = set(), [root]
    while queue:
        node = nodes[queue.pop()]
        for dep in node["deps"]:
            # A dependency of the published crate, not of its tests.
            if all(kind["kind"] == "dev" for kind in dep["dep_kinds"]):
                continue
            if dep["pkg"] not in seen:
                seen.add(dep["pkg"])
                queue.append(dep["pkg"])
    for package in (packages[id] for id in seen):
        if version(package["rust_version"]) > version(stated):
            failed = True
            print(
                f"{packages[root]['name']} states {stated}, but {package['name']}"
                f" {package['version']} needs {package['rust_version']}"
            )
    print(f"{packages[root]['name']}: {stated}, {len(seen)} dependencies")
if checked != len(PUBLISHED):
    failed = True
    print(f"checked {checked} crates of {len(PUBLISHED)}")
sys.exit(failed)
