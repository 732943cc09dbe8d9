import type { Rule } from '../finding.ts';

/** What is looked for in code, in every language alike, by this name: what it says, and the weakness that it is. */
const kinds = {
  eval: ['error', 'CWE-95, OWASP A03:2021', 'code is made of a value at run time'],
  exec: ['error', 'CWE-78, OWASP A03:2021', 'a shell runs a command line that is not constant'],
  shell: ['error', 'CWE-78, OWASP A03:2021', 'a program is started through a shell'],
  sql: ['error', 'CWE-89, OWASP A03:2021', 'a query is put together of strings'],
  template: ['error', 'CWE-1336, OWASP A03:2021', 'a template is made of a value at run time'],
  deserialize: ['error', 'CWE-502, OWASP A08:2021', 'a value is read in a form that can carry code'],
  tls: ['error', 'CWE-295, OWASP A02:2021', 'certificates are not checked'],
  cipher: ['warning', 'CWE-327, OWASP A02:2021', 'a cipher that is broken, or used block by block'],
  extract: ['warning', 'CWE-22, OWASP A01:2021', 'an archive is unpacked to wherever it says'],
  listen: ['warning', 'CWE-1327, OWASP A05:2021', 'everybody on the network can connect'],
  vm: ['warning', 'CWE-265', 'node:vm is no sandbox'],
  load: ['warning', 'CWE-829, OWASP A08:2021', 'what is loaded is decided at run time'],
  unparsed: ['warning', 'OWASP A08:2021', 'cannot be read, and was not looked at to its end'],
} as const satisfies Readonly<Record<string, readonly [Rule['level'], string, string]>>;

export type Kind = keyof typeof kinds;

/** The rules under a language's ids: `js.eval`. */
export function codeRules(language: 'js' | 'py'): Readonly<Record<Kind, Rule>> {
  const rows = Object.entries(kinds).map(([kind, [level, standard, text]]) => {
    const rule: Rule = { id: `${language}.${kind}`, level, standard, text };
    return [kind, rule];
  });
  return Object.fromEntries(rows);
}

/** The beginning of what is a query. */
export const QUERY = /^(?:select|insert|update|delete|drop|alter|with|call|merge)\s/i;

/** Programs that run a command line, by path or name. */
export const SHELL = /^(?:\/(?:usr\/)?bin\/(?:env )?)?(?:(?:ba|da|z|k|a)?sh|cmd(?:\.exe)?|powershell(?:\.exe)?|pwsh)$/i;

/** What they take a command line by. */
export const SHELL_FLAG = /^(?:-\w*c|\/[ck]|-command|-encodedcommand)$/i;
