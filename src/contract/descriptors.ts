import type { JsonObject } from './json.ts';
import type { RateLimit, ToolCost } from './limits.ts';

/** One tool, prompt or resource template as the server wrote it: raw JSON text and its SHA-256 (`sha256-BASE64`). */
export interface PinnedDescriptor {
  readonly name: string;
  readonly raw: string;
  readonly digest: string;
}

/** What a server said of itself when it was reviewed. Clients are answered from this, never from the live server. */
export interface PinnedServer {
  readonly name: string;
  readonly protocolVersion: string;
  readonly capabilities: JsonObject;
  readonly serverInfo: JsonObject;
  readonly instructions?: string;
  /** How often a person has let it be called again after it had said something else; absent: never. */
  readonly reviews?: number;
  readonly tools: readonly PinnedDescriptor[];
  readonly prompts: readonly PinnedDescriptor[];
  readonly resourceTemplates: readonly PinnedDescriptor[];
}

/** What counts as trouble with a tool. */
export interface BreakerSettings {
  /** Milliseconds that one call in a hundred may be slower than. */
  readonly p99: number;
  /** Whether a result with `isError` is the server's own failure; otherwise it is about what the caller asked. */
  readonly is_error: 'answer' | 'fault';
  /** Whether its failures say anything: of a tool that fails by nature they do not. */
  readonly errors: 'count' | 'ignore';
}

/** Per-tool settings of the configuration that the gateway needs. */
export interface ToolSettings {
  /** JSON Pointers into the tool's inputSchema at which additional properties stay allowed. */
  readonly open_schema?: readonly string[];
  /** JSON Pointers into the arguments, `*` for each element of an array, whose strings are code. */
  readonly code?: readonly string[];
  /** A person confirms each call with a passkey. */
  readonly step_up?: 'mfa' | undefined;
  /** Of all its callers together. */
  readonly rate?: RateLimit | undefined;
  /** Its calls cost money; absent: they do not. */
  readonly cost?: ToolCost | undefined;
  /** Absent: what a breaker holds of every tool. */
  readonly breaker?: BreakerSettings | undefined;
  /** Labels of the data that it reads, and of where it writes to. */
  readonly reads?: readonly string[] | undefined;
  readonly writes?: readonly string[] | undefined;
}
