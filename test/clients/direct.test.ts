import { after, before, test } from 'node:test';
import { type Kind, kinds, serverFile, type Way } from './support/clients.ts';
import { worksOver } from './support/flows.ts';
import { type Remote, startRemote } from './support/remote.ts';

/** The counterparties of `matrix.test.ts` without the gateway: what fails there and holds here is the gateway's. */
const eras = (kind: Kind) =>
  kind === 'client 2.x modern' ? ['modern'] : kind === 'client 2.x auto' ? ['legacy', 'modern'] : ['legacy'];
const remotes: Record<string, Remote> = {};
before(async () => {
  for (const era of ['legacy', 'modern'] as const) remotes[era] = await startRemote(era);
});
after(() => {
  for (const remote of Object.values(remotes)) remote.stop();
});

for (const kind of kinds)
  for (const era of eras(kind)) {
    const way = (over: string): Way =>
      over === 'HTTP'
        ? { url: remotes[era]?.url ?? '' }
        : { command: [process.execPath, serverFile('stdio.mjs'), era] };
    for (const over of ['stdio', 'HTTP'])
      test(`${kind} and a ${era} server over ${over}, directly`, () => worksOver(kind, way(over)));
  }
