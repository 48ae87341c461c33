#!/usr/bin/env bash
# Builds the wheel, audits it, and tests it in fresh environments: one without protobuf, and
# one with the real aws_kinesis_agg. Everything is installed below the target folder.
set -euo pipefail
cd "$(dirname "$0")"
work=${CARGO_TARGET_DIR:-$PWD/../../target}/python
export CARGO_TARGET_DIR=$work/cargo
mkdir -p "$work"
work=$(cd "$work" && pwd)
pip="-m pip install -q --disable-pip-version-check"

stage() {
    printf '\n-- Python: %s (%s s so far)\n' "$*" "$SECONDS"
}

stage "format and lints"
cargo fmt --check
cargo clippy --locked --all-targets -- -D warnings

stage "wheel"
[ -x "$work/tools/bin/python" ] || python3 -m venv "$work/tools"
"$work/tools/bin/python" $pip "maturin>=1.16,<2" "abi3audit>=0.0.20" "mypy>=1.18" "ruff>=0.17,<0.18"
"$work/tools/bin/ruff" check -q .
"$work/tools/bin/ruff" format -q --check .
rm -rf "$work/wheels"
"$work/tools/bin/maturin" build -q --release --locked --out "$work/wheels"
wheel=$(echo "$work"/wheels/kinesis_agg-*-cp39-abi3-*.whl)
"$work/tools/bin/abi3audit" --strict "$wheel"

stage "environments"
rm -rf "$work/venv" "$work/peer" "$work/debian"
python3 -m venv "$work/venv"
"$work/venv/bin/python" $pip "$wheel" pytest aws-lambda-powertools
if "$work/venv/bin/python" -c 'import google.protobuf' 2>/dev/null; then
    echo "protobuf is in the environment that shall have none"
    exit 1
fi
python3 -m venv "$work/peer"
# The module imports six without declaring it.
"$work/peer/bin/python" $pip aws_kinesis_agg==1.2.3 protobuf==7.36.2 six==1.17.0
export AWS_KINESIS_AGG_PYTHON=$work/peer/bin/python

stage "types"
"$work/tools/bin/python" $pip --no-deps --force-reinstall "$wheel"
"$work/tools/bin/mypy" --strict python
(cd "$work" && "$work/tools/bin/stubtest" kinesis_agg)

stage "tests"
"$work/venv/bin/python" -m pytest

debian=/usr/bin/python3
if [ -x "$debian" ]; then
    stage "tests with $("$debian" --version) of the system"
    "$work/venv/bin/python" $pip --no-deps --target "$work/debian" "$wheel" \
        pytest iniconfig packaging pluggy pygments exceptiongroup tomli typing-extensions
    PYTHONPATH=$work/debian "$debian" -m pytest
fi

stage "memory check"
if ! command -v valgrind >/dev/null; then
    apt-get -o DPkg::Lock::Timeout=400 install -y -qq --no-install-recommends valgrind
fi
# Without Python's own allocator, so that each object is a separate block. The interpreter itself
# causes findings, too: ours have a frame in the extension.
PYTHONMALLOC=malloc valgrind -q --leak-check=full --show-leak-kinds=definite \
    --log-file="$work/valgrind.log" "$work/venv/bin/python" tests/memory_check.py
if grep -E "_native|Invalid (read|write|free)" "$work/valgrind.log"; then
    echo "see $work/valgrind.log"
    exit 1
fi

stage "the benchmark runs"
"$work/venv/bin/python" bench.py "$work/peer/bin/python" "$work/venv/bin/python" 1 >/dev/null

stage "done"
