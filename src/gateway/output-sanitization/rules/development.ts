import { longToken, type Rule, token } from '../rule.ts';
import { isVaried } from '../secret-shape.ts';

/** Ends a token of fixed length. */
const END = '(?![A-Za-z0-9_-])';

/** Source control, registries, build systems. */
export const development: readonly Rule[] = [
  token(
    'github-token',
    ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'],
    '[A-Za-z0-9]{36,255}',
    'ghp_{mixed:36}',
    'ghs_{mixed:36}',
  ),
  token('github-token', ['github_pat_'], '[A-Za-z0-9_]{60,255}', 'github_pat_{mixed:22}_{mixed:59}'),
  {
    // Of 20 units; the routable ones are longer, with two dots.
    ...longToken(
      'gitlab-token',
      ['glpat-', 'gldt-', 'glrt-', 'glrtr-', 'glcbt-', 'glft-', 'glsoat-', 'glffct-'],
      '[A-Za-z0-9_-]{20,200}',
    ),
    examples: ['glpat-{base64url:20}', 'glrt-t1_{base64url:27}.{lower:2}.{lower:9}'],
    spares: ['glpat-{mixed:12}'],
  },
  longToken('gitlab-token', ['glagent-'], '[A-Za-z0-9_-]{50,200}', 'glagent-{base64url:50}'),
  {
    ...token('gitlab-token', ['glptt-'], `[A-Za-z0-9_-]{40}${END}`, 'glptt-{hex:40}'),
    spares: ['glptt-{hex:32}', 'glptt-{hex:44}'],
  },
  token('gitlab-token', ['gloas-'], `[A-Za-z0-9_-]{64}${END}`, 'gloas-{hex:64}'),
  token('gitlab-token', ['glimt-'], `[A-Za-z0-9_-]{25}${END}`, 'glimt-{lower:25}'),
  token('gitlab-token', ['GR1348941'], '[A-Za-z0-9_-]{20,40}', 'GR1348941{base64url:20}'),
  {
    id: 'gitlab-session',
    hints: ['_gitlab_session='],
    pattern: /_gitlab_session=([a-z0-9]{32})/y,
    examples: ['_gitlab_session=«{lower:32}»'],
  },
  longToken('atlassian-token', ['ATATT3', 'ATCTT3', 'ATBB'], '[A-Za-z0-9_=-]{20,250}', 'ATATT3{base64url:186}'),
  token('trello-token', ['ATTA'], '[a-f0-9]{60,80}(?![A-Za-z0-9])', 'ATTA{hex:72}'),
  token('npm-token', ['npm_'], '[A-Za-z0-9]{36}(?![A-Za-z0-9])', 'npm_{mixed:36}'),
  longToken('pypi-token', ['pypi-AgEI', 'pypi-AgEN'], '[A-Za-z0-9_-]{50,400}', 'pypi-AgEIcHlwaS5vcmc{base64url:100}'),
  token('rubygems-token', ['rubygems_'], '[a-f0-9]{48}', 'rubygems_{hex:48}'),
  token('clojars-token', ['CLOJARS_'], '[A-Za-z0-9]{60}', 'CLOJARS_{mixed:60}'),
  token('nuget-token', ['oy2'], '[a-z0-9]{43}(?![A-Za-z0-9])', 'oy2{lower:43}'),
  token('docker-token', ['dckr_pat_', 'dckr_oat_'], '[A-Za-z0-9_-]{27,40}', 'dckr_pat_{base64url:27}'),
  longToken('jfrog-token', ['AKCp', 'cmVmdGtu'], '[A-Za-z0-9]{50,120}', 'AKCp{mixed:69}'),
  {
    // Letters only: no digit can be asked for.
    ...token('huggingface-token', ['hf_', 'api_org_'], '[A-Za-z]{34}(?![A-Za-z0-9])', 'hf_{letters:34}'),
    validate: isVaried,
    spares: ['hf_{letters:33}', 'hf_{letters:40}'],
  },
  token('sonar-token', ['sqp_', 'sqa_', 'squ_'], '[A-Za-z0-9]{40}', 'squ_{mixed:40}'),
  token('circleci-token', ['CCIPAT_'], '[A-Za-z0-9]{20,24}_[a-f0-9]{40}', 'CCIPAT_{mixed:22}_{hex:40}'),
  token('buildkite-token', ['bkua_'], '[a-z0-9]{40}', 'bkua_{lower:40}'),
  token('postman-key', ['PMAK-'], '[a-f0-9]{24}-[a-f0-9]{34}', 'PMAK-{hex:24}-{hex:34}'),
  token('linear-key', ['lin_api_', 'lin_oauth_'], '[A-Za-z0-9]{40,64}', 'lin_api_{mixed:40}'),
  {
    ...token('notion-token', ['ntn_'], '\\d{11}[A-Za-z0-9]{35}(?![A-Za-z0-9])', 'ntn_{digits:11}{mixed:35}'),
    spares: ['ntn_{digits:11}', 'ntn_{digits:60}'],
  },
  token('figma-token', ['figd_'], '[A-Za-z0-9_-]{38,44}', 'figd_{base64url:40}'),
  token('prefect-key', ['pnu_', 'pnb_'], '[A-Za-z0-9]{36}', 'pnu_{mixed:36}'),
  token(
    'harness-key',
    ['pat.', 'sat.'],
    '[A-Za-z0-9_-]{22}\\.[a-f0-9]{24}\\.[A-Za-z0-9]{20}',
    'pat.{base64url:22}.{hex:24}.{mixed:20}',
  ),
  token('settlemint-token', ['sm_pat_', 'sm_aat_', 'sm_sat_'], '[A-Za-z0-9]{16}(?![A-Za-z0-9])', 'sm_pat_{mixed:16}'),
  token('sourcegraph-token', ['sgp_'], '(?:[a-f0-9]{16}_)?[a-f0-9]{40}', 'sgp_{hex:16}_{hex:40}'),
  token('contentful-token', ['CFPAT-'], '[A-Za-z0-9_-]{43}', 'CFPAT-{base64url:43}'),
  token('readme-key', ['rdme_'], '[a-z0-9]{70}', 'rdme_{lower:70}'),
  token('intra42-secret', ['s-s4t2ud-', 's-s4t2af-'], '[a-f0-9]{64}', 's-s4t2ud-{hex:64}'),
  token('adobe-client-secret', ['p8e-'], '[A-Za-z0-9]{32}(?![A-Za-z0-9])', 'p8e-{hex:32}'),
  {
    id: 'airtable-token',
    hints: ['pat'],
    next: /[A-Za-z0-9]/,
    least: 14,
    then: '.',
    pattern: /(?<![A-Za-z0-9])pat[A-Za-z0-9]{14}\.[a-f0-9]{64}/y,
    examples: ['pat{mixed:14}.{hex:64}'],
  },
  {
    id: '1password-secret-key',
    hints: ['A3-'],
    pattern: /(?<![A-Za-z0-9])A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}/y,
    examples: ['A3-{upper:6}-{upper:11}-{upper:5}-{upper:5}-{upper:5}'],
  },
  longToken('1password-service-account', ['ops_eyJ'], '[A-Za-z0-9+/=]{100,400}', 'ops_eyJ{mixed:300}'),
  longToken('age-secret-key', ['AGE-SECRET-KEY-1'], '[A-Z0-9]{58}', 'AGE-SECRET-KEY-1{upper:58}'),
];
