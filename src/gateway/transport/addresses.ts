import { BlockList, isIP, isIPv4 } from 'node:net';

/** IPv4 addresses that are not globally reachable (IANA special-purpose registry, RFC 6890), and multicast. */
const privateIpv4 = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  privateIpv4.addSubnet(network, prefix, 'ipv4');
}

/** IPv6: only global unicast, without the parts of it that are documentation or carry an IPv4 address. */
const globalIpv6 = new BlockList();
globalIpv6.addSubnet('2000::', 3, 'ipv6');
const notGlobalIpv6 = new BlockList();
notGlobalIpv6.addSubnet('2001::', 23, 'ipv6');
notGlobalIpv6.addSubnet('2001:db8::', 32, 'ipv6');
notGlobalIpv6.addSubnet('2002::', 16, 'ipv6');
notGlobalIpv6.addSubnet('3fff::', 20, 'ipv6');

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Can this address be reached from anywhere? Whatever is not an address cannot. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !privateIpv4.check(address, 'ipv4');
  if (isIP(address) === 0) return false;
  return globalIpv6.check(address, 'ipv6') && !notGlobalIpv6.check(address, 'ipv6');
}

export function isLoopbackAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && loopback.check(address, family === 4 ? 'ipv4' : 'ipv6');
}
