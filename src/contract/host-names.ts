import { type AddressClass, classify, parseAddress, parseLooseIpv4 } from './addresses.ts';

/** A name that may be asked for, where a rule lists it. */
export interface HostName {
  /** Lower-case, A-labels, no dot at its end. */
  readonly name: string;
  /** `private`: it means something inside somebody's network only. */
  readonly scope: 'public' | 'private';
}

export interface HostFault {
  readonly fault: string;
  /** Somebody tries to get where no tool has anything to do: at this machine, its neighbours, or its credentials. */
  readonly alert: boolean;
}

const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;
/** Names that clouds and orchestrators give to their metadata services, beside those that the rule below finds. */
const metadataNames = new Set([
  'metadata.goog',
  'metadata.tencentyun.com',
  'metadata.platformequinix.com',
  'metadata.packet.net',
]);
/** Answered by this machine (RFC 6761 §6.3, and what systems add in /etc/hosts). */
const loopbackNames = /(^|\.)(localhost|localdomain|ip6-localhost|ip6-loopback|ip6-localnet|broadcasthost)$/;
/** Public names whose only use is to answer with a loopback address. */
const loopbackServices =
  /(^|\.)(localtest\.me|lvh\.me|vcap\.me|fuf\.me|ulh\.us|localh\.st|smackaho\.st|lacolhost\.com|yoogle\.com|spoofed\.burpcollaborator\.net|bugbounty\.dod\.network)$/;
/** Top-level names of inner networks (ICANN `.internal`, RFC 6762 appendix G, RFC 8375), of clusters, and those that no DNS has. */
const privateUse = /(^|\.)(internal|local|lan|intranet|corp|home|private|home\.arpa|svc|consul|onion|alt)$/;
/** Public names whose only use is to answer with the address that is spelled before them, in more ways than dotted quads. */
const addressServices = /\.(nip\.io|sslip\.io|rbndr\.us)$/;

/**
 * Judges a host as a client asks for it, before anything is looked up. Only DNS names pass, in their one ASCII form;
 * upper case and one dot at the end are forgiven. Addresses are refused in every notation, names of the metadata
 * services and of the loopback too.
 */
export function judgeHost(text: string): HostName | HostFault {
  if (text.length > 254) return { fault: 'longer than a DNS name can be', alert: false };
  if (/[^\x21-\x7e]/.test(text)) return { fault: 'not printable ASCII', alert: true };
  const bare = text.replace(/^\[(.*)\]$/, '$1');
  if (bare.includes(':')) return literal(parseAddress(bare.replace(/%.*$/, '')));
  const name = bare.toLowerCase().replace(/\.$/, '');
  const labels = name.split('.');
  // What ends in a number is an IPv4 address or nothing (WHATWG URL, "ends in a number checker").
  if (/^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '')) return literal(parseLooseIpv4(name));
  if (bare !== text || name.length > 253 || !labels.every((label) => LABEL.test(label)))
    return { fault: 'not a DNS name', alert: /[@\\%#/?[\]]/.test(text) };
  if (isMetadata(name, labels)) return { fault: 'a metadata service', alert: true };
  if (loopbackNames.test(name) || loopbackServices.test(name)) return { fault: 'a name of the loopback', alert: true };
  const spelled = spelledAddress(name);
  if (spelled !== undefined) return { fault: `a name that spells a ${spelled} address`, alert: true };
  return { name, scope: labels.length === 1 || privateUse.test(name) ? 'private' : 'public' };
}

function literal(bytes: Uint8Array | undefined): HostFault {
  const kind = bytes === undefined ? 'malformed' : classify(bytes);
  return { fault: `an address (${kind}), not a name`, alert: kind !== 'public' };
}

function isMetadata(name: string, labels: readonly string[]): boolean {
  const inner = labels.length === 1 || name.endsWith('.internal');
  return metadataNames.has(name) || (inner && /^(instance-data|([a-z0-9]+-)?metadata)$/.test(labels[0] ?? ''));
}

/** Services such as `10.0.0.1.EXAMPLE` and `10-0-0-1.EXAMPLE` answer with whatever address stands in the name. */
function spelledAddress(name: string): AddressClass | undefined {
  const kinds = addressServices.test(name) ? name.split('.').map(spelledByLabel) : [];
  const spelled = kinds.find((kind) => kind !== undefined && dangerous.has(kind));
  if (spelled !== undefined) return spelled;
  for (const [, ...parts] of name.matchAll(quads)) {
    const bytes = Uint8Array.from(parts, Number);
    const kind = classify(bytes);
    const reachable =
      parts.every((part) => Number(part) < 256) && (bytes[0] !== 0 || bytes.every((byte) => byte === 0));
    if (reachable && dangerous.has(kind)) return kind;
  }
  return undefined;
}

/** `7f000001`, `app-0a000001`, and IPv6 with dashes for colons. */
function spelledByLabel(label: string): AddressClass | undefined {
  const [, hex] = /(?:^|-)([0-9a-f]{8})$/.exec(label) ?? [];
  const bytes = hex === undefined ? parseAddress(label.replaceAll('-', ':')) : Buffer.from(hex, 'hex');
  return bytes && classify(bytes);
}

const quads = /(?=(?<![0-9])(\d{1,3})[.-](\d{1,3})[.-](\d{1,3})[.-](\d{1,3})(?![0-9]))/g;
const dangerous: ReadonlySet<AddressClass> = new Set(['metadata', 'loopback', 'private', 'link-local']);
