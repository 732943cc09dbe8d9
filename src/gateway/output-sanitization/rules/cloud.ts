import { longToken, type Rule, token } from '../rule.ts';

const SECRET_KEY = '(?![A-Za-z0-9/+=])';

/** Providers of machines, storage and identity. */
export const cloud: readonly Rule[] = [
  {
    // As consoles and CSV files give it: the id, a separator, the secret.
    id: 'aws-secret-access-key',
    hints: ['AKIA', 'ASIA'],
    pattern: new RegExp(`(?:AKIA|ASIA)[A-Z0-9]{16}[\\s,;:|"'=]{1,12}([A-Za-z0-9/+]{40})${SECRET_KEY}`, 'y'),
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
      `[A-Za-z_-]{10,24}["'\\]\\\\]{0,3}\\s{0,8}[=:>,]{1,2}\\s{0,8}["'\\\\]{0,2}([A-Za-z0-9/+]{40})${SECRET_KEY}`,
      'iy',
    ),
  },
  token('aws-access-key-id', ['AKIA', 'ASIA', 'ABIA', 'ACCA'], '[A-Z0-9]{16}(?![A-Za-z0-9])'),
  longToken('aws-session-token', ['FwoGZXIvYXdz', 'IQoJb3JpZ2lu'], '[A-Za-z0-9/+=]{40,200}'),
  longToken('aws-bedrock-api-key', ['ABSK', 'bedrock-api-key-'], '[A-Za-z0-9+/=]{60,300}'),
  token('google-api-key', ['AIza'], '[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])'),
  longToken('google-oauth-token', ['ya29.', '1//0'], '[A-Za-z0-9_-]{30,300}'),
  token('google-client-secret', ['GOCSPX-'], '[A-Za-z0-9_-]{24,32}'),
  {
    id: 'azure-storage-key',
    hints: ['AccountKey=', 'SharedAccessKey=', 'accessKey='],
    pattern: /(?:Account|SharedAccess|access)Key\s{0,2}=\s{0,2}["']?([A-Za-z0-9+/]{42,88}={0,2})/iy,
  },
  {
    id: 'azure-client-secret',
    hints: ['Q~'],
    before: /(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}\d$/,
    pattern: /Q~[A-Za-z0-9_~.-]{31,36}/y,
  },
  {
    id: 'azure-shared-access-signature',
    hints: ['sig='],
    pattern: /(?<=[?&;"']|&amp;|\\u0026)sig=([A-Za-z0-9%+/]{40,120}={0,2})/y,
  },
  token('digitalocean-token', ['dop_v1_', 'doo_v1_', 'dor_v1_'], '[a-f0-9]{64}'),
  token('alibaba-access-key-id', ['LTAI'], '[A-Za-z0-9]{16,28}(?![A-Za-z0-9])'),
  token('tencent-secret-id', ['AKID'], '[A-Za-z0-9]{32}(?![A-Za-z0-9])'),
  token('cloudflare-origin-key', ['v1.0-'], '[a-f0-9]{24}-[a-f0-9]{100,160}'),
  token('heroku-api-key', ['HRKU-'], '[A-Za-z0-9_-]{36,64}'),
  longToken('yandex-token', ['AQVN', 't1.', 'YCAJ'], '[A-Za-z0-9_-]{35,200}'),
  longToken('vault-token', ['hvs.', 'hvb.', 'hvr.'], '[A-Za-z0-9_-]{24,300}'),
  {
    id: 'terraform-token',
    hints: ['.atlasv1.'],
    before: /(?<![A-Za-z0-9])[A-Za-z0-9]{14}$/,
    pattern: /\.atlasv1\.[A-Za-z0-9_=-]{60,80}/y,
  },
  token('databricks-token', ['dapi'], '[a-f0-9]{32}(?:-\\d)?'),
  longToken('doppler-token', ['dp.pt.', 'dp.st.', 'dp.ct.', 'dp.sa.'], '[A-Za-z0-9._-]{40,80}'),
  token('pulumi-token', ['pul-'], '[a-f0-9]{40}'),
  longToken('planetscale-token', ['pscale_tkn_', 'pscale_pw_', 'pscale_oauth_'], '[A-Za-z0-9=._-]{32,64}'),
  token('supabase-token', ['sbp_'], '[a-f0-9]{40}'),
  token('netlify-token', ['nfp_'], '[A-Za-z0-9]{36,64}'),
  longToken('fly-token', ['FlyV1 fm', 'fo1_'], '[A-Za-z0-9_,+/=-]{40,300}'),
  token('scalingo-token', ['tk-us-'], '[A-Za-z0-9_-]{48}'),
  longToken('grafana-token', ['glsa_', 'glc_'], '[A-Za-z0-9+/_=]{32,200}'),
  longToken('grafana-api-key', ['eyJrIjoi'], '[A-Za-z0-9+/=]{60,300}'),
  token('new-relic-key', ['NRAK-', 'NRII-', 'NRJS-', 'NRRA-'], '[A-Za-z0-9-]{19,42}'),
  longToken('sentry-token', ['sntrys_', 'sntryu_'], '[A-Za-z0-9+/=_]{40,300}'),
  token('dynatrace-token', ['dt0c01.', 'dt0s01.'], '[A-Z0-9]{24}\\.[A-Z0-9]{64}'),
];
