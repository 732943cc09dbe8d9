/** A symptom, and what the operator types then; the first that fits counts. */
export type Mends = readonly (readonly [symptom: RegExp, mend: string])[];

/** What the kernel says when namespaces or groups are not to be had, for whichever driver needs them. */
export const sharedMends: Mends = [
  [
    /uid map|loopback|RTM_NEWADDR/,
    'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (or an AppArmor profile for bwrap)',
  ],
  [
    /new namespace|unprivileged_userns|user namespace/,
    'sysctl -w kernel.unprivileged_userns_clone=1; sysctl -w user.max_user_namespaces=15000',
  ],
  [/mount namespace/, 'start the runtime with: unshare --mount --propagation private'],
  [
    /cgroup/,
    'run innerkeep as root, or on cgroup v2 with a delegated group: systemd-run --user --scope -p Delegate=yes ./innerkeep up',
  ],
];
