import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { AUDIT_PAGE, type AuditPage } from '../../contract/zone-link.ts';

/**
 * The whole records that follow so many bytes of an audit log. Read at once, not beside the event loop: a write that finds no
 * room is taken back in the turn in which it was made, and nobody must have seen it.
 * @throws Error of the file system
 */
export function auditPage(file: string, after: number): AuditPage {
  const fd = openSync(file, 'r');
  try {
    const { size } = fstatSync(fd);
    const bytes = Buffer.alloc(Math.min(AUDIT_PAGE, Math.max(0, size - after)));
    const read = readSync(fd, bytes, 0, bytes.length, after);
    return { lines: bytes.toString('utf8', 0, bytes.lastIndexOf(0x0a, read - 1) + 1), size };
  } finally {
    closeSync(fd);
  }
}
