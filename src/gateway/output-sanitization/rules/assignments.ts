import { namesSecret } from '../names.ts';
import type { Context, Rule } from '../rule.ts';
import { looksChosen, looksRandom } from '../secret-shape.ts';

/** Between a telling word and its value: the rest of the name, quotes (escaped twice, in the text of a record), an operator. */
const NAME_END = String.raw`[A-Za-z0-9_.-]{0,30}["'\x60\]\\]{0,8}(?:\s[A-Za-z*&]{2,10}(?=\s?=))?\s{0,8}`;
const OPERATOR = String.raw`(?:=>|->|[:?.+|]{0,3}={1,3}|:{1,3}|>|,(?=\s?\\{0,4}["'])|(?<= ))(?:\s|\\{1,4}[nrt]){0,8}(?:[A-Za-z]{1,10}\s?=\s?)?["'\x60\\]{0,8}`;
/** Brackets that close behind a value are not its own. */
const VALUE = String.raw`([^\s"'\x60<>,;\\]{5,255}[^\s"'\x60<>,;\\)\]}])`;
const REST = /[A-Za-z0-9_\-+/=.~]*/y;

const PASSWORDS = 'password|passwd|passphrase|pwd|passcode|[_-]pw(?=["\'\\s:=])';
const SECRETS =
  'secret(?!ar)|token(?!i[sz])|api[_.-]?key|access[_.-]?key|credential|creds(?![a-z])|_auth(?=["\'\\s:=])|(?:auth|private|encryption|signing|license|account|secret|master|service)[_.-]?key(?!ing|board|word)';

/** A telling name with a value that looks the part. Tried after all that know a product's own format. */
export const assignments: readonly Rule[] = [
  {
    id: 'password',
    hints: ['password', 'passwd', 'passphrase', 'pwd', 'passcode', '_pw', '-pw'],
    pattern: new RegExp(`(?:${PASSWORDS})${NAME_END}${OPERATOR}${VALUE}`, 'iy'),
    validate: (value, context) => looksChosen(value) && isAssigned(context),
    rest: REST,
    examples: [
      'password: «{mixed:10}7x»',
      "'db_password' => '«{mixed:8}&3»'",
      'db_pw="«{lower:20}»"',
      '--admin-password «{mixed:14}»',
      '<add key="ClearTextPassword" value="«{mixed:9}!4»" />',
    ],
    spares: [
      'password: <your-password>',
      'password_file=/run/{lower:9}1',
      'passwordResetUrl: q{hex:12}',
      'password=xxxxxxx1',
      'the password a8{lower:9} is not quoted here',
    ],
  },
  {
    id: 'secret',
    hints: [
      ...['secret', 'token', 'credential', 'creds', '_auth'],
      ...[
        'api',
        'access',
        'auth',
        'private',
        'encryption',
        'signing',
        'license',
        'account',
        'master',
        'service',
      ].flatMap((word) => ['', '_', '-', '.'].map((by) => `${word}${by}key`)),
    ],
    pattern: new RegExp(`(?:${SECRETS})${NAME_END}${OPERATOR}${VALUE}`, 'iy'),
    validate: (value, context) => looksRandom(value) && isAssigned(context),
    rest: REST,
    examples: [
      'client_secret = "«{mixed:32}»"',
      'API_KEY=«{mixed:24}»',
      'signing_key: «{mixed:44}»',
      'private-key := `«{base64url:40}»`',
      '<sessionToken>\n  «{lower:18}»\n</sessionToken>',
      'setProperty("APP_TOKEN", "«{hex:20}»")',
      '--api-key «{mixed:30}»',
    ],
    spares: [
      'nextPageToken: {mixed:24}',
      'publicToken: {mixed:24}',
      'UserSecretsId>{hex:8}-{hex:4}-{hex:4}-{hex:4}-{hex:12}<',
      'secret_version = {hex:32}',
      'fakeToken := "{lower:20}"',
      'token abcdefghijklmnop123 is in no assignment',
      'api_key: abcdefghijklmnopqrstuvwxyz0123',
      'token_digest: sha256-{mixed:43}=',
      'secret = curve448.secret_value',
    ],
  },
];

/** A name that names a secret, and an operator; or, where there is none, an option of a command line. */
function isAssigned({ before, matched }: Context): boolean {
  const [first = ''] = /[A-Za-z0-9_.-]*$/.exec(before) ?? [];
  const [last = ''] = /^[A-Za-z0-9_.-]*/.exec(matched) ?? [];
  const isOption = first.startsWith('--');
  const hasOperator = /^[^\s=:>,]*["'\]\\`]{0,8}(?:\s[A-Za-z*&]{2,10}(?=\s?=))?\s*[=:>,?.+|-]/.test(matched);
  return namesSecret(first + last) && (hasOperator || isOption) && !/\[redacted:[a-z0-9-]*$/.test(before);
}

/** Whether a name says that its value is a secret. */
export const TELLING =
  /pass(?:word|wd|phrase|code)|pwd|secret|token|credential|(?:api|access|auth|private|encryption|signing|license|account|master|service)[_.-]?key|authorization/i;
