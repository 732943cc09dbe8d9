import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseAllDocuments, type YAMLMap } from 'yaml';
import type { Finding, Rule } from './finding.ts';

const rule = (id: string, level: Rule['level'], standard: string, text: string): Rule => ({
  id,
  level,
  standard,
  text,
});

const rules = {
  socket: rule('manifest.runtime-socket', 'error', 'CIS Docker 5.32', 'the container can command its runtime'),
  privileged: rule('manifest.privileged', 'error', 'CIS Docker 5.5', 'the container is privileged'),
  host: rule(
    'manifest.host-namespace',
    'error',
    'CIS Docker 5.10, 5.16, 5.17',
    'the container shares a namespace of the host',
  ),
  path: rule('manifest.host-path', 'error', 'CIS Docker 5.6', 'the container has a path of the host that rules it'),
  capability: rule(
    'manifest.capability',
    'error',
    'CIS Docker 5.4',
    'the container has a capability that rules the host',
  ),
  unconfined: rule(
    'manifest.unconfined',
    'error',
    'CIS Docker 5.22',
    'the container runs without its seccomp or LSM profile',
  ),
  limits: rule('manifest.no-memory-limit', 'error', 'CIS Docker 5.11', 'the container has no memory limit'),
  hostPath: rule('manifest.hostpath', 'error', 'NIST SP 800-190 §4.4', 'the pod mounts a path of its node'),
  escalation: rule('manifest.escalation', 'warning', 'NIST SP 800-190 §4.4', 'the container may gain privileges'),
} as const;

const SOCKET = /(?:docker|containerd|crio|cri-dockerd|podman|buildkitd)\.sock\b/;
const RULING = /^\/(?:$|etc|proc|sys|dev|boot|root|var(?:\/(?:run|lib))?\/?$|run\/?$|usr|home\/?$)/;
const CAPABILITY =
  /^(?:CAP_)?(?:ALL|SYS_ADMIN|SYS_PTRACE|SYS_MODULE|SYS_RAWIO|DAC_READ_SEARCH|NET_ADMIN|BPF|SYS_BOOT)$/i;

/** Judges compose files and Kubernetes manifests by what lets a container out of itself (abuse case A10); others have no findings. */
export function scanManifest(file: string, source: string): readonly Finding[] {
  const lines = new LineCounter();
  const found: Finding[] = [];
  for (const document of parseAllDocuments(source, { lineCounter: lines })) {
    const root: unknown = document.contents;
    if (!isMap(root)) continue;
    const add = (one: Rule, node: unknown, what: string): void => {
      const at = (node as Node | undefined)?.range?.[0] ?? 0;
      found.push({ rule: one, file, line: lines.linePos(at).line, what });
    };
    const services = root.get('services');
    if (isMap(services))
      for (const { key, value } of services.items) if (isMap(value)) judgeService(String(key), value, add);
    if (root.has('kind') && root.has('apiVersion')) walk(root, (map) => judgePod(map, add));
  }
  return found;
}

type Add = (rule: Rule, node: unknown, what: string) => void;

function judgeService(name: string, service: YAMLMap, add: Add): void {
  for (const volume of itemsOf(service, 'volumes')) {
    const text = isMap(volume) ? String(volume.get('source') ?? '') : isScalar(volume) ? String(volume.value) : '';
    judgePath(isMap(volume) ? text : (text.split(':')[0] ?? ''), volume, `${name}: ${text}`, add);
  }
  judgeContainer(name, service, add);
  for (const key of ['pid', 'ipc', 'network_mode', 'userns_mode', 'uts'])
    if (service.get(key) === 'host') add(rules.host, service.get(key, true), `${name}: ${key}: host`);
  for (const one of itemsOf(service, 'cap_add')) judgeCapability(name, one, add);
  for (const one of itemsOf(service, 'security_opt'))
    if (isScalar(one) && /:\s?unconfined$/.test(String(one.value))) add(rules.unconfined, one, `${name}: ${one.value}`);
  const limit = service.get('mem_limit') ?? service.getIn(['deploy', 'resources', 'limits', 'memory']);
  if (limit === undefined) add(rules.limits, service, name);
}

function judgePod(map: YAMLMap, add: Add): void {
  for (const key of ['hostNetwork', 'hostPID', 'hostIPC'])
    if (map.get(key) === true) add(rules.host, map.get(key, true), `${key}: true`);
  for (const volume of itemsOf(map, 'volumes')) {
    const path = isMap(volume) ? volume.getIn(['hostPath', 'path']) : undefined;
    if (path === undefined) continue;
    add(SOCKET.test(String(path)) ? rules.socket : rules.hostPath, volume, String(path));
  }
  for (const key of ['containers', 'initContainers', 'ephemeralContainers'])
    for (const container of itemsOf(map, key)) {
      if (!isMap(container)) continue;
      const name = String(container.get('name') ?? '');
      const context = container.get('securityContext');
      if (isMap(context)) {
        judgeContainer(name, context, add);
        for (const one of itemsOf(context.get('capabilities'), 'add')) judgeCapability(name, one, add);
      }
      if (!isMap(context) || context.get('allowPrivilegeEscalation') !== false) add(rules.escalation, container, name);
      if (container.getIn(['resources', 'limits', 'memory']) === undefined) add(rules.limits, container, name);
    }
}

function judgeContainer(name: string, settings: YAMLMap, add: Add): void {
  if (settings.get('privileged') === true) add(rules.privileged, settings.get('privileged', true), name);
}

function judgePath(path: string, node: unknown, what: string, add: Add): void {
  if (SOCKET.test(path)) add(rules.socket, node, what);
  else if (RULING.test(path)) add(rules.path, node, what);
}

function judgeCapability(name: string, node: unknown, add: Add): void {
  if (isScalar(node) && CAPABILITY.test(String(node.value))) add(rules.capability, node, `${name}: ${node.value}`);
}

function itemsOf(map: unknown, key: string): readonly unknown[] {
  const list = isMap(map) ? map.get(key) : undefined;
  return isSeq(list) ? list.items : [];
}

/** Pod specifications lie at different depths in the kinds that have one. */
function walk(root: YAMLMap, see: (map: YAMLMap) => void): void {
  const open: unknown[] = [root];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (isMap(next)) {
      see(next);
      open.push(...next.items.map(({ value }: Pair) => value).filter((value) => value !== null));
    } else if (isSeq(next)) open.push(...next.items.filter((item) => item !== null));
  }
}
