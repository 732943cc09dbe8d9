import { apt, onPath } from './bring.mjs';

/** In the order in which they are brought. */
export const components = [
  { name: 'runsc', present: () => onPath('runsc'), bring: () => apt('runsc') },
  { name: 'chromium', present: () => onPath('chromium'), bring: () => apt('chromium') },
  { name: 'iproute2', present: () => onPath('ip'), bring: () => apt('iproute2') },
];
