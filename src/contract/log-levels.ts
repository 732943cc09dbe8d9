/** Severities of log messages, as MCP names those of RFC 5424 §6.2.1; the least severe first. */
export const LOG_LEVELS: readonly string[] = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
];
