import { randomBytes } from 'node:crypto';
import type { PolicySource } from '../../../contract/bundle.ts';
import { isObject, type Json } from '../../../contract/json.ts';
import type { PolicyProblem } from '../../../contract/loaded-policies.ts';
import type { PolicyEngine } from '../../../contract/policy-engine.ts';
import type { OpaSettings, PolicyWorld } from '../../../contract/policy-world.ts';
import { actionsOfPins, membersOf } from '../host/actions.ts';
import { nodes, type Rule, refOf, rulesOf } from './ast.ts';
import { ASK, complaint, OpaAway, OpaClient, type Said } from './client.ts';
import { comparedBy } from './compared.ts';
import { denyingEngine, opaEngine } from './engine.ts';
import { judge } from './judge.ts';
import { type Module, moduleOf, PACKAGE } from './module.ts';

/** After so many failures in a row OPA is not asked for so many milliseconds: nobody waits for what does not come. */
const FAILURES = 5;
const REST = 1000;

export interface LoadedRego {
  /** Denies everything when there is an error among the problems. */
  readonly engine: PolicyEngine;
  readonly problems: readonly PolicyProblem[];
  /** Ids of the policies, `file.rego:LINE`. */
  readonly policies: readonly string[];
  /** Groups of actions that are made of the pins, and their members. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  /** Takes the policies from OPA again; what is asked then is denied. */
  close(): Promise<void>;
}

/**
 * Hands Rego policies to an OPA, all or none, under a name that nothing else has, and judges what its compiler has made of
 * them. With an error among the problems they must not be used, and OPA has them no more.
 * @param report is told when OPA ceases to answer (why), and when it does so again
 * @param time milliseconds for an answer about a call
 * @throws OpaAway when OPA is not there
 */
export async function loadOpa(
  sources: readonly PolicySource[],
  world: PolicyWorld,
  settings: OpaSettings,
  report: (why: string | undefined) => void = () => undefined,
  time = ASK,
): Promise<LoadedRego> {
  const actions = actionsOfPins(world);
  const name = `b${randomBytes(8).toString('hex')}`;
  const own = ['data', PACKAGE, name];
  const { module, problems } = moduleOf(sources, name);
  const groups = membersOf(actions);
  const unusable = (found: readonly PolicyProblem[]): LoadedRego => {
    const engine = denyingEngine('the policies have errors');
    return { engine, problems: found, policies: [], groups, close: async () => undefined };
  };
  if (problems.length > 0) return unusable(problems);

  const client = new OpaClient(settings, time);
  const place = `/v1/policies/${PACKAGE}/${name}`;
  const close = async (): Promise<void> => {
    // An OPA that is away has forgotten them anyway, or will be found by whoever looks after it.
    await client.manage('DELETE', place).catch(() => undefined);
    await client.close();
  };
  try {
    const refused = await put(client, place, module, own);
    if (refused.length > 0) {
      await client.close();
      return unusable(refused);
    }
    const rules = compiled(await client.manage('GET', place), module, own);
    const found = judge(rules, module, own, world, actions);
    if (found.length > 0) {
      await close();
      return unusable(found);
    }
    const ids = idsOf(rules, module);
    const compared = comparedBy(rules, own);
    const line = new Line(client, () => put(client, place, module, own), report);
    const tell = (why: string | undefined) => line.tell(why);
    const engine = opaEngine({ actions, compared, ids, own, mark: module.mark, ask: line.ask.bind(line), tell });
    return { engine, problems: [], policies: [...ids.values()], groups, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @returns why OPA does not take it */
async function put(
  client: OpaClient,
  place: string,
  module: Module,
  own: readonly string[],
): Promise<readonly PolicyProblem[]> {
  const said = await client.manage('PUT', place, module.text);
  if (said.status === 200) return [];
  const errors = isObject(said.body) && Array.isArray(said.body.errors) ? said.body.errors.filter(isObject) : [];
  if (said.status !== 400 || errors.length === 0) throw new OpaAway(complaint(said));
  return errors.map(({ message, location }) => {
    const { row, col } = isObject(location) ? location : {};
    return {
      ...module.place(typeof row === 'number' ? row : 1),
      ...(typeof col === 'number' && { column: col }),
      severity: 'error',
      message: String(message).replaceAll(`${own.join('.')}.`, ''),
      mend: 'see the Rego policy language',
    };
  });
}

/** The rules as OPA's compiler has left them, without ours. @throws OpaAway where OPA does not show them so */
function compiled({ status, body }: Said, module: Module, own: readonly string[]): readonly Rule[] {
  const result = isObject(body) && isObject(body.result) ? body.result : {};
  const ast = isObject(result.ast) ? result.ast : {};
  const path = isObject(ast.package) && Array.isArray(ast.package.path) ? ast.package.path : [];
  const named = refOf({ type: 'ref', value: path })?.join('.');
  if (status !== 200 || result.raw !== module.text || named !== own.join('.'))
    throw new OpaAway('it does not have the policies that it was given');
  const rules = rulesOf(ast);
  // Names that are not resolved could be anything: our own rule shows whether they are.
  const isResolved = [...nodes(rules.at(-1)?.whole)].some(
    (node) => refOf(node)?.join('.') === `${own.join('.')}.permit`,
  );
  if (!isResolved) throw new OpaAway('it does not show policies as it has compiled them: OPA 1.0 or newer is needed');
  return rules.slice(0, -module.own);
}

function idsOf(rules: readonly Rule[], module: Module): ReadonlyMap<string, string> {
  const ids = rules.flatMap(({ name, member }) => {
    if (member === undefined) return [];
    const { file, line } = module.find(name, member);
    return [[member, `${file}:${line}`] as const];
  });
  return new Map(ids);
}

/** The way to one OPA: rested where it does not answer, and given its policies again where it has been started anew. */
class Line {
  readonly #client: OpaClient;
  readonly #restore: () => Promise<unknown>;
  readonly #report: (why: string | undefined) => void;
  #restoring: Promise<unknown> | undefined;
  #failures = 0;
  #rests = 0;
  #why: string | undefined;

  constructor(client: OpaClient, restore: () => Promise<unknown>, report: (why: string | undefined) => void) {
    this.#client = client;
    this.#restore = restore;
    this.#report = report;
  }

  /**
   * @param isThere whether OPA has answered by our policies
   * @throws OpaAway
   */
  async ask(path: string, question: Json, isThere: (said: Said) => boolean): Promise<Said> {
    if (performance.now() < this.#rests) throw new OpaAway(`not asked again so soon: ${this.#why}`);
    try {
      const said = await this.#client.ask(path, question);
      this.#failures = 0;
      if (isThere(said)) return said;
      // It has none of these policies: it has been started anew.
      this.#restoring ??= this.#restore().finally(() => {
        this.#restoring = undefined;
      });
      await this.#restoring;
      return await this.#client.ask(path, question);
    } catch (error) {
      if (++this.#failures >= FAILURES) this.#rests = performance.now() + REST;
      throw error;
    }
  }

  tell(why: string | undefined): void {
    if (why === this.#why || (why !== undefined && this.#why !== undefined)) return;
    this.#why = why;
    this.#report(why);
  }
}
