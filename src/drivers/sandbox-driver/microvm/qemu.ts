import { readFileSync } from 'node:fs';
import type { GuestImage } from './guest-image.ts';

export type Accelerator = 'kvm' | 'tcg';

/** Descriptors that QEMU is started with, beside the wire on the first two and its own complaints on the third. */
export const descriptors = { monitor: 3, memory: 4, state: 5 } as const;

/** A machine: a clone has to be the same as its template in all that its guest can see. */
export interface MachineShape {
  readonly accelerator: Accelerator;
  /** Bytes of the guest's memory. */
  readonly memory: number;
  readonly guest: GuestImage;
  /** Host paths of images that the unprivileged user can reach. */
  readonly node: string;
  readonly server: string;
  /** Host paths of declared mounts, in the order of their tags m0, m1, … */
  readonly mounts: readonly { readonly from: string; readonly file: boolean; readonly mode: 'ro' | 'rw' }[];
}

/** A template writes its memory and hands its state to a socket; a clone maps the one privately and reads the other. */
export type Role =
  | { readonly name: 'template'; readonly socket: string }
  | { readonly name: 'clone'; readonly state: number };

/** Where a template sees that socket. */
export const stateSocket = '/state';

const images = ['system', 'node', 'server'] as const;

/** Says on the monitor's descriptor that all is in force, and becomes QEMU when a line answers that. */
const innerGate = 'ulimit -c 0; echo ready >&3; read -r go || exit 1; exec "$@"';

/**
 * QEMU in namespaces of its own: it sees its own program, the images and the declared mounts, no network, no other
 * process, no /etc and no home. bwrap(1), qemu-system-x86_64(1).
 */
export function machineCommand(bubblewrap: string, qemu: string, shape: MachineShape, role: Role): string[] {
  const { guest, mounts } = shape;
  return [
    bubblewrap,
    ...['--unshare-all', '--unshare-user', '--disable-userns', '--assert-userns-disabled'],
    ...['--uid', '65534', '--gid', '65534', '--hostname', 'machine', '--new-session', '--die-with-parent'],
    ...['--cap-drop', 'ALL', '--clearenv'],
    ...['/usr/lib', '/usr/lib64', '/usr/share/qemu', '/usr/share/seabios', '/usr/bin/dash', qemu].flatMap((path) => [
      '--ro-bind-try',
      path,
      path,
    ]),
    ...['--symlink', 'usr/lib', '/lib', '--symlink', 'usr/lib64', '/lib64'],
    ...['--proc', '/proc', '--ro-bind', '/proc/sys', '/proc/sys', '--dev-bind', '/dev/null', '/dev/null'],
    ...['--dev-bind', '/dev/urandom', '/dev/urandom'],
    ...(shape.accelerator === 'kvm' ? ['--dev-bind', '/dev/kvm', '/dev/kvm'] : []),
    ...['--ro-bind', guest.kernel, '/guest/kernel', '--ro-bind', guest.initramfs, '/guest/initramfs'],
    ...['--ro-bind', guest.system, '/guest/system', '--ro-bind', shape.node, '/guest/node'],
    ...['--ro-bind', shape.server, '/guest/server'],
    ...mounts.flatMap(({ from, file, mode }, index) => [
      mode === 'rw' ? '--bind' : '--ro-bind',
      from,
      file ? `/mounts/m${index}/file` : `/mounts/m${index}`,
    ]),
    ...(role.name === 'template' ? ['--bind', role.socket, stateSocket] : []),
    ...['--remount-ro', '/', '--', '/usr/bin/dash', '-c', innerGate, 'sh'],
    ...[qemu, ...machineArguments(shape, role)],
  ];
}

function machineArguments(shape: MachineShape, role: Role): string[] {
  const share = role.name === 'template' ? 'on' : 'off';
  return [
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    ...['-M', 'microvm,acpi=on,pit=on,pic=on,rtc=on,isa-serial=off,memory-backend=ram', '-smp', '1'],
    ...['-m', `${shape.memory / (1 << 20)}M`],
    ...[
      '-object',
      `memory-backend-file,id=ram,size=${shape.memory},mem-path=/proc/self/fd/${descriptors.memory},share=${share}`,
    ],
    ...(shape.accelerator === 'tcg' ? ['-accel', 'tcg,tb-size=64', '-cpu', 'max'] : ['-accel', 'kvm', '-cpu', 'host']),
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...['-kernel', '/guest/kernel', '-initrd', '/guest/initramfs', '-append', kernelArguments(shape.accelerator)],
    ...images.flatMap((name) => [
      '-blockdev',
      `driver=raw,node-name=${name},read-only=on,file.driver=file,file.filename=/guest/${name}`,
      '-device',
      `virtio-blk-device,drive=${name},serial=${name}`,
    ]),
    ...shape.mounts.flatMap(({ mode }, index) => [
      '-fsdev',
      `local,id=m${index},path=/mounts/m${index},security_model=none${mode === 'ro' ? ',readonly=on' : ''}`,
      '-device',
      `virtio-9p-device,fsdev=m${index},mount_tag=m${index}`,
    ]),
    ...['-chardev', 'stdio,id=wire,signal=off', '-device', 'virtio-serial-device,max_ports=2'],
    ...['-device', 'virtserialport,chardev=wire,nr=1'],
    ...['-chardev', `socket,id=monitor,fd=${descriptors.monitor}`, '-mon', 'chardev=monitor,mode=control'],
    ...(role.name === 'clone' ? ['-incoming', 'defer'] : []),
  ];
}

/**
 * An emulated machine's time stamp counter is the host's; to measure it, the kernel would need timers that keep time
 * better than emulated ones do.
 */
function kernelArguments(accelerator: Accelerator): string {
  const always = 'quiet panic=-1';
  if (accelerator === 'kvm') return always;
  const [, megahertz] = /^cpu MHz\s*: ([\d.]+)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8')) ?? [];
  return `${always} tsc=reliable tsc_early_khz=${Math.round(Number(megahertz) * 1000)} no_timer_check`;
}
