import { type Document, isMap, isPair, isSeq, LineCounter, parseAllDocuments } from 'yaml';
import { repeatedKey } from '../../config/repeated-key.ts';
import type { Finding } from '../finding.ts';
import { type Add, judgeCompose } from './compose.ts';
import { judgePod } from './kubernetes.ts';
import { type Node, View } from './node.ts';
import { rules } from './rules.ts';

/** Characters of a manifest; YAML takes long to read. */
const MOST = 512 * 1024;

/** Nodes of one document that are looked at, over all its aliases. */
const MOST_NODES = 200_000;

/**
 * Judges compose files and Kubernetes manifests by what lets a container out of itself (abuse case A10); other YAML has no
 * findings. What of a manifest cannot be read, such as a template that nobody has rendered, is told.
 */
export function scanManifest(file: string, source: string): readonly Finding[] {
  const found: Finding[] = [];
  const lines = new LineCounter();
  const add: Add = (rule, node, what) => {
    found.push({ rule, file, line: lines.linePos(node?.range?.[0] ?? 0).line, what });
  };
  if (!/\b(?:services|kind)\b/.test(unescaped(source))) return found;
  if (source.length > MOST) return [{ rule: rules.unreadable, file, line: 1, what: `${source.length} characters` }];
  if (/\{\{[^}]*\}\}/.test(source))
    found.push({ rule: rules.unreadable, file, line: lineOf(source), what: 'a template' });
  try {
    for (const document of parseAllDocuments(source, { lineCounter: lines, merge: false, uniqueKeys: false }))
      judge(document, add);
  } catch (error) {
    // Nesting that no parser bears is no reason to pass.
    if (!(error instanceof RangeError)) throw error;
    found.push({ rule: rules.unreadable, file, line: 1, what: error.message });
  }
  return found;
}

function judge(document: Document.Parsed, add: Add): void {
  const view = new View(document);
  const root = view.node(document.contents);
  const [error] = document.errors;
  if (error !== undefined) add(rules.unreadable, root, error.message.split('\n', 1)[0] ?? '');
  const repeated = repeatedKey(document);
  if (repeated !== undefined) add(rules.unreadable, repeated, 'a key is there twice');
  if (!isMap(root)) return;
  if (view.member(root, 'services') !== undefined) judgeCompose(root, view, add);
  if (view.member(root, 'kind') === undefined || view.member(root, 'apiVersion') === undefined) return;
  if (!walk(root, view, (map) => judgePod(map, view, add))) add(rules.unreadable, root, 'too many nodes');
}

/** Every map once, also those that only aliases lead to. @returns false when there are too many */
function walk(root: Node, view: View, see: (map: Node) => void): boolean {
  const seen = new Set<unknown>();
  const open: unknown[] = [root];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const node = isPair(next) ? view.node(next.value) : view.node(next);
    if (node === undefined || seen.has(node)) continue;
    if (seen.add(node).size > MOST_NODES) return false;
    if (isMap(node)) see(node);
    if (isMap(node) || isSeq(node)) for (const item of node.items) open.push(item);
  }
  return true;
}

function lineOf(source: string): number {
  return source.slice(0, source.indexOf('{{')).split('\n').length;
}

/** Keys may be written with escapes, and over lines (YAML 1.2 §5.7, §7.3.1). */
function unescaped(source: string): string {
  return source
    .replace(/\\\r?\n[ \t]*/g, '')
    .replace(/\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8}))/g, (_, ...[x, u, long]: string[]) =>
      String.fromCharCode(Number.parseInt(x ?? u ?? long ?? '', 16)),
    );
}
