import fc from 'fast-check';
import { ALPHABETS, type Alphabet } from '../../src/contract/secret-template.ts';
import type { Sample } from './samples.ts';

const of = (alphabet: Alphabet, minLength: number, maxLength = minLength): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...ALPHABETS[alphabet]), minLength, maxLength });

const words = fc.constantFrom('acme', 'billing', 'core', 'db', 'prod', 'warehouse', 'mailer', 'ci', 'Ops', 'svc');
const telling = fc.constantFrom(
  ...['api key', 'secret', 'client secret', 'access token', 'auth token', 'token', 'private key', 'signing key'],
  ...['encryption key', 'service key', 'app secret', 'refresh token', 'webhook secret', 'access key'],
);
const spelled = (separator: fc.Arbitrary<string>) =>
  fc
    .tuple(words, telling, separator)
    .map(([word, tell, by]) =>
      by === ''
        ? `${word} ${tell}`.replace(/ (\w)/g, (_, letter) => letter.toUpperCase())
        : `${word} ${tell}`.replaceAll(' ', by),
    );
const name = fc.oneof(
  spelled(fc.constantFrom('_', '-', '', '.')),
  spelled(fc.constant('_')).map((text) => text.toUpperCase()),
);
const passwordName = fc
  .tuple(words, fc.constantFrom('password', 'passwd', 'pwd', 'PASSWORD', 'passphrase'))
  .map(([word, tell]) => `${word}_${tell}`);

/** Ways to write that a name has a value. */
const syntax = fc.constantFrom<(name: string, value: string) => string>(
  (n, v) => `${n}=${v}`,
  (n, v) => `${n} = "${v}"`,
  (n, v) => `export ${n}='${v}'`,
  (n, v) => `"${n}": "${v}",`,
  (n, v) => `${n}: ${v}`,
  (n, v) => `const ${n} = \`${v}\`;`,
  (n, v) => `<${n}>${v}</${n}>`,
  (n, v) => `--${n} ${v}`,
  (n, v) => `set("${n}", "${v}")`,
  (n, v) => `${n} := "${v}"`,
  (n, v) => `'${n}' => '${v}'`,
  (n, v) => `{\\"${n}\\":\\"${v}\\"}`,
  (n, v) => `- name: ${n}\n  value: ${v}`,
  (n, v) => `{"name":"${n}","value":"${v}"}`,
  (n, v) => `ENV ${n} ${v}`,
  (n, v) => `#define ${n} "${v}"`,
  (n, v) => `static ${n}: &str = "${v}";`,
  (n, v) => `public string ${n} { get; set; } = "${v}";`,
);

const value = fc.oneof(
  of('hex', 32, 64),
  of('mixed', 20, 64),
  of('lower', 24, 48),
  of('base64url', 22, 80),
  of('upper', 20, 40),
  fc.uuid(),
);
/** As people choose them: a word or two, something in between, digits. */
const chosen = fc
  .tuple(of('letters', 3, 7), fc.constantFrom('!', '#', '&', '_', '-', '*'), of('lower', 2, 6), of('digits', 1, 4))
  .map((parts) => parts.join(''));

const assigned = (names: fc.Arbitrary<string>, values: fc.Arbitrary<string>): fc.Arbitrary<Sample> =>
  fc.tuple(names, values, syntax).map(([n, v, write]) => ({ text: `# conf\n${write(n, v)}\nx: 1`, secret: v }));

const url = fc
  .tuple(fc.constantFrom('postgres', 'mysql', 'redis', 'amqp', 'https', 'mongodb+srv'), words, of('mixed', 10, 24))
  .map(([scheme, user, secret]) => ({ text: `${scheme}://${user}:${secret}@db.internal:5432/main`, secret }));

const bearer = fc
  .tuple(fc.constantFrom('Authorization: Bearer ', 'authorization: token ', '"Authorization": "Bearer '), value)
  .map(([before, secret]) => ({ text: `curl -H ${before}${secret}"`, secret }));

/** A text with a secret that no vendor's prefix gives away. */
export const secretText: fc.Arbitrary<Sample> = fc.oneof(
  { weight: 6, arbitrary: assigned(name, value) },
  { weight: 2, arbitrary: assigned(passwordName, chosen) },
  url,
  bearer,
);

const base64 = (bytes: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((all) => Buffer.from(all).toString('base64'));

const placeholder = fc.constantFrom(
  ...['<your-api-key>', '${TOKEN}', '{{ .Values.token }}', 'xxxxxxxxxxxxxxxx', 'your_token_here', 'changeme'],
  ...['process.env.TOKEN', 'os.environ["TOKEN"]', 'config.get("token")', '********', 'REPLACE_ME', '%(token)s', 'null'],
);

/** What is about a secret, or is needed to go on. */
const describing = fc.constantFrom(
  ...['secret_name', 'tokenCount', 'password_url', 'nextPageToken', 'credentialId', 'secretArn', 'token_type'],
  ...['passwordResetUrl', 'api_key_id', 'secretVersion', 'access_token_expires', 'continuation_token', 'tokenLimit'],
);

/** Texts without a secret, full of what looks like one. */
export const clean: fc.Arbitrary<string> = fc.oneof(
  fc
    .tuple(fc.constantFrom('id', 'request_id', 'trace', 'uuid', 'session'), fc.uuid())
    .map(([n, v]) => `"${n}": "${v}"`),
  of('hex', 40).map((sha) => `commit ${sha}\nmerge ${sha.slice(0, 12)}`),
  base64(64).map((digest) => `"integrity": "sha512-${digest}"`),
  of('hex', 64).map((digest) => `image@sha256:${digest} etag="${digest.slice(0, 32)}"`),
  of('hex', 64).map((digest) => `token_digest: sha256:${digest}`),
  base64(300).map((data) => `<img src="data:image/png;base64,${data}">`),
  fc.tuple(name, placeholder, syntax).map(([n, v, write]) => write(n, v)),
  fc.tuple(passwordName, placeholder, syntax).map(([n, v, write]) => write(n, v)),
  fc.tuple(describing, value, syntax).map(([n, v, write]) => write(n, v)),
  fc.tuple(words, of('digits', 10, 13)).map(([word, digits]) => `${word}: ${digits}, max_tokens: 4096, at=${digits}.5`),
  fc
    .tuple(words, words)
    .map(([a, b]) => `The ${a} token of ${b} has expired; a password is needed, and the secret is kept.`),
  fc.tuple(words, of('digits', 1, 3)).map(([word, n]) => `${word}_secret_ref: ${word}-us-east-${n}-vault`),
  fc
    .webUrl({ withQueryParameters: true })
    .filter((text) => !/token|key|secret|pass|pwd|auth|sig=|:\/\/[^/]*@/i.test(text)),
  fc.lorem({ maxCount: 40 }),
  fc.tuple(words, of('hex', 32)).map(([word, md5]) => `${md5}  ${word}.tar.gz`),
);
