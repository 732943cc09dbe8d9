/** Zone 1's end of asking zone 0 something, over the connection that zone 0 has opened. */
export class Asker<Question, Answer> {
  readonly #send: (id: number, question: Question) => boolean;
  readonly #away: Answer;
  readonly #asked = new Map<number, (answer: Answer) => void>();
  #lastAsked = 0;

  /**
   * @param send returns false when zone 0 is not there
   * @param away what counts as the answer then
   */
  constructor(send: (id: number, question: Question) => boolean, away: Answer) {
    this.#send = send;
    this.#away = away;
  }

  ask(question: Question): Promise<Answer> {
    const id = ++this.#lastAsked;
    return new Promise((resolve) => {
      this.#asked.set(id, resolve);
      if (!this.#send(id, question)) this.answered(id, this.#away);
    });
  }

  /** Zone 0 has answered. */
  answered(id: number, answer: Answer): void {
    this.#asked.get(id)?.(answer);
    this.#asked.delete(id);
  }

  /** Zone 0 has gone; what was asked it will not answer. */
  lost(): void {
    for (const id of [...this.#asked.keys()]) this.answered(id, this.#away);
  }
}
