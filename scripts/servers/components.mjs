import { apt, onPath } from './bring.mjs';

/** In the order in which they are brought. */
export const components = [
  { name: 'runsc', present: () => onPath('runsc'), bring: () => apt('runsc') },
  { name: 'iproute2', present: () => onPath('ip'), bring: () => apt('iproute2') },
  { name: 'redis-server', present: () => onPath('redis-server'), bring: () => apt('redis-server') },
];
