import { longToken, type Rule, token } from '../rule.ts';
import { isGenuine } from '../secret-shape.ts';

const SECRET_KEY = '(?![A-Za-z0-9/+=])';

/** Providers of machines, storage and identity. */
export const cloud: readonly Rule[] = [
  {
    // As consoles and CSV files give it: the id, a separator, the secret.
    id: 'aws-secret-access-key',
    hints: ['AKIA', 'ASIA'],
    pattern: new RegExp(`(?:AKIA|ASIA)[A-Z0-9]{16}[\\s,;:|"'=]{1,12}([A-Za-z0-9/+]{40})${SECRET_KEY}`, 'y'),
    examples: ['AKIA{upper:16},«{mixed:40}»'],
  },
  {
    id: 'aws-secret-access-key',
    hints: [
      'secret_access_key',
      'secretaccesskey',
      'secret-access-key',
      'aws_secret_key',
      'aws_secret',
      'awssecretkey',
    ],
    pattern: new RegExp(
      `[A-Za-z_-]{10,24}["'\\]\\\\]{0,8}\\s{0,8}[=:>,]{1,2}\\s{0,8}["'\\\\]{0,8}([A-Za-z0-9/+]{40})${SECRET_KEY}`,
      'iy',
    ),
    examples: ['aws_secret_access_key = «{mixed:40}»', '"SecretAccessKey": "«{mixed:40}»"'],
    spares: ['aws_secret_access_key = {mixed:26}EXAMPLEKEY/{mixed:3}'],
  },
  {
    // One in thirty has no digit: letters alone are none the less a key.
    ...token('aws-access-key-id', ['AKIA', 'ASIA', 'ABIA', 'ACCA'], '[A-Z0-9]{16}(?![A-Za-z0-9])'),
    validate: isGenuine,
    examples: ['AKIA{upper:16}', 'ASIA{upper:16}'],
    spares: ['AKIA{upper:9}EXAMPLE', 'AKIA{upper:15}', 'XAKIA{upper:16}'],
  },
  longToken('aws-session-token', ['FwoGZXIvYXdz', 'IQoJb3JpZ2lu'], '[A-Za-z0-9/+=]{40,200}', 'IQoJb3JpZ2lu{mixed:400}'),
  longToken('aws-bedrock-api-key', ['ABSK', 'bedrock-api-key-'], '[A-Za-z0-9+/=]{60,300}', 'ABSK{mixed:120}'),
  token('google-api-key', ['AIza'], '[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])', 'AIza{base64url:34}a'),
  longToken(
    'google-oauth-token',
    ['ya29.', '1//0'],
    '[A-Za-z0-9_-]{30,300}',
    'ya29.{base64url:120}',
    '1//0{base64url:60}',
  ),
  token('google-client-secret', ['GOCSPX-'], '[A-Za-z0-9_-]{24,32}', 'GOCSPX-{base64url:28}'),
  {
    id: 'azure-storage-key',
    hints: ['AccountKey=', 'SharedAccessKey=', 'accessKey='],
    pattern: /(?:Account|SharedAccess|access)Key\s{0,2}=\s{0,2}["']?([A-Za-z0-9+/]{42,88}={0,2})/iy,
    examples: ['AccountName=x;AccountKey=«{mixed:86}==»;EndpointSuffix=y'],
  },
  {
    id: 'azure-client-secret',
    hints: ['Q~'],
    before: /(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}\d$/,
    pattern: /Q~[A-Za-z0-9_~.-]{31,36}/y,
    examples: ['{mixed:3}8Q~{mixed:34}'],
  },
  {
    id: 'azure-shared-access-signature',
    hints: ['sig='],
    pattern: /(?<=[?&;"']|&amp;|\\u0026)sig=([A-Za-z0-9%+/]{40,120}={0,2})/y,
    examples: ['https://x.example/y?sv=2024&sig=«{mixed:43}%3D»&se=2030'],
  },
  token('digitalocean-token', ['dop_v1_', 'doo_v1_', 'dor_v1_'], '[a-f0-9]{64}', 'dop_v1_{hex:64}'),
  token('alibaba-access-key-id', ['LTAI'], '[A-Za-z0-9]{16,28}(?![A-Za-z0-9])', 'LTAI{mixed:20}'),
  token('tencent-secret-id', ['AKID'], '[A-Za-z0-9]{32}(?![A-Za-z0-9])', 'AKID{mixed:32}'),
  token('cloudflare-origin-key', ['v1.0-'], '[a-f0-9]{24}-[a-f0-9]{100,160}', 'v1.0-{hex:24}-{hex:146}'),
  token('heroku-api-key', ['HRKU-'], '[A-Za-z0-9_-]{36,64}', 'HRKU-{base64url:60}'),
  longToken('yandex-token', ['AQVN', 't1.', 'YCAJ'], '[A-Za-z0-9_-]{35,200}', 'AQVN{base64url:38}'),
  longToken('vault-token', ['hvs.', 'hvb.', 'hvr.'], '[A-Za-z0-9_-]{24,300}', 'hvs.{base64url:90}'),
  {
    id: 'terraform-token',
    hints: ['.atlasv1.'],
    before: /(?<![A-Za-z0-9])[A-Za-z0-9]{14}$/,
    pattern: /\.atlasv1\.[A-Za-z0-9_=-]{60,80}/y,
    examples: ['{mixed:14}.atlasv1.{base64url:67}'],
  },
  token('databricks-token', ['dapi'], '[a-f0-9]{32}(?:-\\d)?', 'dapi{hex:32}'),
  longToken('doppler-token', ['dp.pt.', 'dp.st.', 'dp.ct.', 'dp.sa.'], '[A-Za-z0-9._-]{40,80}', 'dp.pt.{mixed:43}'),
  token('pulumi-token', ['pul-'], '[a-f0-9]{40}', 'pul-{hex:40}'),
  longToken(
    'planetscale-token',
    ['pscale_tkn_', 'pscale_pw_', 'pscale_oauth_'],
    '[A-Za-z0-9=._-]{32,64}',
    'pscale_tkn_{mixed:43}',
  ),
  token('supabase-token', ['sbp_'], '[a-f0-9]{40}', 'sbp_{hex:40}'),
  token('supabase-token', ['sb_secret_'], '[A-Za-z0-9_-]{22,40}', 'sb_secret_{base64url:31}'),
  token('netlify-token', ['nfp_'], '[A-Za-z0-9]{36,64}', 'nfp_{mixed:40}'),
  longToken('fly-token', ['FlyV1 fm', 'fo1_'], '[A-Za-z0-9_,+/=-]{40,300}', 'fo1_{mixed:43}'),
  token('scalingo-token', ['tk-us-'], '[A-Za-z0-9_-]{48}', 'tk-us-{base64url:48}'),
  longToken('grafana-token', ['glsa_', 'glc_'], '[A-Za-z0-9+/_=]{32,200}', 'glsa_{mixed:32}_{hex:8}'),
  longToken('grafana-api-key', ['eyJrIjoi'], '[A-Za-z0-9+/=]{60,300}', 'eyJrIjoi{mixed:90}'),
  token('new-relic-key', ['NRAK-', 'NRII-', 'NRJS-', 'NRRA-'], '[A-Za-z0-9-]{19,42}', 'NRAK-{upper:27}'),
  longToken('sentry-token', ['sntrys_', 'sntryu_'], '[A-Za-z0-9+/=_]{40,300}', 'sntrys_{mixed:120}'),
  token('dynatrace-token', ['dt0c01.', 'dt0s01.'], '[A-Z0-9]{24}\\.[A-Z0-9]{64}', 'dt0c01.{upper:24}.{upper:64}'),
  token(
    'tailscale-key',
    ['tskey-auth-', 'tskey-api-', 'tskey-client-'],
    '[A-Za-z0-9]{9,24}-[A-Za-z0-9]{22,48}',
    'tskey-auth-{mixed:16}-{mixed:32}',
  ),
  {
    id: 'kubernetes-secret',
    hints: ['kind: secret', 'kind: "secret', "kind: 'secret"],
    pattern:
      /kind: ["']?secret["']?[ \t]*\r?\n(?:(?!---)[^\n]{0,200}\n){0,12}?[ \t]*(?:stringD|d)ata:[ \t]*\r?\n((?:[ \t]+(?![ \t])[^\n]{1,800}(?:\n|$)){1,30})/iy,
    validate: holdsValue,
    examples: [
      'kind: Secret\nmetadata:\n  name: db\ndata:\n«  user: {mixed:11}=\n  password: {mixed:22}==\n»type: Opaque',
    ],
    spares: [
      'kind: Secret\ndata:\n  password: ""\n',
      'kind: Secret\ndata:\n  password: {{ .Values.password }}\n',
      'kind: SecretStore\ndata:\n  name: {mixed:22}==\n',
    ],
  },
  {
    // The same with its members in another order.
    id: 'kubernetes-secret',
    hints: ['data:\n', 'data:\r\n'],
    pattern:
      /(?:(?<=(?:^|\n)[ \t]{0,8}string)d|(?<=(?:^|\n)[ \t]{0,8})d)ata:\r?\n((?:[ \t]+(?![ \t]|kind:|metadata:|type:)[^\n]{1,400}\n){1,16})(?=(?:(?!---)[^\n]{0,120}\n){0,8}?[ \t]{0,8}kind:[ \t]["']?secret["']?[ \t]*(?:\r?\n|$))/iy,
    validate: holdsValue,
    examples: [
      'apiVersion: v1\ndata:\n«  password: {mixed:22}==\n»kind: Secret\n',
      'apiVersion: v1\ndata:\n«  a: "{mixed:15}="\n»kind: "Secret"\nx: y',
    ],
    spares: ['data:\n  picture: {mixed:22}==\nkind: ConfigMap\n'],
  },
];

/** A block of members, one of which has a base64 or plain value of some length. */
function holdsValue(block: string): boolean {
  return /:[ \t]*(?:>-?|\|-?)?\s*["']?[A-Za-z0-9+/]{10,}={0,2}["']?\s/.test(`${block}\n`);
}
