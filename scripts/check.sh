#!/bin/sh
# Format, lint, types, boundaries, dead code, static analysis, generated documents. Each prints its own findings; all of them run.
cd "$(dirname "$0")/.." || exit
export PATH="$PWD/node_modules/.bin:$PATH"
status=0
run() { echo "· $*"; "$@" || status=1; }
run biome check --error-on-warnings .
run tsc -p .
run depcruise src --config .dependency-cruiser.cjs
run knip
# Of the examples what is theirs, and not the packages that a start has fetched into their state.
run ./scripts/node24 src/main.ts scan src scripts $(git ls-files examples)
run node scripts/generate-docs.ts --check
exit $status
