/** One HTTP answer of the edge. Header names in lower case; length and hop-by-hop headers are the edge's own. */
export interface Answer {
  readonly status: number;
  /** A list is as many header lines: cookies cannot be joined (RFC 6265 §3). */
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: string;
}
