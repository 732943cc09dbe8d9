import { Keep } from './keep.ts';
import { type Mirror, openMirror, POLICY } from './mirror.ts';

interface Mirrored {
  readonly keep: Keep;
  readonly mirror: Mirror;
}

let opened: Promise<Mirrored> | undefined;
let guests = 0;

/** One running product in front of one mirror, for all files that are run in this process. */
export function enter(): Promise<Mirrored> {
  guests++;
  opened ??= open();
  return opened;
}

/** The last one stops it. */
export async function leave(): Promise<void> {
  if (--guests > 0) return;
  const { keep, mirror } = (await opened) as Mirrored;
  await keep.close();
  mirror.close();
}

async function open(): Promise<Mirrored> {
  const mirror = await openMirror();
  try {
    const keep = await Keep.open({}, POLICY, {}, [mirror.url, '--name', 'mirror', '--yes']);
    return { keep, mirror };
  } catch (error) {
    mirror.close();
    throw error;
  }
}
