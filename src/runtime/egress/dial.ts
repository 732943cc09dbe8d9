import { type LookupAddress, lookup } from 'node:dns';
import { connect, type LookupFunction, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type EgressRule, forbidden } from '../../contract/egress.ts';
import { EgressDenied } from './denied.ts';

/** Milliseconds for the look-up and the connection together. */
const PATIENCE = 10_000;

/** All addresses of a name, as this machine resolves it. Rejects when it has none. */
export type Resolve = (name: string) => Promise<readonly LookupAddress[]>;

/** By the machine's own resolver. Those who ask for the same name at once share one answer: look-ups use a few threads. */
export function systemResolver(): Resolve {
  const asked = new Map<string, Promise<readonly LookupAddress[]>>();
  return (name) => {
    const running = asked.get(name) ?? resolveAll(name).finally(() => asked.delete(name));
    asked.set(name, running);
    return running;
  };
}

function resolveAll(name: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookup(name, { all: true, order: 'ipv4first' }, (error, addresses) => (error ? reject(error) : resolve(addresses)));
  });
}

/**
 * Connects to a name that a rule lists: looked up once, every one of its addresses judged, and only those connected to
 * that were judged. A name with one bad address has been tampered with, or tampers.
 * @throws EgressDenied
 */
export async function dial(name: string, rule: EgressRule, resolve: Resolve): Promise<Socket> {
  const signal = AbortSignal.timeout(PATIENCE);
  return connected(name, rule.port, judgedLookup(rule.network, late(resolve, signal)), signal);
}

/**
 * Looks a name up for one connection, judges every address that it has, and gives those that were judged.
 * @param network the one that they must be in; undefined: they must be public
 */
export function judgedLookup(network: string | undefined, resolve: Resolve): LookupFunction {
  return (name, { all }, callback) => {
    judged(name, network, resolve).then(
      (addresses) => {
        const [first] = addresses;
        if (all) callback(null, [...addresses]);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error) => callback(error, []),
    );
  };
}

async function judged(name: string, network: string | undefined, resolve: Resolve): Promise<readonly LookupAddress[]> {
  const addresses = await resolve(name).catch((error: Error) => {
    throw new EgressDenied('unresolved', `${name}: ${error.message}`);
  });
  if (addresses.length === 0) throw new EgressDenied('unresolved', `${name}: no address`);
  const own = ownAddresses();
  for (const { address } of addresses) {
    const kind = forbidden(address, network, own);
    if (kind !== undefined) throw new EgressDenied('address', `${name} has the address ${address} (${kind})`, true);
  }
  return addresses;
}

/** The resolver's answer, or none in time. */
function late(resolve: Resolve, signal: AbortSignal): Resolve {
  return (name) =>
    new Promise((settle, reject) => {
      signal.addEventListener('abort', () => reject(new Error('no answer in time')), { once: true });
      resolve(name).then(settle, reject);
    });
}

function connected(host: string, port: number, look: LookupFunction, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, lookup: look, allowHalfOpen: true, noDelay: true });
    const failed = (error?: Error) => {
      socket.destroy();
      if (error instanceof EgressDenied) reject(error);
      else reject(new EgressDenied('unreachable', `${host}:${port}: ${error?.message ?? 'no connection in time'}`));
    };
    const late = () => failed();
    signal.addEventListener('abort', late, { once: true });
    socket.once('error', failed);
    socket.once('connect', () => {
      signal.removeEventListener('abort', late);
      socket.off('error', failed);
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

/** A public address of this machine leads to what listens here, past every firewall. */
function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return new Set(all.map(({ address }) => address));
}
