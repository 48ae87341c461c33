"""The `rust-version` that our crates state holds for what they depend on.

Clippy (incompatible_msrv) holds our own code to it. An adapter to somebody
else's crate may need a newer Rust than the crate that it is a feature of: it
says so in `package.metadata.feature-rust-version`, and only as much newer as
it needs.
"""

import json
import subprocess
import sys

PUBLISHED = {"kinesis-agg-codec", "kinesis-agg", "kinesis-agg-cli"}


def version(text):
    numbers = [int(part) for part in (text or "1.0").split(".")]
    return tuple(numbers + [0, 0])[:3]


def resolve(*features):
    command = ["cargo", "metadata", "--format-version=1", "--locked"]
    command.append("--features=" + ",".join(features))
    metadata = json.loads(subprocess.check_output(command))
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    roots = {packages[id]["name"]: id for id in metadata["workspace_members"]}
    return packages, nodes, roots


def dependencies(packages, nodes, root):
    """Of the published crate, not of its tests."""
    seen, queue = set(), [root]
    while queue:
        for dep in nodes[queue.pop()]["deps"]:
            if all(kind["kind"] == "dev" for kind in dep["dep_kinds"]):
                continue
            if dep["pkg"] not in seen:
                seen.add(dep["pkg"])
                queue.append(dep["pkg"])
    return [packages[id] for id in seen]


def check(name, stated, found):
    newest = max(found, key=lambda package: version(package["rust_version"]))
    print(f"{name}: {stated}, {len(found)} dependencies")
    if version(newest["rust_version"]) > version(stated):
        return [
            f"{name} states {stated}, but {newest['name']} {newest['version']}"
            f" needs {newest['rust_version']}"
        ]
    return []


packages, nodes, roots = resolve()
faults = [f"there is no crate {name}" for name in PUBLISHED - roots.keys()]
for name in sorted(PUBLISHED & roots.keys()):
    package = packages[roots[name]]
    stated = package["rust_version"]
    newer = (package["metadata"] or {}).get("feature-rust-version", {})
    for feature in newer.keys() - package["features"].keys():
        faults.append(f"{name} has no feature {feature}")
    # What takes no exception keeps to the crate's own.
    usual = [f"{name}/{f}" for f in package["features"] if f not in newer]
    resolved = resolve(*usual)
    faults += check(name, stated, dependencies(*resolved[:2], resolved[2][name]))
    for feature, stated in newer.items():
        resolved = resolve(f"{name}/{feature}")
        found = dependencies(*resolved[:2], resolved[2][name])
        faults += check(f"{name}/{feature}", stated, found)
        if all(version(p["rust_version"]) < version(stated) for p in found):
            faults.append(f"{name}/{feature} states {stated}, more than it needs")
for fault in faults:
    print(fault)
sys.exit(bool(faults))
