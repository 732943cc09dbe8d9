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
# Of the examples what is theirs, and not the packages that a start has fetched into their state. What is accepted was read:
# client certificates are judged after the handshake, a program's own modules, names of our own tables.
run ./scripts/node24 src/main.ts scan src scripts $(git ls-files examples) \
  --accept js.tls:src/gateway/transport/tls.ts \
  --accept py.eval:src/drivers/sandbox-driver/bubblewrap/fork-server/nursery.py \
  --accept js.sql:src/control-plane/issuer/people/accounts.ts \
  --accept js.sql:src/control-plane/issuer/artifacts.ts
run node scripts/generate-docs.ts --check
exit $status
