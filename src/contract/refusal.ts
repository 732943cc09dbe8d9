/**
 * The one refusal table: code → HTTP status, JSON-RPC code, the caller's text, the caller's reason, the standard.
 *
 * The caller gets `text` and an incident id; `detail` goes to the audit log and nowhere else.
 * Own JSON-RPC codes stay outside −32768…−32000, which JSON-RPC 2.0 §5.1 and MCP reserve.
 */
export type Reason =
  | 'validation'
  | 'policy'
  | 'step-up'
  | 'approval'
  | 'rate'
  | 'budget'
  | 'breaker'
  | 'isolation'
  | 'upstream'
  | 'size';

interface Row {
  readonly http: number;
  /** HTTP status for requests of 2026-07-28, where it differs. */
  readonly httpModern?: number;
  readonly rpc: number;
  /** JSON-RPC code for requests of 2026-07-28, where it differs. */
  readonly rpcModern?: number;
  readonly text: string;
  readonly reason?: Reason;
  readonly standard: string;
}

export const refusals = {
  unauthenticated: { http: 421, rpc: 1421, text: 'Misdirected request', standard: 'RFC 9110 §15.5.20' },
  /** Only whoever has a good token, its key and a good proof gets as far as this. */
  'dpop-nonce': { http: 401, rpc: 1401, text: 'Use the nonce', standard: 'RFC 9449 §9' },
  'token-in-query': { http: 400, rpc: -32600, text: 'Invalid request', standard: 'RFC 9700 §4.3.2' },
  host: { http: 403, rpc: 1403, text: 'Forbidden', standard: 'MCP 2025-11-25 transports, Security Warning' },
  origin: { http: 403, rpc: 1403, text: 'Forbidden', standard: 'MCP 2025-11-25 transports, Security Warning' },
  'http-method': { http: 405, rpc: -32600, text: 'Method not allowed', standard: 'RFC 9110 §15.5.6' },
  'media-type': { http: 415, rpc: -32600, text: 'Unsupported media type', standard: 'RFC 9110 §15.5.16' },
  'not-acceptable': { http: 406, rpc: -32600, text: 'Not acceptable', standard: 'RFC 9110 §15.5.7' },
  'body-size': { http: 413, rpc: -32600, text: 'Content too large', reason: 'size', standard: 'RFC 9110 §15.5.14' },
  'body-timeout': { http: 408, rpc: -32600, text: 'Request timeout', standard: 'RFC 9110 §15.5.9' },
  parse: { http: 400, rpc: -32700, text: 'Parse error', standard: 'JSON-RPC 2.0 §5.1' },
  'invalid-request': { http: 400, rpc: -32600, text: 'Invalid request', standard: 'JSON-RPC 2.0 §5.1' },
  'protocol-version': { http: 400, rpc: -32600, text: 'Bad protocol version', standard: 'MCP 2025-06-18 transports' },
  'unsupported-version': { http: 400, rpc: -32022, text: 'Unsupported protocol version', standard: 'MCP 2026-07-28' },
  'header-mismatch': { http: 400, rpc: -32020, text: 'Headers do not match the body', standard: 'MCP 2026-07-28' },
  /** Also for a session that is another subject's. */
  'unknown-session': { http: 404, rpc: 1404, text: 'Session not found', standard: 'MCP 2025-11-25 transports' },
  /** One stream at a time for what belongs to no call. */
  'stream-taken': {
    http: 409,
    rpc: 1409,
    text: 'The session has this stream already',
    standard: 'RFC 9110 §15.5.10',
  },
  'missing-capability': {
    http: 400,
    rpc: -32021,
    text: 'The client lacks a capability that this needs',
    standard: 'MCP 2026-07-28',
  },
  /** A `requestState` that was altered, has expired, or was made for somebody or something else. */
  'request-state': { http: 200, rpc: -32602, text: 'Invalid params', standard: 'MCP 2026-07-28' },
  'missing-envelope': { http: 400, rpc: -32602, text: 'Invalid params', standard: 'MCP 2026-07-28' },
  'unknown-method': {
    http: 200,
    httpModern: 404,
    rpc: -32601,
    text: 'Method not found',
    standard: 'JSON-RPC 2.0 §5.1',
  },
  /** Also the answer for what the subject may not call at all: the two cannot be told apart. */
  unknown: { http: 200, rpc: -32602, text: 'Unknown tool, prompt or resource', standard: 'MCP 2025-11-25 tools' },
  'unknown-resource': {
    http: 200,
    rpc: -32002,
    rpcModern: -32602,
    text: 'Resource not found',
    standard: 'MCP 2025-11-25 resources',
  },
  /** Also for a task that is another subject's, of another endpoint, expired, or not permitted any more. */
  'unknown-task': { http: 200, rpc: -32602, text: 'Task not found', standard: 'MCP 2025-11-25 tasks' },
  /** Cancelled twice, or without a result because it was cancelled. */
  'task-over': { http: 200, rpc: -32602, text: 'The task is over', standard: 'MCP 2025-11-25 tasks' },
  params: { http: 200, rpc: -32602, text: 'Invalid params', reason: 'validation', standard: 'JSON-RPC 2.0 §5.1' },
  validation: {
    http: 200,
    rpc: -32602,
    text: 'Invalid arguments',
    reason: 'validation',
    standard: 'MCP 2025-11-25 tools',
  },
  /** The subject may, and this token of its may not. */
  scope: { http: 403, rpc: 1403, text: 'Insufficient scope', reason: 'policy', standard: 'RFC 6750 §3.1' },
  policy: { http: 200, rpc: 1403, text: 'Not permitted', reason: 'policy', standard: 'NIST SP 800-162' },
  /** Nobody has given this caller the credential that the server's calls need. */
  credential: { http: 200, rpc: 1403, text: 'Not permitted', reason: 'policy', standard: 'NIST SP 800-57' },
  /** A person has to confirm this one call, and the client cannot lead one to an address. */
  'step-up': { http: 403, rpc: 1401, text: 'Confirmation needed', reason: 'step-up', standard: 'RFC 9470 §3' },
  /** To a client of 2026-07-28 it is no error but a result that wants input. */
  'step-up-url': {
    http: 200,
    rpc: -32042,
    text: 'Confirmation needed',
    reason: 'step-up',
    standard: 'MCP 2025-11-25 elicitation, URL mode',
  },
  /** The person has to let us act for him at the remote server, and the client cannot lead one to an address. */
  authorize: { http: 200, rpc: 1401, text: 'Authorization needed', reason: 'approval', standard: 'RFC 6749 §4.1' },
  'authorize-url': {
    http: 200,
    rpc: -32042,
    text: 'Authorization needed',
    reason: 'approval',
    standard: 'MCP 2025-11-25 elicitation, URL mode',
  },
  rate: { http: 429, rpc: 1429, text: 'Too many requests', reason: 'rate', standard: 'RFC 6585 §4' },
  /** Policies want a person's approval of this call, and it was not given, or not in time. */
  'approval-call': {
    http: 200,
    rpc: 1403,
    text: 'Approval needed',
    reason: 'approval',
    standard: 'NIST SP 800-53 AC-3(2)',
  },
  /** The server says something else of its tool than what was reviewed. */
  changed: {
    http: 200,
    rpc: 1403,
    text: 'The tool has changed, and waits for approval',
    reason: 'approval',
    standard: 'OWASP LLM03:2025',
  },
  /** The result gives the model orders, and waits for the operator to read it. */
  approval: {
    http: 200,
    rpc: 1403,
    text: 'The answer waits for approval',
    reason: 'approval',
    standard: 'OWASP LLM01:2025',
  },
  budget: { http: 200, rpc: 1402, text: 'The budget is used up', reason: 'budget', standard: 'OWASP LLM10:2025' },
  /** The kill switch. */
  stopped: { http: 200, rpc: 1503, text: 'Switched off', reason: 'breaker', standard: 'NIST SP 800-53 IR-4' },
  /** The tool fails, or takes too long, and is left alone for a while. */
  breaker: {
    http: 200,
    rpc: 1503,
    text: 'The tool is out of order',
    reason: 'breaker',
    standard: 'NIST SP 800-53 SC-5',
  },
  overload: { http: 429, rpc: 1429, text: 'Too many requests', reason: 'rate', standard: 'RFC 6585 §4' },
  isolation: {
    http: 200,
    rpc: 1503,
    text: 'The tool could not be run',
    reason: 'isolation',
    standard: 'NIST SP 800-190',
  },
  /** The sandbox that was kept for a session has ended, for whatever reason; the next call begins in a fresh one. */
  'state-lost': {
    http: 200,
    rpc: 1503,
    text: 'The tool has ended, and what it remembered is lost',
    reason: 'isolation',
    standard: 'NIST SP 800-190',
  },
  upstream: { http: 200, rpc: 1502, text: 'The tool failed', reason: 'upstream', standard: 'OWASP ASVS 16.5' },
  size: { http: 200, rpc: 1413, text: 'The answer is too large', reason: 'size', standard: 'OWASP API4:2023' },
  /** The session has had as many bytes of answers as it may; a subject without one is told when (`rate`). */
  context: {
    http: 200,
    rpc: 1413,
    text: 'The session has been given as much as it may',
    reason: 'size',
    standard: 'OWASP LLM10:2025',
  },
  audit: { http: 503, rpc: 1500, text: 'Not available', standard: 'NIST SP 800-53 AU-5' },
  unavailable: { http: 503, rpc: 1500, text: 'Not available', standard: 'RFC 9110 §15.6.4' },
  internal: { http: 500, rpc: -32603, text: 'Internal error', standard: 'JSON-RPC 2.0 §5.1' },
} as const satisfies Record<string, Row>;

export type RefusalCode = keyof typeof refusals;

export function refusalRow(code: RefusalCode): Row {
  return refusals[code];
}

/** Thrown by a stage; the pipeline turns it into the one answer and the one record. */
export class Refusal extends Error {
  readonly code: RefusalCode;
  /** For the operator's log only. */
  readonly detail: string;
  /** Extra members of the JSON-RPC error's `data` that the protocol itself prescribes (e.g. `supported`). */
  readonly data: Readonly<Record<string, unknown>> | undefined;
  /** What the answer's head has to tell: the nonce (RFC 9449 §9), the scopes (RFC 6750 §3.1), seconds (RFC 9110 §10.2.3). */
  readonly challenge: string | undefined;

  constructor(code: RefusalCode, detail: string, data?: Readonly<Record<string, unknown>>, challenge?: string) {
    super(`${code}: ${detail}`);
    this.code = code;
    this.detail = detail;
    this.data = data;
    this.challenge = challenge;
  }
}
