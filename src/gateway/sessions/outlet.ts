/** Where the calls of one HTTP request say what they have to say. */
export interface Outlet {
  /** One more call speaks here. */
  join(): void;
  /** @returns whether the client can come to read it; false: nobody is there, and nobody can come back */
  send(message: string): boolean;
  /** One call is over; the answer goes out here only where the client is waiting for it here. */
  leave(answer: string | undefined): void;
}
