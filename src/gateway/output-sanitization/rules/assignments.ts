import { namesSecret } from '../names.ts';
import type { Context, Rule } from '../rule.ts';
import { looksChosen, looksRandom } from '../secret-shape.ts';

/** Between a telling word and its value: the rest of the name, quotes (escaped twice, in the text of a record), an operator. */
const NAME_END = String.raw`[A-Za-z0-9_.-]{0,30}["'\x60\]\\]{0,8}(?:\s[A-Za-z*&]{2,10}(?=\s?=)|\s?\{[\sa-z;]{4,30}\})?\s{0,8}`;
const OPERATOR = String.raw`(?:=>|->|[:?.+|]{0,3}={1,3}|:{1,3}|>|,(?=\s?\\{0,4}["'])|,?\s{0,40}["'\\]{0,4}value["'\\]{0,4}\s?[:=]|is:?(?=\s)|(?<= ))(?:\s|\\{1,4}[nrt]){0,8}(?:&?(?:'static )?[A-Za-z]{1,10}\s?=\s?)?["'\x60\\]{0,8}`;
/** Brackets that close behind a value are not its own. */
const VALUE = String.raw`([^\s"'\x60<>,;\\]{5,255}[^\s"'\x60<>,;\\)\]}])`;
const REST = /[A-Za-z0-9_\-+/=.~]*/y;

const PASSWORDS =
  'password|passwd|passphrase|passwort|kennwort|wachtwoord|contrase[^\\s=:]{1,2}a|mot de passe|pwd|passcode|[_-]pw(?=["\'\\s:=])|[_-]pass(?=["\'\\s:=])|["\']pass(?=\\\\{0,3}["\'])';
const SECRETS =
  'secret(?!ar)|token(?!i[sz])|api[_.-]?key|access[_.-]?key|credential|creds(?![a-z])|_auth(?=["\'\\s:=])|(?:auth|private|encryption|signing|license|account|secret|master|service)[_.-]?key(?!ing|board|word)';

/** A telling name with a value that looks the part. Tried after all that know a product's own format. */
export const assignments: readonly Rule[] = [
  {
    id: 'password',
    hints: [
      ...[
        'password',
        'passwd',
        'passphrase',
        'pwd',
        'passcode',
        '_pw',
        '-pw',
        '_pass',
        '-pass',
        '"pass"',
        '"pass\\',
        "'pass'",
      ],
      ...['passwort', 'kennwort', 'wachtwoord', 'contrase', 'mot de passe'],
    ],
    pattern: new RegExp(`(?:${PASSWORDS})${NAME_END}${OPERATOR}${VALUE}`, 'iy'),
    validate: (value, context) => (isSaid(context) ? looksRandom(value) : looksChosen(value)) && isAssigned(context),
    rest: REST,
    examples: [
      'password: «{mixed:10}7x»',
      "'db_password' => '«{mixed:8}&3»'",
      'db_pw="«{lower:20}»"',
      '--admin-password «{mixed:14}»',
      'SMTP_PASS=«{mixed:12}7x»',
      '{"user":"a","pass":"«{mixed:12}7x»"}',
      'Passwort: «{mixed:9}!4»',
      'mot de passe : «{mixed:9}!4»',
      'contrasena: «{mixed:9}!4»',
      'machine x.example login bob password «{mixed:12}7x»',
      'The password is «{mixed:5}-{digits:3}-{mixed:5}».',
      '<add key="ClearTextPassword" value="«{mixed:9}!4»" />',
    ],
    spares: [
      'password: <your-password>',
      'password_file=/run/{lower:9}1',
      'passwordResetUrl: q{hex:12}',
      'password=xxxxxxx1',
      'the password a8{lower:9} is not quoted here',
      'the password is base64-encoded',
      '"pass": "12/12"',
    ],
  },
  {
    // Options of commands that take a password, and lines of Redis' configuration.
    id: 'password',
    hints: [' -u ', ' -p', ' -a ', 'requirepass ', 'masterauth '],
    pattern: new RegExp(
      `(?:${after('curl')} -u ["']?[^\\s:"'/]{1,64}:|${after('(?:sshpass|mysql|mysqldump|mysqladmin)')} -p ?["']?|${after('redis-cli')} -a ["']?|(?:requirepass|masterauth) ["']?)([^\\s"'<>]{6,255})`,
      'y',
    ),
    validate: (value) => looksChosen(value),
    rest: REST,
    examples: [
      "mysql -h db -u root -p'«{mixed:12}7x»' main",
      'sshpass -p «{mixed:12}7x» ssh host',
      'curl -s -u admin:«{mixed:12}7x» https://x.example/',
      'redis-cli -a «{mixed:12}7x» ping',
      'requirepass «{mixed:12}7x»',
    ],
    spares: ['mkdir -p src7/x{lower:6}', 'docker run -u app:x{lower:6}7 image', 'mysql -u root -p main'],
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
    validate: (value, context) => looksRandom(value) && isAssigned(context) && !(isSaid(context) && !/\d/.test(value)),
    rest: REST,
    examples: [
      'client_secret = "«{mixed:32}»"',
      'API_KEY=«{mixed:24}»',
      'signing_key: «{mixed:44}»',
      'private-key := `«{base64url:40}»`',
      '<sessionToken>\n  «{lower:18}»\n</sessionToken>',
      'setProperty("APP_TOKEN", "«{hex:20}»")',
      '--api-key «{mixed:30}»',
      'const API_KEY: &str = "«{mixed:32}»";',
      'public string ApiKey { get; set; } = "«{mixed:32}»";',
      'ENV API_TOKEN «{mixed:32}»',
      '#define API_TOKEN "«{mixed:32}»"',
      '- name: CLIENT_SECRET\n  value: «{mixed:32}»',
      '{"name":"CLIENT_SECRET","value":"«{mixed:32}»"}',
      'the webhook secret is `«{mixed:32}»`',
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
      'if token is Name.Other:',
    ],
  },
];

/** Behind a command, on its line. */
function after(command: string): string {
  return String.raw`(?<=\b${command}(?:\s[^\n|;&]{0,100})?)`;
}

/** In a sentence: `the password is …`. */
function isSaid({ matched }: Context): boolean {
  return /^[A-Za-z]*["'`]?\s+is[\s:]/.test(matched);
}

/** A name that names a secret, and an operator; or, where there is none, an option of a command line or a declaration. */
function isAssigned({ before, matched }: Context): boolean {
  const [first = ''] = /[A-Za-z0-9_.-]*$/.exec(before) ?? [];
  const named = matched.replace(/^mot de /i, '');
  const [last = ''] = /^[A-Za-z0-9_.-]*/.exec(named) ?? [];
  const isDeclared =
    first.startsWith('--') || /(?:(?:ENV|#[ \t]{0,4}define|login \S{1,40})[ \t]{1,8})[A-Za-z0-9_.-]*$/.test(before);
  const hasOperator =
    /^[^\s=:>,]*["'\]\\`]{0,8}(?:\s[A-Za-z*&]{2,10}(?=\s?=)|\s?\{[^}]*\})?\s*(?:[=:>,?.+|-]|["'\\]*value|is[\s:])/.test(
      named,
    );
  return namesSecret(first + last) && (hasOperator || isDeclared) && !/\[redacted:[a-z0-9-]*$/.test(before);
}

/** Whether a name says that its value is a secret. */
export const TELLING =
  /pass(?:word|wd|phrase|code)|pwd|secret|token|credential|(?:api|access|auth|private|encryption|signing|license|account|master|service)[_.-]?key|authorization/i;
