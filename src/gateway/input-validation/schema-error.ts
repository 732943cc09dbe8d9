/** A pinned schema that cannot be enforced as it stands, or a setting that does not fit it: nothing is let through. */
export class SchemaError extends Error {
  /** The tool, under its server's own name for it. */
  readonly tool: string;
  /** JSON Pointer into the inputSchema. */
  readonly pointer: string;
  readonly why: string;

  constructor(tool: string, pointer: string, why: string) {
    super(`tool ${tool}: inputSchema at ${pointer === '' ? 'its root' : pointer}: ${why}`);
    this.tool = tool;
    this.pointer = pointer;
    this.why = why;
  }
}
