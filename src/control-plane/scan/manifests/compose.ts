import { isMap } from 'yaml';
import type { Rule } from '../finding.ts';
import type { Node, View } from './node.ts';
import { ofPath, RUNTIME_HOST, rules, rulesHost } from './rules.ts';

export type Add = (rule: Rule, node: Node | undefined, what: string) => void;

/** Judges a compose file, as the Compose Specification has it. */
export function judgeCompose(root: Node, view: View, add: Add): void {
  for (const key of ['include', 'extends']) {
    const node = view.member(root, key);
    if (node !== undefined) add(rules.elsewhere, node, key);
  }
  // A named volume may be a path of the host all the same.
  for (const [name, volume] of view.entries(view.member(root, 'volumes')))
    judgePath(view.text(view.at(volume, 'driver_opts', 'device')), volume, name, add);
  for (const kind of ['configs', 'secrets'])
    for (const [name, one] of view.entries(view.member(root, kind)))
      judgePath(view.text(view.member(one, 'file')), one, name, add);
  for (const [name, service] of view.entries(view.member(root, 'services'))) judgeService(name, service, view, add);
}

function judgeService(name: string, service: Node, view: View, add: Add): void {
  const member = (key: string): Node | undefined => view.member(service, key);
  const extended = member('extends');
  if (extended !== undefined) add(rules.elsewhere, extended, `${name}: extends`);
  for (const volume of view.items(member('volumes'))) {
    const text = isMap(volume) ? view.text(view.member(volume, 'source')) : view.text(volume);
    judgePath(isMap(volume) ? text : sourceOf(text), volume, `${name}: ${text}`, add);
  }
  for (const device of view.items(member('devices'))) {
    const text = view.text(isMap(device) ? view.member(device, 'source') : device);
    add(rules.device, device, `${name}: ${text}`);
  }
  if (member('device_cgroup_rules') !== undefined) add(rules.device, member('device_cgroup_rules'), name);
  for (const part of [service, member('build')])
    if (view.isTrue(view.member(part, 'privileged'))) add(rules.privileged, view.member(part, 'privileged'), name);
  for (const key of ['pid', 'ipc', 'network_mode', 'userns_mode', 'uts', 'cgroup'])
    if (view.text(member(key)) === 'host') add(rules.host, member(key), `${name}: ${key}: host`);
  if (view.text(view.at(service, 'build', 'network')) === 'host') add(rules.host, member('build'), `${name}: build`);
  const networks = view.member(service, 'networks');
  const named = isMap(networks)
    ? view.entries(networks).map(([key]) => key)
    : view.items(networks).map((one) => view.text(one));
  if (named.includes('host')) add(rules.host, networks, `${name}: networks: host`);
  for (const one of view.items(member('cap_add')))
    if (rulesHost(view.text(one))) add(rules.capability, one, `${name}: ${view.text(one)}`);
  for (const one of view.items(member('security_opt')))
    if (/^(?:(?:seccomp|apparmor|systempaths)\s*[:=]\s*unconfined|label\s*[:=]\s*disable)$/i.test(view.text(one)))
      add(rules.unconfined, one, `${name}: ${view.text(one)}`);
  for (const [key, text, node] of environmentOf(member('environment'), view))
    if (key === 'DOCKER_HOST' && RUNTIME_HOST.test(text)) add(rules.socket, node, `${name}: ${key}=${text}`);
  const limit = member('mem_limit') ?? view.at(service, 'deploy', 'resources', 'limits', 'memory');
  if (limit === undefined || /^(?:0|-1|)$/.test(view.text(limit))) add(rules.limits, service, name);
}

/** `SOURCE:TARGET[:MODE]` */
function sourceOf(text: string): string {
  return text.split(/:(?!\\)/)[0] ?? '';
}

function environmentOf(value: Node | undefined, view: View): readonly (readonly [string, string, Node])[] {
  if (isMap(value)) return view.entries(value).map(([key, node]) => [key, view.text(node), node] as const);
  return view.items(value).map((node) => {
    const [key = '', ...text] = view.text(node).split('=');
    return [key, text.join('='), node] as const;
  });
}

function judgePath(path: string, node: Node, what: string, add: Add): void {
  const found = ofPath(path);
  if (found !== undefined) add(found, node, what);
  else if (/[$]/.test(path)) add(rules.elsewhere, node, what);
}
