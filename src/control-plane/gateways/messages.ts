import { z } from 'zod';
import { isLevelKey } from '../../contract/breaker.ts';
import { MalformedJson, parseText } from '../../contract/strict-json.ts';
import { AUDIT_PAGE, type FromGateway, SHOWN_PAGE } from '../../contract/zone-link.ts';
import { rehearsal } from './rehearsal.ts';

const id = z.int().min(0);
const bundleId = z.strictObject({ version: z.int().min(1), digest: z.string().max(64) });
const counts = z.record(z.string(), z.int());
const count = z.int().min(0);
/** Milliseconds for which a budget can count: a month, and what is kept of it behind that. */
const LONGEST_BUDGET = 100 * 24 * 60 * 60 * 1000;

/** What a gateway may say. Zone 1 is where strangers come in: what zone 0 hears from it is looked at like anybody's. */
const fromGateway = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('status'),
    held: bundleId.exactOptional(),
    port: z.int().min(1).max(65_535).exactOptional(),
    serving: z.boolean(),
  }),
  z.strictObject({ kind: z.literal('shown'), text: z.string().max(SHOWN_PAGE), size: z.int().min(0) }),
  z.strictObject({ kind: z.literal('listening'), port: z.int().min(1).max(65_535) }),
  z.strictObject({ kind: z.literal('applied'), held: bundleId }),
  z.strictObject({ kind: z.literal('rehearsed'), rehearsal }),
  z.strictObject({ kind: z.literal('audited'), lines: z.string().max(AUDIT_PAGE), size: z.int().min(0) }),
  z.strictObject({
    kind: z.literal('issuer'),
    id,
    request: z.strictObject({
      method: z.string(),
      url: z.string(),
      headers: z.record(z.string(), z.string()),
      body: z.string(),
    }),
  }),
  z.strictObject({
    kind: z.literal('confirm'),
    id,
    call: z.strictObject({
      subject: z.string(),
      tenant: z.string(),
      subjectKey: z.string(),
      server: z.string(),
      tool: z.string(),
      arguments: z.string(),
      approver: z.literal('operator').exactOptional(),
    }),
  }),
  z.strictObject({
    kind: z.literal('lease'),
    id,
    wish: z.strictObject({
      server: z.string(),
      tenant: z.string(),
      subject: z.string(),
      incident: z.string(),
      isPerson: z.literal(true).exactOptional(),
      client: z.string().exactOptional(),
      presented: z.string().exactOptional(),
      refused: z.number().exactOptional(),
      lacking: z.string().exactOptional(),
    }),
  }),
  z.strictObject({
    kind: z.literal('prove'),
    id,
    wish: z
      .strictObject({ lease: z.string(), method: z.string(), nonce: z.string().optional() })
      .transform(({ lease, method, nonce }) => ({ lease, method, nonce })),
  }),
  z.strictObject({ kind: z.literal('revoke'), leases: z.array(z.string()) }),
  z.strictObject({
    kind: z.literal('spent'),
    spendings: z.array(
      z.strictObject({
        key: z.string().min(1).max(4096),
        limit: z.int().min(0),
        ttl: z.int().min(0).max(LONGEST_BUDGET),
        spent: z.int().min(0),
        reached: z.number().optional(),
      }),
    ),
  }),
  z.strictObject({
    kind: z.literal('turned'),
    turned: z.array(
      z.strictObject({
        key: z.string().max(4096).refine(isLevelKey),
        to: z.enum(['open', 'closed']),
        evidence: z.strictObject({ calls: count, slow: count, faults: count }),
      }),
    ),
  }),
  z.strictObject({ kind: z.literal('counts'), calls: z.int(), refusals: counts, memory: z.int() }),
  z.strictObject({
    kind: z.literal('refused'),
    exit: z.literal([2, 3]),
    message: z.string(),
    server: z.string().exactOptional(),
  }),
]) satisfies z.ZodType<FromGateway>;

/** @throws Error for anything but a message of a gateway's */
export function readMessage(text: string): FromGateway {
  try {
    return fromGateway.parse(parseText(text));
  } catch (error) {
    if (error instanceof MalformedJson) throw new Error(`what it said is not JSON: ${error.message}`);
    throw new Error(`what it said is no message: ${error instanceof z.ZodError ? z.prettifyError(error) : error}`);
  }
}
