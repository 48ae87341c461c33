#!/usr/bin/env bash
# Runs other programs on the conformance cases: `peers.sh [--check] [PEER...]`, all peers if none
# is named. It stores their answers, or with --check compares them with the stored ones.
#
# Installs the programs below the target folder, once.
set -euo pipefail
cd "$(dirname "$0")/../.."
peers=${CARGO_TARGET_DIR:-$PWD/target}/conformance
check=()
if [ "${1:-}" = --check ]; then
    check=(--check)
    shift
fi
[ $# -gt 0 ] || set -- kcl kcl-rs python node aiokpl async-kinesis

pip_install() {
    if ! [ -e "$peers/venv/bin/python" ]; then python3 -m venv "$peers/venv"; fi
    "$peers/venv/bin/pip" install -q --disable-pip-version-check "$@"
}

for peer in "$@"; do
    done=$peers/$peer.installed
    if [ -e "$done" ]; then continue; fi
    mkdir -p "$peers/node"
    case $peer in
    # aws_kinesis_agg imports six and does not declare it.
    python) pip_install aws_kinesis_agg==1.2.3 protobuf==7.36.2 six==1.17.0 ;;
    node) npm install --prefix "$peers/node" --silent --no-audit --no-fund aws-kinesis-agg@4.2.8 ;;
    kcl-rs)
        python3 -m venv "$peers/kcl-rs"
        "$peers/kcl-rs/bin/pip" install -q --disable-pip-version-check \
            kcl-rs==0.1.4 'moto[server]==5.2.5' boto3
        ;;
    aiokpl) pip_install aiokpl==0.2.0 ;;
    async-kinesis) pip_install async-kinesis==3.0.1 aws_kinesis_agg==1.2.3 protobuf==7.36.2 six==1.17.0 ;;
    kcl)
        pip_install --no-deps --target "$peers/kcl" kclpy-ext==3.1.3.post4
        apt-get update -qq
        apt-get -o DPkg::Lock::Timeout=400 install -y -qq --no-install-recommends \
            openjdk-17-jdk-headless libjaxb-api-java
        ;;
    esac
    touch "$done"
done

# Java has no javax.xml.bind since version 11. Without it the KCL ends with
# NoClassDefFoundError at an explicit hash key that is not a number.
export KCL_JARS="$peers/kcl/amazon_kclpy/jars/*:/usr/share/java/jaxb-api.jar"
export KCL_RS_PYTHON="$peers/kcl-rs/bin/python" PYTHON="$peers/venv/bin/python" NODE_PATH="$peers/node/node_modules"
python3 tests/conformance/peers.py ${check[@]+"${check[@]}"} "$@"
