declare module '@npmcli/config' {
  /** npm's own reader of npmrc files and `npm_config_*`; the part that is used here. */
  export default class Config {
    constructor(options: {
      readonly definitions: unknown;
      readonly shorthands: unknown;
      readonly flatten: unknown;
      readonly npmPath: string;
      readonly argv: readonly string[];
      readonly env: Record<string, string | undefined>;
      readonly cwd: string;
      readonly warn: boolean;
    });
    load(): Promise<void>;
    /** Options as pacote and arborist take them. */
    readonly flat: Record<string, unknown>;
  }
}

declare module '@npmcli/config/lib/definitions/index.js' {
  const settings: { readonly definitions: unknown; readonly shorthands: unknown; readonly flatten: unknown };
  export default settings;
}
