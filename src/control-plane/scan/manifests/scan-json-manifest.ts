import type { Finding } from '../finding.ts';
import { scanManifest } from './scan-manifest.ts';

const LOOKS_LIKE_ONE = /"apiVersion"/;

/**
 * Manifests that are written as JSON, one or several in a row as `kubectl` reads them. Most JSON is no manifest: only what says that
 * it is one is read as YAML, which JSON is a part of.
 */
export function scanJsonManifest(file: string, source: string): readonly Finding[] {
  const found: Finding[] = [];
  let line = 0;
  for (const text of inARow(source)) {
    if (isManifest(text)) for (const one of scanManifest(file, text)) found.push({ ...one, line: one.line + line });
    line += text.split('\n').length - 1;
  }
  return found;
}

function isManifest(text: string): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    // What cannot be read is told where it looks like a manifest.
    return LOOKS_LIKE_ONE.test(text);
  }
  if (typeof value !== 'object' || value === null) return false;
  return 'services' in value || ('kind' in value && 'apiVersion' in value);
}

/** A bracket, or a string with all that is in it; one that does not end goes to the end, so that nothing is looked at twice. */
const TOKEN = /"[^"\\]*(?:\\(?:.|$)[^"\\]*)*(?:"|$)|[{}[\]]/gs;

/** Cuts behind each value that another one follows; together they are the source. */
function* inARow(source: string): Generator<string> {
  let [from, depth] = [0, 0];
  for (const { 0: token, index } of source.matchAll(TOKEN)) {
    if (token === '{' || token === '[') {
      if (depth++ > 0 || source.slice(from, index).trim() === '') continue;
      yield source.slice(from, index);
      from = index;
    } else if (token === '}' || token === ']') depth--;
  }
  yield source.slice(from);
}
