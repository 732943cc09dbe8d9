import { createHash } from 'node:crypto';

/** A text that holds a made-up secret, and the part of it that must not be left. */
interface Sample {
  readonly text: string;
  readonly secret: string;
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const alphabets = {
  hex: '0123456789abcdef',
  upper: `${LETTERS}0123456789`,
  letters: `${LETTERS}${LETTERS.toLowerCase()}`,
  lower: `${LETTERS.toLowerCase()}0123456789`,
  mixed: `${LETTERS}${LETTERS.toLowerCase()}0123456789`,
} as const;

/** Characters that look drawn at random and are the same on every run. */
function made(length: number, alphabet: keyof typeof alphabets = 'mixed', seed = ''): string {
  const from = alphabets[alphabet];
  let out = '';
  for (let round = 0; out.length < length; round++) {
    for (const byte of createHash('sha256').update(`${alphabet}${seed}${round}`).digest())
      out += from.charAt(byte % from.length);
  }
  return out.slice(0, length);
}

/** The secret alone is the text. */
function alone(...secrets: readonly string[]): readonly Sample[] {
  return secrets.map((secret) => ({ text: secret, secret }));
}

function within(before: string, secret: string, after = ''): Sample {
  return { text: before + secret + after, secret };
}

const header = Buffer.from('{"alg":"ES256","typ":"JWT"}').toString('base64url');
const claims = Buffer.from('{"sub":"somebody","iat":1700000000}').toString('base64url');
const uuid = `${made(8, 'hex')}-${made(4, 'hex')}-${made(4, 'hex')}-${made(4, 'hex')}-${made(12, 'hex')}`;

/** At least one for each rule, made here rather than written down: a repository should hold nothing that looks real. */
export const samples: Readonly<Record<string, readonly Sample[]>> = {
  'private-key': [
    within('', `-----BEGIN PRIVATE KEY-----\n${made(64)}\n${made(40)}==\n`, '-----END PRIVATE KEY-----.'),
    within(
      '',
      `-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,${made(32, 'upper')}\n\n${made(64)}\n`,
      '-----END RSA PRIVATE KEY-----.',
    ),
    within(
      '{\\"private_key\\": \\"',
      `-----BEGIN PRIVATE KEY-----\\n${made(64)}\\n${made(30)}=\\n`,
      '-----END PRIVATE KEY-----\\n\\"}.',
    ),
  ],
  'putty-private-key': [within('Private-Lines: 2\n', made(64), '\n.')],
  jwt: alone(`${header}.${claims}.${made(86)}`, `${header}..${made(16)}.${made(60)}.${made(22)}`),
  'url-password': [
    within('postgres://app:', made(14), '@db.internal:5432/x'),
    within('https://x:', made(9), '@[::1]/'),
    within('redis://:', made(20), '@cache'),
  ],
  authorization: [within('Authorization: Token ', made(24)), within('"authorization": "', made(40), '"')],
  'bearer-token': [within('curl -H "X: Bearer ', made(40), '"')],
  'basic-credentials': [within('basic ', Buffer.from('somebody:something1').toString('base64'))],
  'aws-secret-access-key': [
    within(`AKIA${made(16, 'upper')},`, made(40)),
    within('aws_secret_access_key = ', made(40)),
    within('"SecretAccessKey": "', made(40), '"'),
  ],
  'aws-access-key-id': alone(`AKIA${made(16, 'upper')}`, `ASIA${made(16, 'upper')}`),
  'aws-session-token': alone(`IQoJb3JpZ2lu${made(400)}`),
  'aws-bedrock-api-key': alone(`ABSK${made(120)}`),
  'google-api-key': alone(`AIza${made(35)}`),
  'google-oauth-token': alone(`ya29.${made(120)}`, `1//0${made(60)}`),
  'google-client-secret': alone(`GOCSPX-${made(28)}`),
  'azure-storage-key': [within('AccountName=x;AccountKey=', `${made(86)}==`, ';EndpointSuffix=y')],
  'azure-client-secret': alone(`${made(3)}8Q~${made(34)}`),
  'azure-shared-access-signature': [within('https://x.example/y?sv=2024&sig=', `${made(43)}%3D`, '&se=2030')],
  'digitalocean-token': alone(`dop_v1_${made(64, 'hex')}`),
  'alibaba-access-key-id': alone(`LTAI${made(20)}`),
  'tencent-secret-id': alone(`AKID${made(32)}`),
  'cloudflare-origin-key': alone(`v1.0-${made(24, 'hex')}-${made(146, 'hex')}`),
  'heroku-api-key': alone(`HRKU-${made(60)}`),
  'yandex-token': alone(`AQVN${made(38)}`),
  'vault-token': alone(`hvs.${made(90)}`),
  'terraform-token': alone(`${made(14)}.atlasv1.${made(67)}`),
  'databricks-token': alone(`dapi${made(32, 'hex')}`),
  'doppler-token': alone(`dp.pt.${made(43)}`),
  'pulumi-token': alone(`pul-${made(40, 'hex')}`),
  'planetscale-token': alone(`pscale_tkn_${made(43)}`),
  'supabase-token': alone(`sbp_${made(40, 'hex')}`),
  'netlify-token': alone(`nfp_${made(40)}`),
  'fly-token': alone(`fo1_${made(43)}`),
  'scalingo-token': alone(`tk-us-${made(48)}`),
  'grafana-token': alone(`glsa_${made(32)}_${made(8, 'hex')}`),
  'grafana-api-key': alone(`eyJrIjoi${made(90)}`),
  'new-relic-key': alone(`NRAK-${made(27, 'upper')}`),
  'sentry-token': alone(`sntrys_${made(120)}`),
  'dynatrace-token': alone(`dt0c01.${made(24, 'upper')}.${made(64, 'upper')}`),
  'github-token': alone(`ghp_${made(36)}`, `ghs_${made(36)}`, `github_pat_${made(22)}_${made(59)}`),
  'gitlab-token': alone(`glpat-${made(20)}`, `glagent-${made(50)}`, `GR1348941${made(20)}`),
  'gitlab-session': [within('_gitlab_session=', made(32, 'lower'))],
  'atlassian-token': alone(`ATATT3${made(186)}`),
  'npm-token': alone(`npm_${made(36)}`),
  'pypi-token': alone(`pypi-AgEIcHlwaS5vcmc${made(100)}`),
  'rubygems-token': alone(`rubygems_${made(48, 'hex')}`),
  'clojars-token': alone(`CLOJARS_${made(60)}`),
  'nuget-token': alone(`oy2${made(43, 'lower')}`),
  'docker-token': alone(`dckr_pat_${made(27)}`),
  'jfrog-token': alone(`AKCp${made(69)}`),
  'huggingface-token': alone(`hf_${made(34, 'letters')}`),
  'sonar-token': alone(`squ_${made(40)}`),
  'circleci-token': alone(`CCIPAT_${made(22)}_${made(40, 'hex')}`),
  'buildkite-token': alone(`bkua_${made(40, 'lower')}`),
  'postman-key': alone(`PMAK-${made(24, 'hex')}-${made(34, 'hex')}`),
  'linear-key': alone(`lin_api_${made(40)}`),
  'notion-token': alone(`ntn_${made(46)}`),
  'figma-token': alone(`figd_${made(40)}`),
  'prefect-key': alone(`pnu_${made(36)}`),
  'harness-key': alone(`pat.${made(22)}.${made(24, 'hex')}.${made(20)}`),
  'airtable-token': alone(`pat${made(14)}.${made(64, 'hex')}`),
  '1password-secret-key': alone(
    `A3-${made(6, 'upper')}-${made(11, 'upper')}-${made(5, 'upper', 'a')}-${made(5, 'upper', 'b')}-${made(5, 'upper', 'c')}`,
  ),
  '1password-service-account': alone(`ops_eyJ${made(300)}`),
  'age-secret-key': alone(`AGE-SECRET-KEY-1${made(58, 'upper')}`),
  'slack-token': alone(`xoxb-1${made(11, 'upper')}-${made(24)}`, `xapp-1-A${made(40)}`),
  'slack-webhook': [
    within('https://hooks.slack.com/services/', `T${made(10, 'upper')}/B${made(10, 'upper')}/${made(24)}`),
  ],
  'discord-webhook': [within('https://chat.example/api/webhooks/', `123456789012345678/${made(68)}`)],
  'discord-bot-token': alone(`M${made(25)}.${made(6)}.${made(38)}`),
  'telegram-bot-token': alone(`7012345678:A${made(34)}`),
  'stripe-key': alone(`sk_live_${made(24)}`, `rk_test_${made(99)}`),
  'stripe-webhook-secret': alone(`whsec_${made(32)}`),
  'square-token': alone(`sq0atp-${made(22)}`),
  'shopify-token': alone(`shpat_${made(32, 'hex')}`),
  'shippo-token': alone(`shippo_live_${made(40, 'hex')}`),
  'flutterwave-key': alone(`FLWSECK-${made(32)}-X`),
  'easypost-key': alone(`EZAK${made(54)}`),
  'plaid-token': alone(`access-sandbox-${uuid}`),
  'sendgrid-key': alone(`SG.${made(22)}.${made(43)}`),
  'sendinblue-key': alone(`xkeysib-${made(64, 'hex')}-${made(16)}`),
  'mailchimp-key': alone(`${made(32, 'hex')}-us12`),
  'mailgun-key': alone(`key-${made(32, 'hex')}`),
  'twilio-key': alone(`SK${made(32, 'hex')}`),
  'anthropic-key': alone(`sk-ant-api03-${made(93)}AA`),
  'openai-key': alone(`sk-proj-${made(120)}`, `sk-${made(48)}`),
  'perplexity-key': alone(`pplx-${made(48)}`),
  'groq-key': alone(`gsk_${made(52)}`),
  'xai-key': alone(`xai-${made(80)}`),
  'replicate-token': alone(`r8_${made(37)}`),
  'facebook-token': alone(`EAAG${made(180)}`),
  'mapbox-token': alone(`sk.eyJ${made(60)}.${made(22)}`),
  'dropbox-token': alone(`sl.${made(130)}`),
  'card-number': alone('4000123412341234', '4000 1234 1234 1234', '4000-1234-1234-1234'),
  password: [within('password: ', 'correct7horse'), within("'db_password' => '", 'Tr0ub4dor&3', "'")],
  secret: [within('client_secret = "', made(32), '"'), within('API_KEY=', made(24)), within('signing_key: ', made(44))],
};
