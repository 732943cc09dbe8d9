import { connect, type TLSSocket } from 'node:tls';
import type { Clock } from '../../contract/clock.ts';
import {
  encodeMessage,
  gatewayId,
  LINK_NAME,
  LINK_PULSE,
  LINK_SILENCE,
  LINK_TLS,
  type LinkAddress,
  MessageReader,
  onlyName,
} from '../../contract/control-link.ts';
import type { FromGateway, ToGateway } from '../../contract/zone-link.ts';
import { readMessage } from './messages.ts';

/** Bytes of one message of a gateway's. */
const MAX_MESSAGE = 8 * 1024 * 1024;
/** Milliseconds until the next attempt: doubled each time, up to the second. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5000;

export interface DialOptions {
  /** Who has to be there: its certificate must name this gateway alone. */
  readonly gateway: string;
  readonly address: LinkAddress;
  /** The zones' authority, PEM. */
  readonly authority: string;
  /** A fresh certificate of zone 0's, made for each connection and never written. */
  readonly leaf: () => Promise<{ readonly key: string; readonly cert: string }>;
  readonly clock: Clock;
  readonly up: () => void;
  readonly message: (message: FromGateway) => void;
  readonly down: (reason: string) => void;
}

export interface Dialled {
  /** Nothing is kept for later: a message to a gateway that is away is lost. */
  send(message: ToGateway): void;
  /** Ends the connection; another is made. */
  again(reason: string): void;
  close(): void;
}

/** Keeps one connection to a gateway: zone 0 dials, whenever there is none. */
export function keepDialled(options: DialOptions): Dialled {
  const { clock } = options;
  let socket: TLSSocket | undefined;
  let pause = FIRST_PAUSE;
  let isClosed = false;
  let cancel = (): void => undefined;

  async function dial(): Promise<void> {
    const leaf = await options.leaf();
    if (isClosed) return;
    const opened = open(options, leaf);
    socket = opened;
    let isUp = false;
    let reason = 'closed by the gateway';
    opened.on('error', (error) => {
      reason = error.message;
    });
    opened.on('secureConnect', () => {
      isUp = true;
      pulse(opened);
      options.up();
    });
    receive(opened, (message) => {
      // Only what it says shows that it has let us in (with TLS 1.3 its verdict comes after our handshake is over).
      pause = FIRST_PAUSE;
      options.message(message);
    });
    opened.on('close', () => {
      socket = undefined;
      if (isClosed) return;
      options.down(isUp ? reason : `no connection: ${reason}`);
      later();
    });
  }

  function later(): void {
    cancel = clock.setTimer(() => void dial().catch((error: unknown) => retry(String(error))), pause);
    pause = Math.min(2 * pause, LONGEST_PAUSE);
  }

  function retry(reason: string): void {
    options.down(reason);
    later();
  }

  function pulse(opened: TLSSocket): void {
    if (opened.destroyed) return;
    opened.write(encodeMessage({ kind: 'pulse' }));
    clock.setTimer(() => pulse(opened), LINK_PULSE);
  }

  void dial().catch((error: unknown) => retry(String(error)));
  return {
    send: (message) => void (socket && !socket.destroyed && socket.write(encodeMessage(message))),
    again: (reason) => socket?.destroy(new Error(reason)),
    close() {
      isClosed = true;
      cancel();
      socket?.destroy();
    },
  };
}

function open({ address, authority, gateway }: DialOptions, leaf: { key: string; cert: string }): TLSSocket {
  return connect({
    ...LINK_TLS,
    ...address,
    ...leaf,
    ca: [authority],
    servername: LINK_NAME,
    rejectUnauthorized: true,
    checkServerIdentity: (_, { subjectaltname }) =>
      subjectaltname === onlyName(gatewayId(gateway))
        ? undefined
        : new Error(`not the gateway ${gateway}: ${subjectaltname ?? 'no name'}`),
  });
}

function receive(socket: TLSSocket, message: (message: FromGateway) => void): void {
  const reader = new MessageReader(MAX_MESSAGE);
  socket.setTimeout(LINK_SILENCE, () => socket.destroy(new Error('it has gone silent')));
  socket.on('data', (chunk) => {
    try {
      for (const text of reader.push(chunk)) message(readMessage(text));
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  });
}
