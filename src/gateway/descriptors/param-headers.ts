import { Refusal } from '../../contract/refusal.ts';
import type { Framed } from '../../contract/tool-call.ts';
import { agrees, fieldValue, type MirroredArgument, markedValue } from './mirrored-arguments.ts';

const PREFIX = 'mcp-param-';
/** Of the unknown ones that go on: how many, and UTF-16 units of all names and values. */
const MAX_COUNT = 32;
const MAX_UNITS = 8192;

/**
 * The `Mcp-Param-*` headers of a call as its server gets them, names and values alternating: the declared ones, made
 * from the arguments that will be judged, whatever era the client is of; and, from a client of 2026-07-28, those that no
 * declaration knows, as they came (an intermediary must forward them). What a client of that revision says in a
 * declared header must be what the body says (MCP 2026-07-28, Custom Headers).
 * @param decodeHeader reads a header value that may be base64
 * @throws Refusal header-mismatch
 */
export function paramHeaders(
  { arrived, frame }: Framed,
  declared: readonly MirroredArgument[],
  decodeHeader: (value: string) => string,
): readonly string[] {
  const headers: string[] = [];
  for (const argument of declared) {
    const value = markedValue(argument, frame.params?.arguments);
    const given = frame.modern ? arrived.headers[argument.header] : undefined;
    const said = given === undefined ? undefined : decodeHeader(given);
    if (frame.modern && !agrees(value, said)) throw new Refusal('header-mismatch', argument.header);
    // Digits that a number of ours cannot hold are the client's own.
    const field = fieldValue(value) ?? (typeof value === 'number' ? given : undefined);
    if (field !== undefined) headers.push(argument.header, field);
  }
  return frame.modern ? [...headers, ...unknown(arrived.headers, declared)] : headers;
}

function unknown(
  headers: Readonly<Record<string, string | undefined>>,
  declared: readonly MirroredArgument[],
): readonly string[] {
  const found: string[] = [];
  let units = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(PREFIX) || value === undefined || declared.some(({ header }) => header === name)) continue;
    // RFC 9110 §5.5: visible ASCII, spaces and tabs; what is above reads differently from server to server.
    if (!/^[\t\x20-\x7e]*$/.test(value)) throw new Refusal('header-mismatch', `${name}: no plain field value`);
    units += name.length + value.length;
    found.push(name, value);
  }
  if (found.length > 2 * MAX_COUNT || units > MAX_UNITS) throw new Refusal('header-mismatch', `too many ${PREFIX}*`);
  return found;
}
