import { existsSync } from 'node:fs';
import { apt, built, go, newest, onPath, pypi, run } from './bring.mjs';
import { guestImageIsThere, makeGuestImage } from './guest-image.mjs';

/** Ten minutes of two cores. */
const spire = {
  name: 'spire',
  version: '1.13.3',
  module: 'github.com/spiffe/spire',
  sum: 'h1:wDTK8tj8ShO5izjue/OFanVaehmjUxSxHtSWxBY+FJQ=',
  packages: ['cmd/spire-server', 'cmd/spire-agent'],
};

/** Its engine alone, which needs no Python: the version is src/control-plane/scan/semgrep/semgrep.ts's. */
const semgrep = {
  name: 'semgrep',
  version: '1.185.0',
  hashes: [
    'sha256:0eb6aaadad5b957af96d1300487e10af1dc8016e8ef53072effb48cd4906c02b',
    'sha256:8cffbaf80abb8e39abc6d7a86588dcf94b7ddc1f40e8e16e555a1116347be3ef',
  ],
  folder: 'semgrep/bin',
  program: 'semgrep-core',
};

/** Some minutes. */
const opa = {
  name: 'opa',
  version: '1.22.3',
  module: 'github.com/open-policy-agent/opa',
  sum: 'h1:d46phjoHHFSl8F2bC8nT8wFxuGEvZRvs8FhYWFqsJ2w=',
  packages: ['.'],
};

/** Some minutes. */
const openfga = {
  name: 'openfga',
  version: '1.22.1',
  module: 'github.com/openfga/openfga',
  sum: 'h1:gl5DiX841ZK3GSTAbgUUYEpiAfAK4EZFMQYW1NQmK8U=',
  packages: ['cmd/openfga'],
};

/** In the order in which they are brought. */
export const components = [
  { name: 'runsc', present: () => onPath('runsc'), bring: () => apt(newest('runsc')) },
  { name: 'chromium', present: () => onPath('chromium'), bring: () => apt('chromium') },
  { name: 'iproute2', present: () => onPath('ip'), bring: () => apt('iproute2') },
  { name: 'redis-server', present: () => onPath('redis-server'), bring: () => apt('redis-server') },
  { name: 'qemu', present: () => onPath('qemu-system-x86_64'), bring: () => apt('qemu-system-x86') },
  { name: 'erofs-utils', present: () => onPath('mkfs.erofs'), bring: () => apt('erofs-utils') },
  {
    name: 'guest-image',
    present: guestImageIsThere,
    bring: () => apt('gcc', 'libc6-dev', 'cpio', 'xz-utils') ?? makeGuestImage(),
  },
  {
    name: 'python clients',
    present: () => run('/usr/bin/python3', ['-c', 'import requests, httpx']) === undefined,
    bring: () => apt('python3-requests', 'python3-httpx'),
  },
  { name: 'sslscan', present: () => onPath('sslscan'), bring: () => apt('sslscan') },
  { name: 'testssl', present: () => onPath('testssl'), bring: () => apt('testssl.sh') },
  {
    name: 'semgrep',
    present: () => existsSync(built('semgrep', semgrep.version, 'semgrep-core')),
    bring: () => pypi(semgrep),
  },
  {
    name: 'spire',
    present: () => ['spire-server', 'spire-agent'].every((one) => existsSync(built('spire', spire.version, one))),
    bring: () => go(spire),
  },
  { name: 'opa', present: () => existsSync(built('opa', opa.version, 'opa')), bring: () => go(opa) },
  {
    name: 'openfga',
    present: () => existsSync(built('openfga', openfga.version, 'openfga')),
    bring: () => go(openfga),
  },
];
