// Who may import whom: the table in ARCHITECTURE.md. `test/house/boundaries.test.ts` proves that these rules can fail.
const may = (name, from, to, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from },
  to: { path: '^src', pathNot: to },
});
const capability = (name, modules, rooms, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: '^src', pathNot: rooms },
  to: { path: `^(node:)?(${modules})$` },
});

module.exports = {
  forbidden: [
    {
      name: 'contract-imports-nothing',
      severity: 'error',
      from: { path: '^src/contract' },
      to: { pathNot: '^src/contract' },
    },
    may('control-plane', '^src/control-plane', '^src/(contract|control-plane)/'),
    may('gateway', '^src/gateway', '^src/(contract|gateway)/'),
    {
      name: 'stage-imports-no-other-stage',
      severity: 'error',
      from: { path: '^src/gateway/([^/]+)/' },
      to: { path: '^src/gateway/', pathNot: '^src/gateway/$1/' },
    },
    may('runtime', '^src/runtime', '^src/(contract|runtime)/'),
    {
      name: 'driver',
      severity: 'error',
      from: { path: '^src/drivers/([^/]+)/([^/.]+)' },
      to: { path: '^src', pathNot: '^src/(contract/|drivers/$1/($2|host))' },
    },
    may('cli', '^src/cli', '^src/(contract|control-plane|cli)/'),
    {
      name: 'main-is-imported-by-none',
      severity: 'error',
      from: { pathNot: '^src/main' },
      to: { path: '^src/main' },
    },
    {
      name: 'src-never-imports-test',
      severity: 'error',
      from: { path: '^src' },
      to: { path: '^(test|bench|scripts)' },
    },
    {
      name: 'no-circles',
      severity: 'error',
      from: { path: '^src' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'declared',
      severity: 'error',
      from: { path: '^src' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    capability(
      'child-process',
      'child_process|cluster',
      '^src/(drivers/sandbox-driver|control-plane/zones)/',
      'processes are started by sandbox drivers and by the room that starts zones',
    ),
    capability(
      'sockets',
      'net|tls|http|https|http2|dgram',
      '^src/(gateway/(transport|execution|control-link)/|runtime/(upstream/|egress/|link-server|gateway-connection)|control-plane/(admin-api|gateways|pki/spiffe/workload-api)/|drivers/|cli/)',
      'sockets are opened where a zone ends',
    ),
    capability(
      'files',
      'fs|fs/promises',
      '^src/(control-plane/|drivers/|cli/|main/|runtime/link-server)',
      'the gateway touches no file: what it needs is handed to it',
    ),
    capability('no-evaluation', 'vm|inspector|inspector/promises|repl', '^$', 'code is never made at run time'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};
