/** What the zones counted since the start. */
export interface Metrics {
  readonly calls: number;
  /** Refusal code → number. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Process name → resident bytes. */
  readonly memory: Readonly<Record<string, number>>;
  /** Gateway → what somebody should look at now. */
  readonly alerts: Readonly<Record<string, number>>;
}

/** Prometheus text exposition format 0.0.4. */
export function renderMetrics({ calls, refusals, memory, alerts }: Metrics): string {
  return [
    ...family('innerkeep_calls_total', 'counter', 'Requests that reached the pipeline.'),
    `innerkeep_calls_total ${calls}`,
    ...family('innerkeep_refusals_total', 'counter', 'Requests that were refused, by code.'),
    ...samples('innerkeep_refusals_total', 'code', refusals),
    ...family('innerkeep_resident_memory_bytes', 'gauge', 'Resident memory, by process.'),
    ...samples('innerkeep_resident_memory_bytes', 'process', memory),
    ...family(
      'innerkeep_gateway_alerts',
      'gauge',
      'What somebody should look at now, by gateway: policy history says what.',
    ),
    ...samples('innerkeep_gateway_alerts', 'gateway', alerts),
    '',
  ].join('\n');
}

function family(name: string, type: string, help: string): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function samples(name: string, label: string, values: Readonly<Record<string, number>>): readonly string[] {
  return Object.entries(values).map(([key, value]) => `${name}{${label}="${escapeLabel(key)}"} ${value}`);
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
