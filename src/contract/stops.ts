/** The kill switch: what must not be called, whatever any policy permits. */
export type Stop =
  | { readonly kind: 'all' }
  | { readonly kind: 'server'; readonly name: string }
  /** `SERVER/TOOL`. */
  | { readonly kind: 'tool'; readonly name: string }
  | { readonly kind: 'tenant'; readonly name: string }
  | { readonly kind: 'subject'; readonly name: string; readonly tenant: string };

interface Called {
  readonly subject: { readonly id: string; readonly tenant: string };
  readonly target: { readonly server: string; readonly action: string };
}

export function isStopped(call: Called, stops: readonly Stop[]): boolean {
  return stops.some((stop) => covers(stop, call));
}

function covers(stop: Stop, { subject, target }: Called): boolean {
  switch (stop.kind) {
    case 'all':
      return true;
    case 'server':
      return target.server === stop.name;
    case 'tool':
      return target.action === stop.name;
    case 'tenant':
      return subject.tenant === stop.name;
    case 'subject':
      return subject.id === stop.name && subject.tenant === stop.tenant;
  }
}

/** `tool files/search`, for people and records. */
export function stopText(stop: Stop): string {
  if (stop.kind === 'all') return 'everything';
  return `${stop.kind} ${stop.name}${stop.kind === 'subject' ? ` of ${stop.tenant}` : ''}`;
}
