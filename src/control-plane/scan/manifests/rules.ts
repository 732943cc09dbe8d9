import { posix } from 'node:path';
import type { Rule } from '../finding.ts';

const rule = (id: string, level: Rule['level'], standard: string, text: string): Rule => ({
  id: `manifest.${id}`,
  level,
  standard,
  text,
});

export const rules = {
  socket: rule('runtime-socket', 'error', 'CIS Docker 5.32', 'the container can command its runtime'),
  privileged: rule('privileged', 'error', 'CIS Docker 5.5', 'the container is privileged'),
  host: rule(
    'host-namespace',
    'error',
    'CIS Docker 5.10, 5.16, 5.17, 5.21',
    'the container shares a namespace of the host',
  ),
  path: rule('host-path', 'error', 'CIS Docker 5.6', 'the container has a path of the host that rules it'),
  device: rule('device', 'error', 'CIS Docker 5.18', 'the container has a device of the host'),
  capability: rule('capability', 'error', 'CIS Docker 5.4', 'the container has a capability that rules the host'),
  unconfined: rule('unconfined', 'error', 'CIS Docker 5.22', 'the container runs without its seccomp or LSM profile'),
  limits: rule('no-memory-limit', 'error', 'CIS Docker 5.11', 'the container has no memory limit'),
  hostPath: rule('hostpath', 'error', 'NIST SP 800-190 §4.4', 'the pod mounts a path of its node'),
  escalation: rule('escalation', 'warning', 'NIST SP 800-190 §4.4', 'the container may gain privileges'),
  elsewhere: rule('elsewhere', 'warning', 'OWASP A08:2021', 'a part comes from elsewhere, and was not looked at'),
  unreadable: rule('unreadable', 'warning', 'OWASP A08:2021', 'cannot be read, and was not looked at to its end'),
} as const;

const SOCKET = /(?:docker|containerd|crio|cri-dockerd|podman|buildkitd)(?:-proxy)?\.sock\b|^npipe:/i;
/** A runtime that listens for commands on the network. */
export const RUNTIME_HOST = /^(?:tcp|unix|npipe|ssh):\/\//;
const RULING =
  /^(?:\/|\/(?:etc|proc|sys|dev|boot|root|usr|bin|sbin|lib|lib64|opt)(?:\/.*)?|\/(?:run|var|var\/run|var\/lib|home)|(?:\/var)?\/run\/(?:docker|containerd|crio|podman|user)(?:\/.*)?|\/var\/lib\/(?:docker|containerd|kubelet|containers)(?:\/.*)?)$/;
const CAPABILITY =
  /^(?:CAP_)?(?:ALL|SYS_ADMIN|SYS_PTRACE|SYS_MODULE|SYS_RAWIO|SYS_BOOT|SYS_TIME|DAC_READ_SEARCH|DAC_OVERRIDE|NET_ADMIN|NET_RAW|BPF|PERFMON|MKNOD|SETFCAP|MAC_ADMIN|MAC_OVERRIDE|SYSLOG|CHECKPOINT_RESTORE)$/i;

/** What a path of the host lets a container do; undefined: nothing that we know of. */
export function ofPath(path: string): typeof rules.socket | typeof rules.path | undefined {
  if (SOCKET.test(path)) return rules.socket;
  const plain = posix.normalize(path).replace(/(?<=.)\/$/, '');
  return RULING.test(plain) ? rules.path : undefined;
}

export function rulesHost(capability: string): boolean {
  return CAPABILITY.test(capability);
}
