import type { Rule } from '../rule.ts';
import { isMixed, isPlaceholder } from '../secret-shape.ts';

/** Formats that any product may use: PEM, JWT, URLs and headers that carry credentials. */
export const keys: readonly Rule[] = [
  {
    id: 'private-key',
    hints: ['-----BEGIN'],
    // RFC 7468, OpenPGP, and the headers of RFC 1421 with which older files begin.
    pattern:
      /-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:(?:\s|\\[rn]){0,6}[A-Z][A-Za-z-]{2,20}: [^\n\\]{1,80}(?=[\n\\])){0,4}/y,
    rest: /[A-Za-z0-9+/=\s\\,:]*/y,
    examples: [
      '«-----BEGIN PRIVATE KEY-----\n{mixed:64}\n{mixed:40}==\n»-----END PRIVATE KEY-----.',
      '«-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{upper:32}\n\n{mixed:64}\n»-----END RSA PRIVATE KEY-----.',
      '{\\"private_key\\": \\"«-----BEGIN PRIVATE KEY-----\\n{mixed:64}\\n{mixed:30}=\\n»-----END PRIVATE KEY-----\\n\\"}.',
    ],
    spares: ['-----BEGIN PUBLIC KEY-----\n{mixed:64}\n'],
  },
  {
    id: 'putty-private-key',
    hints: ['Private-Lines:'],
    pattern: /Private-Lines:\s{0,3}\d{1,3}/y,
    rest: /[A-Za-z0-9+/=\s\\]*/y,
    examples: ['Private-Lines: 2\n«{mixed:64}»\n.'],
  },
  {
    id: 'jwt',
    hints: ['eyJ', 'eyA'],
    pattern:
      /(?<![A-Za-z0-9_-])ey[A-Za-z0-9_-]{10,700}={0,2}\.(?:ey[A-Za-z0-9_-]{2,20}|[A-Za-z0-9_-]{0,200}\.[A-Za-z0-9_-]{8,40})/y,
    validate: (secret) => isJoseHeader(secret.slice(0, secret.indexOf('.'))),
    rest: /[A-Za-z0-9_\-.=/]*/y,
    examples: [
      'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSJ9.{base64url:86}',
      'eyJhbGciOiJFUzI1NiJ9..{mixed:16}.{mixed:60}.{mixed:22}',
    ],
    spares: ['eyJAAAA.eyJBBB'],
  },
  {
    id: 'url-password',
    hints: ['://'],
    next: /[^\s/?#@"'<>\\]/,
    least: 2,
    then: '@',
    pattern: /:\/\/[^\s/?#:@"'<>\\]{0,128}:([^\s/?#@"'<>\\]{1,256})(?=@[A-Za-z0-9[_$%{.-])/y,
    validate: (secret) => !isPlaceholder(secret),
    examples: [
      'postgres://app:«{mixed:14}»@db.internal:5432/x',
      'https://x:«{mixed:9}»@[::1]/',
      'redis://:«{mixed:20}»@cache',
    ],
    spares: ['https://user:password@example.org/', 'https://user:${PASSWORD}@example.org/'],
  },
  {
    id: 'authorization',
    hints: ['authorization'],
    pattern:
      /authorization["'\]\\]{0,8}\s{0,4}[:=,]\s{0,4}["'\\]{0,8}(?:[A-Za-z][A-Za-z0-9-]{2,20} {1,3})?([A-Za-z0-9._~+/=-]{12,500})/iy,
    validate: (secret) => isMixed(secret) && !isPlaceholder(secret),
    rest: /[A-Za-z0-9._~+/=-]*/y,
    examples: ['Authorization: Token «{mixed:24}»', '"authorization": "«{mixed:40}»"'],
    spares: ['Authorization: Bearer <token>'],
  },
  {
    id: 'bearer-token',
    hints: ['bearer '],
    pattern: /(?<![A-Za-z0-9])bearer {1,3}([A-Za-z0-9._~+/=-]{20,500})/iy,
    validate: (secret) => isMixed(secret) && /[A-Za-z]/.test(secret) && !isPlaceholder(secret),
    rest: /[A-Za-z0-9._~+/=-]*/y,
    examples: ['curl -H "X: Bearer «{mixed:40}»"'],
    spares: ['Use a bearer authentication-token-of-your-own.'],
  },
  {
    id: 'basic-credentials',
    hints: ['basic '],
    pattern: /(?<![A-Za-z0-9])basic {1,3}([A-Za-z0-9+/]{8,500}={0,2})/iy,
    validate: (secret) => /^[\x20-\x7e]+:[\x20-\x7e]+$/.test(Buffer.from(secret, 'base64').toString('latin1')),
    rest: /[A-Za-z0-9+/=]*/y,
    examples: ['basic «c29tZWJvZHk6c29tZXRoaW5nMQ==»'],
    spares: ['basic authentication'],
  },
];

function isJoseHeader(part: string): boolean {
  return /"(?:alg|typ|enc|kid)"\s*:/.test(Buffer.from(part, 'base64url').toString('latin1'));
}
