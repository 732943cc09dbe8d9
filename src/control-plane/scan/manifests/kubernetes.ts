import { isMap } from 'yaml';
import type { Add } from './compose.ts';
import type { Node, View } from './node.ts';
import { ofPath, rules, rulesHost } from './rules.ts';

/** Judges what of a manifest is of a pod, at whatever depth its kind has it (Pod Security Standards). */
export function judgePod(map: Node, view: View, add: Add): void {
  for (const key of ['hostNetwork', 'hostPID', 'hostIPC'])
    if (view.isTrue(view.member(map, key))) add(rules.host, view.member(map, key), `${key}: true`);
  const path = view.text(view.at(map, 'hostPath', 'path'));
  if (path !== '') add(ofPath(path) === rules.socket ? rules.socket : rules.hostPath, map, path);
  for (const key of ['containers', 'initContainers', 'ephemeralContainers'])
    for (const container of view.items(view.member(map, key)))
      if (isMap(container)) judgeContainer(container, view, add);
  const context = view.member(map, 'securityContext');
  judgeProfile('pod', context, view, add);
  for (const [key, node] of view.entries(view.at(map, 'metadata', 'annotations')))
    if (/(?:apparmor|seccomp)/.test(key) && /unconfined$/.test(view.text(node))) add(rules.unconfined, node, key);
}

function judgeContainer(container: Node, view: View, add: Add): void {
  const name = view.text(view.member(container, 'name'));
  const context = view.member(container, 'securityContext');
  for (const path of [['privileged'], ['windowsOptions', 'hostProcess']])
    if (view.isTrue(view.at(context, ...path))) add(rules.privileged, view.at(context, ...path), name);
  for (const one of view.items(view.at(context, 'capabilities', 'add')))
    if (rulesHost(view.text(one))) add(rules.capability, one, `${name}: ${view.text(one)}`);
  if (view.text(view.member(context, 'procMount')) === 'Unmasked') add(rules.unconfined, context, `${name}: procMount`);
  if (view.text(view.member(context, 'allowPrivilegeEscalation')) !== 'false') add(rules.escalation, container, name);
  for (const device of view.items(view.member(container, 'volumeDevices'))) add(rules.device, device, name);
  const limit = view.text(view.at(container, 'resources', 'limits', 'memory'));
  if (/^0*$/.test(limit)) add(rules.limits, container, name);
}

function judgeProfile(name: string, context: Node | undefined, view: View, add: Add): void {
  for (const key of ['seccompProfile', 'appArmorProfile'])
    if (view.text(view.at(context, key, 'type')) === 'Unconfined') add(rules.unconfined, context, `${name}: ${key}`);
}
