import type { Rule } from '../rule.ts';
import { looksChosen, looksRandom } from '../secret-shape.ts';

/** What stands between a telling word and its value: the rest of the name, quotes, an operator. */
const NAME_END = String.raw`[A-Za-z0-9_.-]{0,30}["'\x60\]\\]{0,3}(?:\s[A-Za-z*&]{2,10}(?=\s?=))?\s{0,8}`;
const OPERATOR = String.raw`(?:=>|->|[:?.+|]{0,3}={1,3}|:{1,3}|>|,(?=\s?["']))\s{0,8}(?:[A-Za-z]{1,10}\s?=\s?)?["'\x60\\]{0,2}`;
const VALUE = String.raw`([^\s"'\x60<>,;\\]{6,256})`;

/** Tokens that name a place in a list or a message, and are needed to go on. */
const HARMLESS =
  '(?<!(?:next|page|continuation|continue|sync|delta|start|resume|progress|cursor|change|csrf|xsrf|design|public|publishable)[_-]?)';

/** A telling name with a value that looks the part. Tried after all that know a product's own format. */
export const assignments: readonly Rule[] = [
  {
    id: 'password',
    hints: ['password', 'passwd', 'passphrase', 'pwd', 'passcode'],
    pattern: new RegExp(`(?:password|passwd|passphrase|pwd|passcode)${NAME_END}${OPERATOR}${VALUE}`, 'iy'),
    validate: looksChosen,
    rest: /[A-Za-z0-9_\-+/=.~]*/y,
  },
  {
    id: 'secret',
    hints: ['secret', 'token', 'apikey', 'api_key', 'api-key', 'access_key', 'accesskey', 'access-key', 'credential'],
    pattern: new RegExp(
      `${HARMLESS}(?:secret(?!ar)|token(?!i[sz])|api[_-]?key|access[_-]?key|credential)(?!s?[_-]?(?:id|count|type|limit|name|url|uri|path|arn)["'\\s:=])${NAME_END}${OPERATOR}${VALUE}`,
      'iy',
    ),
    validate: looksRandom,
    rest: /[A-Za-z0-9_\-+/=.~]*/y,
  },
  {
    id: 'secret',
    hints: [
      'auth_key',
      'authkey',
      'private_key',
      'privatekey',
      'encryption_key',
      'encryptionkey',
      'signing_key',
      'signingkey',
      'license_key',
      'account_key',
      'secretkey',
      'master_key',
      'service_key',
    ],
    pattern: new RegExp(
      `(?:auth|private|encryption|signing|license|account|secret|master|service)_?key${NAME_END}${OPERATOR}${VALUE}`,
      'iy',
    ),
    validate: looksRandom,
    rest: /[A-Za-z0-9_\-+/=.~]*/y,
  },
];

/** Whether a name says that its value is a secret. */
export const TELLING =
  /pass(?:word|wd|phrase|code)|pwd|secret|token|api[_-]?key|access[_-]?key|credential|(?:auth|private|encryption|signing|license|account|master|service)[_-]?key|authorization/i;
