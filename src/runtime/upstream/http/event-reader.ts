import { isUtf8 } from 'node:buffer';
import { UpstreamFailure } from '../upstream.ts';
import { Collector } from './collector.ts';
import { bad } from './failures.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const NEW_LINE = Buffer.from('\n');
const BYTE_ORDER_MARK = Buffer.from('\ufeff');
/** What can be repeated in `Last-Event-ID` without being altered on the way (RFC 9110 §5.5). */
const USABLE_ID = /^[\x21-\x7e]([\x20-\x7e]{0,1022}[\x21-\x7e])?$/;

/**
 * Reads an event stream (HTML Living Standard, Server-sent events). It holds the bytes of one event and no more than
 * `max` of them, into however many pieces the server cuts them.
 */
export class EventReader {
  /** Of the last event that had one; undefined where that cannot be sent back. */
  lastId: string | undefined;
  /** Milliseconds to wait before coming back, where the server said so. */
  retry: number | undefined;
  readonly #max: number;
  readonly #onData: (data: string) => void;
  readonly #line = new Collector();
  #begun = false;
  #skipLineFeed = false;
  readonly #data = new Collector();
  #hasData = false;
  #named = false;
  #id: { readonly value: string | undefined } | undefined;

  /** @param onData receives the data of each `message` event that has any */
  constructor(max: number, onData: (data: string) => void) {
    this.#max = max;
    this.#onData = onData;
  }

  /** @throws UpstreamFailure `size` above the bound, `upstream` on text that is not UTF-8; and what `onData` throws */
  push(chunk: Buffer): void {
    let at = 0;
    let [feed, carriage] = [chunk.indexOf(LINE_FEED), chunk.indexOf(CARRIAGE_RETURN)];
    if (this.#skipLineFeed && chunk.length > 0) {
      if (feed === 0) feed = chunk.indexOf(LINE_FEED, ++at);
      this.#skipLineFeed = false;
    }
    while (feed !== -1 || carriage !== -1) {
      const atCarriage = carriage !== -1 && (feed === -1 || carriage < feed);
      const end = atCarriage ? carriage : feed;
      this.#ended(chunk.subarray(at, end));
      at = end + 1;
      if (atCarriage && at === chunk.length) this.#skipLineFeed = true;
      else if (atCarriage && feed === at) at++;
      if (feed !== -1 && feed < at) feed = chunk.indexOf(LINE_FEED, at);
      if (carriage !== -1 && carriage < at) carriage = chunk.indexOf(CARRIAGE_RETURN, at);
    }
    if (at < chunk.length) this.#hold(chunk.subarray(at));
  }

  #hold(piece: Buffer): void {
    this.#bound(this.#line.length + piece.length);
    this.#line.push(piece);
  }

  #ended(rest: Buffer): void {
    let line = rest;
    if (this.#line.length > 0) {
      this.#hold(rest);
      line = this.#line.bytes;
      this.#line.clear();
    } else this.#bound(rest.length);
    if (!this.#begun && line.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK))
      line = line.subarray(BYTE_ORDER_MARK.length);
    this.#begun = true;
    if (line.length === 0) this.#dispatch();
    else this.#field(line);
  }

  #field(line: Buffer): void {
    const colon = line.indexOf(COLON);
    const name = line.toString('latin1', 0, colon === -1 ? line.length : colon);
    const start = colon === -1 ? line.length : line[colon + 1] === SPACE ? colon + 2 : colon + 1;
    const value = line.subarray(start);
    if (name === 'data') this.#addData(value);
    else if (name === 'event') this.#named = value.length > 0 && value.toString('latin1') !== 'message';
    else if (name === 'id' && !value.includes(0)) this.#id = { value: usable(value.toString('latin1')) };
    else if (name === 'retry') this.retry = milliseconds(value.toString('latin1')) ?? this.retry;
  }

  #addData(value: Buffer): void {
    if (this.#hasData) this.#data.push(NEW_LINE);
    this.#data.push(value);
    this.#hasData = true;
  }

  #dispatch(): void {
    const data = this.#data.bytes;
    const heard = !this.#named;
    if (this.#id !== undefined) this.lastId = this.#id.value;
    this.#data.clear();
    this.#hasData = false;
    this.#named = false;
    this.#id = undefined;
    // An event without data only carries an id (SSE polling, MCP 2025-11-25).
    if (!heard || data.length === 0) return;
    if (!isUtf8(data)) throw bad('an event stream that is not UTF-8');
    this.#onData(data.toString('utf8'));
  }

  #bound(line: number): void {
    if (line + this.#data.length > this.#max)
      throw new UpstreamFailure('size', `an event of more than ${this.#max} bytes`);
  }
}

function usable(id: string): string | undefined {
  return USABLE_ID.test(id) ? id : undefined;
}

function milliseconds(value: string): number | undefined {
  return /^\d+$/.test(value) ? Number.parseInt(value, 10) : undefined;
}
