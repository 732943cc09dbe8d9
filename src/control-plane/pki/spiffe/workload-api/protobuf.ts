/** What is not as protocol buffers are encoded. */
export class MalformedMessage extends Error {}

const LENGTH_DELIMITED = 2;

/** The fields of a message that hold bytes, text or messages; those that hold numbers are passed over. @throws MalformedMessage */
export function* fields(message: Uint8Array): Generator<{ readonly number: number; readonly value: Uint8Array }> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = message[at++];
      if (byte === undefined) throw new MalformedMessage('ends within a number');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new MalformedMessage('a number of more than 32 bits');
  };
  const skip = (octets: number): Uint8Array => {
    if (at + octets > message.length) throw new MalformedMessage('ends within a field');
    at += octets;
    return message.subarray(at - octets, at);
  };
  while (at < message.length) {
    const tag = varint();
    switch (tag & 7) {
      case LENGTH_DELIMITED:
        yield { number: tag >>> 3, value: skip(varint()) };
        break;
      case 0:
        varint();
        break;
      case 1:
        skip(8);
        break;
      case 5:
        skip(4);
        break;
      default:
        throw new MalformedMessage(`wire type ${tag & 7}`);
    }
  }
}

/** The value of `key` in field `number`, a `map<string, bytes>`; where it is there twice, the last one counts. */
export function mapEntry(message: Uint8Array, number: number, key: string): Uint8Array | undefined {
  let found: Uint8Array | undefined;
  for (const field of fields(message)) {
    if (field.number !== number) continue;
    const entry = new Map([...fields(field.value)].map((one) => [one.number, one.value]));
    if (Buffer.from(entry.get(1) ?? []).toString('utf8') === key) found = entry.get(2) ?? new Uint8Array();
  }
  return found;
}
