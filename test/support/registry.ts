import { createHash, createSign, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { scratch } from './scratch.ts';

export interface Entry {
  readonly path: string;
  readonly text?: string;
  readonly mode?: number;
  /** Target of a link; a symbolic one, if `type` says no other. */
  readonly link?: string;
  /** As ustar has it: `1` a hard link, `3` a character device, `x` a pax header. */
  readonly type?: string;
  /** Bytes that are said to follow, where these are others. */
  readonly size?: number;
}

export interface Published {
  readonly name: string;
  readonly version: string;
  /** Of package.json; name and version are added. */
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly entries?: readonly Entry[];
  /** Instead of what would be packed. */
  readonly tarball?: Buffer;
  /** What the registry says of it, where that differs from the tarball. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly integrity?: string;
  readonly signature?: 'good' | 'wrong' | 'none';
  /** Of its publication; default: a fixed one. */
  readonly time?: string | undefined;
  /** What the registry says of other versions: their manifests and times. */
  readonly others?: Readonly<Record<string, { readonly time: string; readonly manifest?: object }>>;
  /** As they are served, whoever signed them; absent: none are. */
  readonly attestations?: readonly { readonly predicateType: string; readonly bundle: unknown }[];
}

export interface Registry {
  /** The environment of an npm that knows this registry alone. */
  readonly env: Readonly<Record<string, string>>;
  /** Swaps what is served. */
  publish(...packages: readonly Published[]): void;
  readonly integrity: (name: string) => string;
  /** By path: what is answered instead. */
  readonly instead: Map<string, (response: ServerResponse) => void>;
}

/** A working package registry on loopback, for everything that a hostile one could do. */
export async function registry(
  t: TestContext,
  options: { readonly keys: boolean },
  ...packages: readonly Published[]
): Promise<Registry> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyid = 'SHA256:test';
  const served = new Map<
    string,
    { readonly packument: unknown; readonly tarball: Buffer; readonly integrity: string }
  >();
  const attested = new Map<string, unknown>();
  const instead: Registry['instead'] = new Map();
  let base = '';
  const publish = (...list: readonly Published[]): void => {
    for (const item of list) {
      const tarball = item.tarball ?? packed(item);
      const integrity = item.integrity ?? sri(tarball);
      const signed = item.signature ?? 'none';
      const dist = {
        tarball: `${base}${item.name}/-/x.tgz`,
        integrity,
        ...(signed === 'none'
          ? {}
          : {
              signatures: [
                {
                  keyid,
                  sig: sign(privateKey, `${item.name}@${item.version}:${signed === 'good' ? integrity : 'other'}`),
                },
              ],
            }),
        ...(item.attestations && { attestations: attestationsOf(base, item) }),
      };
      const manifest = { name: item.name, version: item.version, ...item.manifest, ...item.claims, dist };
      const others = Object.entries(item.others ?? {});
      const own = 'time' in item ? item.time : '2026-01-02T03:04:05.000Z';
      const time = Object.fromEntries([
        ...others.map(([version, { time }]) => [version, time]),
        ...(own === undefined ? [] : [[item.version, own]]),
      ]);
      const packument = {
        name: item.name,
        'dist-tags': { latest: item.version },
        versions: Object.fromEntries([
          ...others.map(([version, { manifest = {} }]) => [
            version,
            { name: item.name, version, ...manifest, dist: {} },
          ]),
          [item.version, manifest],
        ]),
        time,
      };
      served.set(item.name, { packument, tarball, integrity });
      if (item.attestations) attested.set(`${item.name}@${item.version}`, item.attestations);
    }
  };
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '').slice(1);
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const other = instead.get(path);
    if (other !== undefined) return other(response);
    if (path === '-/npm/v1/keys' && options.keys) {
      const key = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
      return answer(200, {
        keys: [{ keyid, key, expires: null, keytype: 'ecdsa-sha2-nistp256', scheme: 'ecdsa-sha2-nistp256' }],
      });
    }
    const [, of] = /^-\/npm\/v1\/attestations\/(.*)$/.exec(path) ?? [];
    if (of !== undefined) return answer(200, { attestations: attested.get(of) });
    const [, name = ''] = /^(.*?)(?:\/-\/x\.tgz)?$/.exec(path) ?? [];
    const found = served.get(name);
    if (found === undefined) return answer(404, { error: 'Not found' });
    if (path.endsWith('.tgz')) response.writeHead(200).end(found.tarball);
    else answer(200, found.packument);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  publish(...packages);
  const home = scratch(t);
  const env = {
    HOME: home,
    npm_config_registry: base,
    npm_config_cache: join(home, 'cache'),
    npm_config_userconfig: join(home, 'npmrc'),
    npm_config_globalconfig: join(home, 'globalrc'),
    npm_config_fetch_retries: '0',
  };
  return { env, publish, integrity: (name) => served.get(name)?.integrity ?? '', instead };
}

function attestationsOf(base: string, { name, version }: Published): object {
  const predicateType = 'https://slsa.dev/provenance/v1';
  return { url: `${base}-/npm/v1/attestations/${name}@${version}`, provenance: { predicateType } };
}

/** Of the tarball that is served for it. */
export function integrityOf(item: Published): string {
  return item.integrity ?? sri(item.tarball ?? packed(item));
}

export function sri(bytes: Buffer): string {
  return `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
}

function sign(key: KeyObject, message: string): string {
  return createSign('SHA256').update(message).end().sign(key, 'base64');
}

function packed({ name, version, manifest, entries = [] }: Published): Buffer {
  const own = { path: 'package/package.json', text: JSON.stringify({ name, version, ...manifest }) };
  return gzipSync(Buffer.concat([...[own, ...entries].map(tarEntry), Buffer.alloc(1024)]));
}

/** One ustar member (POSIX.1-1988). */
export function tarEntry({
  path,
  text = '',
  mode = 0o644,
  link,
  type = link === undefined ? '0' : '2',
  size,
}: Entry): Buffer {
  const header = Buffer.alloc(512);
  const body = Buffer.from(link === undefined ? text : '');
  const octal = (value: number, at: number, length: number): void => {
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at);
  };
  header.write(path, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size ?? body.length, 124, 12);
  octal(499_162_500, 136, 12);
  header.write('        ', 148);
  header.write(type, 156);
  header.write(link ?? '', 157);
  header.write('ustar\x0000', 257);
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}
