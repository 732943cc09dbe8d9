import { type Mends, sharedMends } from '../host/mends.ts';

export const mends: Mends = [
  [/bubblewrap is not installed/, 'apt-get install bubblewrap'],
  [/qemu is not installed/, 'npm run servers -- qemu'],
  [/guest image is missing/, 'npm run servers -- guest-image'],
  [/mkfs\.erofs/, 'npm run servers -- erofs-utils'],
  [
    /kvm/i,
    'give the sandbox user read and write access to a /dev/kvm on which a stock Linux guest boots, or write `accelerator: tcg` for a machine that functions and is no boundary',
  ],
  ...sharedMends,
  [/(?:)/, 'QEMU 7.2 or later, and the guest image (npm run servers) are needed'],
];
