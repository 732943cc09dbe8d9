import { longToken, type Rule, token } from '../rule.ts';
import { isDrawn, isMixed } from '../secret-shape.ts';

/** Language models and what agents use beside them. */
export const models: readonly Rule[] = [
  {
    ...longToken('anthropic-key', ['sk-ant-'], '[A-Za-z0-9_-]{32,200}', 'sk-ant-api03-{base64url:93}AA'),
    spares: ['sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789{mixed:40}'],
  },
  longToken(
    'openai-key',
    ['sk-proj-', 'sk-svcacct-', 'sk-admin-', 'sk-or-v1-'],
    '[A-Za-z0-9_-]{32,200}',
    'sk-proj-{base64url:120}',
  ),
  {
    id: 'openai-key',
    hints: ['sk-'],
    pattern: /(?<![A-Za-z0-9_-])sk-[A-Za-z0-9]{20}[A-Za-z0-9_-]{0,100}/y,
    validate: (secret, context) => isMixed(secret) && isDrawn(secret, context),
    examples: ['sk-{mixed:48}'],
  },
  token('perplexity-key', ['pplx-'], '[A-Za-z0-9]{40,64}', 'pplx-{mixed:48}'),
  token('groq-key', ['gsk_'], '[A-Za-z0-9]{40,64}', 'gsk_{mixed:52}'),
  token('xai-key', ['xai-'], '[A-Za-z0-9]{60,90}', 'xai-{mixed:80}'),
  token('replicate-token', ['r8_'], '[A-Za-z0-9]{37}', 'r8_{mixed:37}'),
  token('nvidia-key', ['nvapi-'], '[A-Za-z0-9_-]{60,70}', 'nvapi-{base64url:64}'),
  token('pinecone-key', ['pcsk_'], '[A-Za-z0-9_]{60,80}', 'pcsk_{mixed:6}_{mixed:63}'),
  token('langsmith-key', ['lsv2_pt_', 'lsv2_sk_'], '[a-f0-9]{32}_[a-f0-9]{10}', 'lsv2_pt_{hex:32}_{hex:10}'),
  token('tavily-key', ['tvly-'], '(?:dev-|prod-)?[A-Za-z0-9]{32}(?![A-Za-z0-9])', 'tvly-{mixed:32}'),
  token('apify-token', ['apify_api_'], '[A-Za-z0-9]{34,36}(?![A-Za-z0-9])', 'apify_api_{mixed:36}'),
];
