import { apt, onPath, run } from './bring.mjs';

/** In the order in which they are brought. */
export const components = [
  { name: 'runsc', present: () => onPath('runsc'), bring: () => apt('runsc') },
  { name: 'iproute2', present: () => onPath('ip'), bring: () => apt('iproute2') },
  { name: 'redis-server', present: () => onPath('redis-server'), bring: () => apt('redis-server') },
  {
    name: 'python clients',
    present: () => run('/usr/bin/python3', ['-c', 'import requests, httpx']) === undefined,
    bring: () => apt('python3-requests', 'python3-httpx'),
  },
];
