import { apt, onPath, run } from './bring.mjs';
import { guestImageIsThere, makeGuestImage } from './guest-image.mjs';

/** In the order in which they are brought. */
export const components = [
  { name: 'runsc', present: () => onPath('runsc'), bring: () => apt('runsc') },
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
];
