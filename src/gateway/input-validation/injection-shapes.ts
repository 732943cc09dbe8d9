/** What a string may be meant for beyond the field it stands in. */
export type Target = 'shell' | 'code' | 'template' | 'sql' | 'path' | 'header' | 'lookup';

export interface Shape {
  readonly into: Target;
  /** What one such place adds; at 1 a string is refused. */
  readonly weight: number;
  /** Texts, in lower case, of which the shape has one at least in any case; where none is, it is not looked for. */
  readonly hints: readonly string[];
  /** Bounded wherever it repeats, so that a string costs time in proportion to its length. */
  readonly pattern: RegExp;
}

const COMMAND = `(?:rm|curl|wget|nc|ncat|bash|sh|zsh|ksh|chmod|chown|mkfifo|mkfs|dd|python[23]?|perl|ruby|php|node|powershell|pwsh|cmd|eval|exec|sudo|kill|touch|cat|whoami|id|uname|nslookup|dig|base64|printenv|env|ls|echo|sleep|ping)`;
const SNOOP = `(?:rm|curl|wget|nc|bash|sh|cat|id|whoami|uname|touch|python3?|perl|env|printenv|base64|nslookup|dig)`;

const shape = (into: Target, weight: number, hints: string, source: string): Shape => ({
  into,
  weight,
  hints: hints.split(' '),
  pattern: new RegExp(source, 'i'),
});

/**
 * Shapes of command, template, SQL, path, header and query injection (CWE-77, 94, 1336, 89, 22, 113, 90): what ends a
 * string's own meaning and begins another. A word of a language alone is none of them, and neither is punctuation alone.
 */
export const shapes: readonly Shape[] = [
  shape('shell', 1, '|', String.raw`\|\s{0,4}(?:sudo\s{1,4})?(?:ba|z|da|k)?sh\b`),
  shape('shell', 1, '| ; &', String.raw`[|;&]\s{0,4}(?:nc|ncat)\s{1,4}-\w{0,6}e\b`),
  shape('shell', 0.6, '; & | \n', String.raw`(?:[;&]|\|\||\n)\s{0,4}${COMMAND}\s{1,4}[-/$~.'"\w]`),
  shape('shell', 0.5, '; & |', String.raw`(?:;|&&|\|\|?)\s{0,4}(?:rm\s+-|curl\s|wget\s|chmod\s|mkfifo\s|sudo\s)`),
  shape('shell', 0.5, '\' "', String.raw`['"]\s{0,4};\s{0,4}${COMMAND}\s`),
  shape('shell', 0.6, '$(', String.raw`\$\(\s{0,4}${COMMAND}\b`),
  shape('shell', 0.5, '$(', String.raw`\$\(\s{0,4}${SNOOP}\b`),
  shape('shell', 0.6, '`', String.raw`${'`'}\s{0,4}${SNOOP}\b[^${'`'}\n]{0,200}${'`'}`),
  shape('shell', 0.5, '`', String.raw`${'`'}[^${'`'}\n]{0,100}(?:/etc/|/tmp/|/dev/|\bid\b|whoami)`),
  shape(
    'shell',
    1,
    '$ifs ${ifs /dev/ ()',
    String.raw`\$\{?IFS\b|/dev/(?:tcp|udp)/|\(\)\s{0,4}\{[^}\n]{0,20}\}\s{0,4};`,
  ),
  shape(
    'shell',
    0.8,
    '/c -e -n -w %',
    String.raw`\bcmd(?:\.exe)?\s{1,4}/c\b|\bpowershell(?:\.exe)?\s{1,4}-(?:e|enc|encodedcommand|nop|w)\b|%comspec%`,
  ),
  shape('code', 1, '__import__ mainmodule', String.raw`__import__\s{0,4}\(|process\.mainModule`),
  shape(
    'code',
    0.6,
    '( child_process kernel.',
    String.raw`\bos\.(?:system|popen)\s{0,4}\(|\bsubprocess\.\w{3,12}\(|\bRuntime\.getRuntime\(|\bKernel\.(?:exec|system)\b|require\(\s{0,4}['"]child_process`,
  ),
  shape(
    'code',
    0.5,
    '; \' " ) ]',
    String.raw`[;'")\]]\s{0,4}(?:import\s{1,4}os\b|eval\s{0,4}\(|exec\s{0,4}\(|system\s{0,4}\()`,
  ),
  shape(
    'template',
    1,
    '{{',
    String.raw`\{\{[^{}\n]{0,80}(?:\d\s{0,4}\*\s{0,4}'?\d|__\w{1,20}__|\bconstructor\b|\bconfig\.|\bself\.|request\.application|\blipsum\b|\bcycler\b)`,
  ),
  shape(
    'template',
    1,
    '${ #{',
    String.raw`[$#]\{[^{}\n]{0,80}(?:jndi:|T\(java|\d\s{0,4}\*\s{0,4}\d|getRuntime|getClass)|\$\{\$\{`,
  ),
  shape(
    'template',
    1,
    '<%',
    String.raw`<%=?[^%\n]{0,120}(?:system|exec|\d\s{0,4}\*\s{0,4}\d|File\.|Process)[^%\n]{0,120}%>`,
  ),
  shape(
    'sql',
    1,
    '\' "',
    String.raw`['"]\s{0,4}\)?\s{0,4}(?:or|and)\s{1,4}(?:not\s{1,4})?['"(]?\w{1,20}['"]?\s{0,4}(?:=|<|>|like\b|is\b|in\b)`,
  ),
  shape('sql', 1, 'union', String.raw`\bunion(?:\s|/\*\*/){1,8}(?:all(?:\s|/\*\*/){1,8})?select\b`),
  shape(
    'sql',
    1,
    ';',
    String.raw`['")\d]\s{0,4};\s{0,4}(?:drop|delete|insert|update|alter|truncate|create|grant|shutdown|exec)\s{1,4}(?:table|from|into|database|user|view|role|\w{1,30}\s{1,4}set|xp_|master)`,
  ),
  shape('sql', 1, '--', String.raw`['"]\)?;?\s{0,2}--[\s+-]{0,3}$`),
  shape(
    'sql',
    0.6,
    '( delay xp_cmdshell information_schema file',
    String.raw`\b(?:sleep|benchmark|pg_sleep|load_file|extractvalue|updatexml)\s{0,4}\(\s{0,4}[\d'"(]|\bwaitfor\s{1,4}delay\b|\bxp_cmdshell\b|\binformation_schema\.|\binto\s{1,4}(?:out|dump)file\b`,
  ),
  shape('path', 1, '../ ..\\', String.raw`\.\.[/\\](?:etc|root|home|proc|sys|var|windows|winnt|boot)\b`),
  shape('path', 0.7, '../ ..\\', String.raw`(?:\.\.[/\\]){3}`),
  shape('path', 1, '% ..;/ ....//', String.raw`(?:%2e|\.){2}(?:%2f|%5c|%c0%af)|%2e%2e[/\\]|%252e%252e|\.\.;/|\.{4}//`),
  shape('path', 0.8, '%00 ://', String.raw`%00|\b(?:php|expect|phar)://\w`),
  shape('path', 0.5, '/etc/', String.raw`/etc/(?:passwd|shadow)\b`),
  shape(
    'header',
    1,
    '\r\n %0d',
    String.raw`(?:\r\n|%0d%0a)\s{0,4}(?:set-cookie|location|content-length|content-type|host|transfer-encoding|x-forwarded-\w{1,20}):`,
  ),
  shape('lookup', 1, ')(', String.raw`\*\)\(\w{1,30}=|\)\([|&]\(|\)\(\w{1,30}=\*`),
  shape('lookup', 1, '$', String.raw`['"{]\s{0,4}\$(?:where|ne|gt|lt|regex|nin|or)['"]?\s{0,4}:`),
];
