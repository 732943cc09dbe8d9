import type { Answer } from '../../contract/answer.ts';
import type { ServerSentEvent } from '../../contract/event-stream.ts';
import type { Arrived, Vouched } from '../../contract/tool-call.ts';

/** A request as the gateway that it came to carries it to another one, which answers it. */
export interface Carried extends Vouched {
  readonly head: Pick<
    Arrived,
    'incident' | 'at' | 'remote' | 'server' | 'transport' | 'httpMethod' | 'query' | 'headers'
  >;
  /** Base64: nobody has looked whether it is text. */
  readonly body: string;
}

/** What two gateways say about one such request; `leg` is its number at the one that it came to. */
export type Message =
  | { readonly kind: 'request'; readonly leg: number; readonly carried: Carried }
  /** Its client has gone. */
  | { readonly kind: 'gone'; readonly leg: number }
  /** The answer becomes a stream, has one more event, ends as a stream. */
  | { readonly kind: 'open'; readonly leg: number; readonly headers: Readonly<Record<string, string>> | undefined }
  | { readonly kind: 'event'; readonly leg: number; readonly event: ServerSentEvent }
  | { readonly kind: 'end'; readonly leg: number }
  | { readonly kind: 'answer'; readonly leg: number; readonly answer: Answer }
  /** Nothing: whether it is received tells whether its receiver lives. */
  | { readonly kind: 'pulse' };
