import type { Detector } from '../cli/score.ts';
import { MalformedJson, parseStrict } from '../contract/strict-json.ts';
import { findHidden } from '../contract/untrusted-text/hidden.ts';
import { SUSPECTED, suspicion } from '../contract/untrusted-text/score.ts';
import { judgeUrl } from '../contract/urls.ts';
import { redact } from '../gateway/output-sanitization/redact.ts';

/** What judges each kind of labelled records: the very code that the running system uses. */
export const detectors: Readonly<Record<string, Detector>> = {
  url: { flags: (value) => 'fault' in judgeUrl(String(value)) },
  secret: { filters: redact },
  pan: { filters: redact },
  json: { flags: (value) => isMalformed(Buffer.from(String(value), 'base64')) },
  text: { flags: (value) => findHidden(String(value)) !== undefined },
  descriptor: { flags: (value) => suspicion(JSON.stringify(value), 'descriptor').score >= SUSPECTED },
  result: { flags: (value) => suspicion(String(value), 'result').score >= SUSPECTED },
};

function isMalformed(bytes: Uint8Array): boolean {
  try {
    parseStrict(bytes);
    return false;
  } catch (error) {
    if (error instanceof MalformedJson) return true;
    throw error;
  }
}
