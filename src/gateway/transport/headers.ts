import type { IncomingMessage } from 'node:http';

/** Header values by lower-case name; a repeated header is joined, so that no reader takes another one of them than we. */
export function flatHeaders(request: IncomingMessage): Readonly<Record<string, string | undefined>> {
  const flat: Record<string, string | undefined> = Object.create(null);
  for (const [name, value] of Object.entries(request.headers)) {
    if (typeof value === 'string') flat[name] = value;
    else if (value !== undefined) flat[name] = value.join(', ');
  }
  return flat;
}

/** `ADDRESS:PORT` of the peer. */
export function remoteOf(request: IncomingMessage): string {
  return `${request.socket.remoteAddress ?? ''}:${request.socket.remotePort ?? ''}`;
}
