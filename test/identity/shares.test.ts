import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Shares } from '../../src/gateway/authentication/shares.ts';

test('one key cannot fill the store of used proofs: it is refused for a while, and the others are not', () => {
  const shares = new Shares(610_000, 1000);
  const taken = (key: string, now: number) => shares.take(key, now);
  assert.equal(Array.from({ length: 5000 }, () => taken('greedy', 0)).filter(Boolean).length, 1000);
  assert.ok(taken('modest', 0));
  assert.equal(taken('greedy', 609_999), false);
  assert.ok(taken('greedy', 610_000));
  for (let at = 0; at < 30_000; at++) assert.ok(taken(`key-${at}`, 2_000_000 + at));
});
