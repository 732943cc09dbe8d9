import { Refusal } from './refusal.ts';
import { StateUnavailable } from './state-store.ts';

/**
 * What a call needs of the state store. @param room who asks, for the log
 * @throws Refusal unavailable, where the store cannot tell
 */
export async function fromStore<T>(room: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof StateUnavailable) throw new Refusal('unavailable', `${room}: ${error.message}`);
    throw error;
  }
}
