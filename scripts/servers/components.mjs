import { existsSync } from 'node:fs';
import { apt, built, go, newest, onPath, run } from './bring.mjs';
import { guestImageIsThere, makeGuestImage } from './guest-image.mjs';

/** Ten minutes of two cores. */
const spire = {
  name: 'spire',
  version: '1.13.3',
  module: 'github.com/spiffe/spire',
  sum: 'h1:wDTK8tj8ShO5izjue/OFanVaehmjUxSxHtSWxBY+FJQ=',
  packages: ['cmd/spire-server', 'cmd/spire-agent'],
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
    name: 'spire',
    present: () => ['spire-server', 'spire-agent'].every((one) => existsSync(built('spire', spire.version, one))),
    bring: () => go(spire),
  },
];
