/** One HTTP answer of the edge. Header names in lower case; length and hop-by-hop headers are the edge's own. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
