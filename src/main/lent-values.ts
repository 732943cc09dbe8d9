/** Values that are lent at this moment: no record and no line of the log has one of them, whoever said it. */
class LentValues {
  /** Value → how often it is lent. */
  readonly #values = new Map<string, number>();

  hold(value: string): void {
    this.#values.set(value, (this.#values.get(value) ?? 0) + 1);
  }

  release(value: string): void {
    const left = (this.#values.get(value) ?? 1) - 1;
    if (left > 0) this.#values.set(value, left);
    else this.#values.delete(value);
  }

  /** @param text plain, or JSON */
  strip(text: string): string {
    let stripped = text;
    for (const value of this.#values.keys())
      for (const form of [value, JSON.stringify(value).slice(1, -1)])
        stripped = stripped.replaceAll(form, '[redacted:lent-secret]');
    return stripped;
  }
}

export const lentValues = new LentValues();
