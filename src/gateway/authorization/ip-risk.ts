import { contains, type Network, parseAddress, parseNetwork } from '../../contract/addresses.ts';

/**
 * The risk of an address by the smallest network that it is in; what is in none has 0, and what is no address has 100.
 * @param table undefined: nothing is known of any
 */
export function ipRiskBy(
  table: Readonly<Record<string, number>> | undefined,
): (address: string | undefined) => number | undefined {
  if (table === undefined) return () => undefined;
  const rows = Object.entries(table)
    .flatMap(([text, risk]): { network: Network; risk: number }[] => {
      const network = parseNetwork(text);
      return network === undefined ? [] : [{ network, risk }];
    })
    .sort((a, b) => b.network.prefix - a.network.prefix);
  return (address) => {
    // Nobody's request: what went before it was judged by where it came from.
    if (address === undefined) return 0;
    // How a socket of both families names an IPv4 address (RFC 4291 §2.5.5.2).
    const bytes = parseAddress(address.replace(/^::ffff:(?=\d+\.)/i, ''));
    if (bytes === undefined) return 100;
    return rows.find(({ network }) => contains(network, bytes))?.risk ?? 0;
  };
}
