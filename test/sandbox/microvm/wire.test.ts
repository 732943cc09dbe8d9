import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { suite, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { kinds, streams } from '../../../src/drivers/sandbox-driver/microvm/frames.ts';
import { Wire } from '../../../src/drivers/sandbox-driver/microvm/wire.ts';
import { verifies } from '../../support/verifies.ts';

/** A guest's port that is in the test's hands. */
class Guest extends Duplex {
  readonly sent: Buffer[] = [];
  readonly connections: Duplex[] = [];
  readonly wire = new Wire(this, {
    answer: () => {},
    connection: (stream) => void this.connections.push(stream),
  });
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.sent.push(chunk);
    done();
  }
  async says(...frames: Uint8Array[]): Promise<void> {
    for (const frame of frames) this.push(frame);
    await turn();
    await turn();
  }
  /** Bytes of a kind that the driver sent on a stream. */
  bytes(kind: number, stream: number): Buffer[] {
    return this.sent
      .filter((frame) => frame.readUInt16LE(6) === kind && frame.readUInt16LE(4) === stream)
      .map((frame) => frame.subarray(8));
  }
}

function frame(kind: number, stream: number, payload: Uint8Array = new Uint8Array(0), length = payload.length): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(length, 0);
  head.writeUInt16LE(stream, 4);
  head.writeUInt16LE(kind, 6);
  return Buffer.concat([head, payload]);
}

const credit = (bytes: number): Buffer => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32LE(bytes);
  return payload;
};

suite('the wire to a hostile guest', () => {
  test('whatever the guest says ends the wire or is taken, and never throws', async () => {
    verifies('sandbox.isolation');
    const hostile = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
        fc
          .tuple(fc.nat(40), fc.oneof(fc.nat(6), fc.nat(65_535)), fc.uint8Array({ maxLength: 32 }))
          .map(([kind, stream, payload]) => frame(kind, stream, payload)),
      ),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(hostile, async (said) => {
        const guest = new Guest();
        const stdout = guest.wire.stream(streams.stdout, { writable: false });
        stdout.resume();
        await guest.says(...said);
        assert.equal(guest.destroyed, guest.wire.broken !== undefined);
        guest.destroy();
        await turn();
      }),
      { numRuns: 300 },
    );
  });

  test('ends at a frame that is too long, at a stream over its window, and at one that was opened twice', async () => {
    const full = frame(kinds.data, streams.stdout, new Uint8Array(32 * 1024));
    const ways: Record<string, Buffer[]> = {
      'too long': [frame(kinds.data, streams.stdout, new Uint8Array(0), 32 * 1024 + 1)],
      'over its window': [full, full, frame(kinds.data, streams.stdout, new Uint8Array(1))],
      'opened twice': [frame(kinds.open, 4), frame(kinds.open, 4)],
      'opened below the connections': [frame(kinds.open, streams.stdin)],
      'opened beyond the most': [frame(kinds.open, streams.most)],
      'data where none may come': [frame(kinds.data, streams.stdin, new Uint8Array(1))],
    };
    for (const [way, said] of Object.entries(ways)) {
      const guest = new Guest();
      guest.wire.stream(streams.stdin, { readable: false });
      guest.wire.stream(streams.stdout, { writable: false });
      await guest.says(...said);
      assert.ok(guest.wire.broken, way);
    }
  });

  test('a guest that claims more credit than a window gets no more than a window', async () => {
    const guest = new Guest();
    const stdin = guest.wire.stream(streams.stdin, { readable: false });
    stdin.write(Buffer.alloc(1 << 20));
    await guest.says();
    const first = Buffer.concat(guest.bytes(kinds.data, streams.stdin)).length;
    await guest.says(frame(kinds.credit, streams.stdin, credit(0xffff_ffff)));
    const second = Buffer.concat(guest.bytes(kinds.data, streams.stdin)).length;
    assert.deepEqual([first, second], [64 * 1024, 128 * 1024]);
  });

  test('a reader that rests holds a window and grants no more until it reads', async () => {
    const guest = new Guest();
    const stdout = guest.wire.stream(streams.stdout, { writable: false });
    const full = frame(kinds.data, streams.stdout, new Uint8Array(32 * 1024));
    await guest.says(full, full);
    assert.deepEqual(guest.bytes(kinds.credit, streams.stdout), []);
    stdout.resume();
    await guest.says();
    assert.equal(
      guest.bytes(kinds.credit, streams.stdout).reduce((sum, payload) => sum + payload.readUInt32LE(), 0),
      64 * 1024,
    );
    assert.equal(guest.wire.broken, undefined);
  });

  test('the number of a stream whose both directions have ended is free for the next', async () => {
    const guest = new Guest();
    for (let round = 0; round < 3; round++) {
      await guest.says(frame(kinds.open, 4), frame(kinds.end, 4));
      guest.connections.at(-1)?.end();
      await guest.says();
    }
    assert.deepEqual([guest.connections.length, guest.wire.broken], [3, undefined]);
  });
});
