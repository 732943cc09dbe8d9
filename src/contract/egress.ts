import type { Network } from './addresses.ts';
import { type AddressClass, classOf, contains, parseAddress, parseNetwork } from './addresses.ts';
import { judgeHost } from './host-names.ts';

/** A line of a server's allow-list: one name, one port. */
export interface EgressRule {
  /** Lower-case, A-labels; `*.example.org` stands for exactly one label more. */
  readonly host: string;
  readonly port: number;
  /** False: whatever is spoken there; else TLS for that very name, or nothing. */
  readonly tls: boolean;
  /** TLS ends at the proxy, which looks inside and speaks TLS of its own with the host. */
  readonly inspect: boolean;
  /** PEM of the authorities that vouch for it, where TLS ends at the proxy; absent: the public ones. */
  readonly ca?: string | undefined;
  /** CIDR block that all of the name's addresses are in; absent: they are public. */
  readonly network?: string | undefined;
}

/** One attempt to get out of a sandbox, as it was judged: the evidence. */
export interface EgressAttempt {
  readonly via: 'connect' | 'http' | 'socks' | 'transparent' | 'unknown';
  /** What was asked for, in the sandbox's words: printable, at most 300 characters. */
  readonly target: string;
  /** `allowed`, or why not. */
  readonly code: 'allowed' | EgressRefusal;
  /** For the operator. */
  readonly detail?: string;
  /** The address that was connected to. */
  readonly address?: string;
  /** It was aimed at this machine, an inner network, or a metadata service. */
  readonly alert: boolean;
}

export type EgressRefusal =
  /** No protocol that is served, or a broken one. */
  | 'malformed'
  /** The host is none that may be asked for at all. */
  | 'host'
  | 'not-listed'
  | 'unresolved'
  /** The name has an address that it must not have. */
  | 'address'
  | 'unreachable'
  /** TLS without a name, for another name, or with a hidden one. */
  | 'sni'
  | 'not-tls'
  /** Where TLS ends at the proxy: what is said inside, or how the host answers it. */
  | 'request'
  | 'limit'
  /** Of ours. */
  | 'fault';

/** Why a rule cannot be: a sentence for the operator; undefined: it can. */
export function ruleFault({ host, network, port, tls, inspect }: EgressRule): string | undefined {
  const wild = host.startsWith('*.');
  const judged = judgeHost(wild ? host.slice(2) : host);
  if ('fault' in judged) return `${host} is ${judged.fault}`;
  if (judged.name !== (wild ? host.slice(2) : host)) return `write ${wild ? '*.' : ''}${judged.name}`;
  if (wild && !judged.name.includes('.')) return 'a wildcard needs two labels behind it, such as *.example.org';
  if (port < 1 || port > 65_535) return 'a port is 1 to 65535';
  if (inspect && !tls) return 'inspect is for TLS';
  if (network === undefined)
    return judged.scope === 'private' ? `${host} is a name of inner networks: name its network too` : undefined;
  return isInnerNetwork(network) ? undefined : `${network} is no block of one private network, such as 10.1.0.0/16`;
}

/** Whether a text is a CIDR block within one private network, or within the loopback. */
export function isInnerNetwork(network: string): boolean {
  const block = parseNetwork(network);
  return (
    block !== undefined && innerBlocks.some((inner) => inner.prefix <= block.prefix && contains(inner, block.bytes))
  );
}

/** What a rule's `network` can lie in. */
const innerBlocks = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '172.16.0.0/12',
  '192.168.0.0/16',
  'fc00::/7',
  '127.0.0.0/8',
  '::1/128',
].map((text) => parseNetwork(text) as Network);

/** The rule that lists a judged name at a port. */
export function ruleFor(rules: readonly EgressRule[], name: string, port: number): EgressRule | undefined {
  const wildcard = name.replace(/^[^.]+/, '*');
  const listed = (host: string) => rules.find((rule) => rule.host === host && rule.port === port);
  return listed(name) ?? listed(wildcard);
}

/**
 * The class of an address that a rule's name must not have; undefined: it may.
 * @param own addresses of this machine: they lead to it, whatever network they are of; only the loopback's can be opened
 */
export function forbidden(
  address: string,
  network: string | undefined,
  own: ReadonlySet<string>,
): AddressClass | 'malformed' | undefined {
  const kind = classOf(address) ?? 'malformed';
  const block = network === undefined ? undefined : parseNetwork(network);
  if (network === undefined) return kind === 'public' ? (own.has(address) ? 'loopback' : undefined) : kind;
  const bytes = parseAddress(address);
  const inside = block !== undefined && bytes !== undefined && contains(block, bytes);
  if (!inside || (kind !== 'private' && kind !== 'loopback')) return kind;
  return kind === 'private' && own.has(address) ? 'loopback' : undefined;
}
