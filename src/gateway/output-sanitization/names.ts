/** What a name ends with that tells of a secret without being one: `secret_name`, `tokenCount`, `password_url`. */
const ABOUT =
  'alias|arn|attempts?|count|counts|date|description|digest|email|endpoint|env|exists|expires|expiry|field|file|filename|fingerprint|format|help|hint|host|id|ids|index|label|length|len|limit|limits|manager|mode|name|names|path|policy|prefix|provider|ref|reference|region|size|source|status|store|template|ttl|type|types|uri|url|usage|used|user|username|vault|version';

const DESCRIPTION = new RegExp(`^(?:secret|token|key|apikey|password|credentials?)?(?:${ABOUT})$`);

/** Tokens that name a place in a list or a message and are needed to go on; keys that are public; test data that says so. */
const HARMLESS = new Set(
  'next,page,continuation,continue,sync,delta,start,resume,progress,cursor,change,csrf,xsrf,design,public,publishable,fake,dummy,mock,sample,example,placeholder,invalid,bogus,non'.split(
    ',',
  ),
);

/** Whether a name with a telling word in it is the name of a secret. */
export function namesSecret(name: string): boolean {
  const words = wordsOf(name);
  return !DESCRIPTION.test(words.at(-1) ?? '') && !words.some((word) => HARMLESS.has(word));
}

/** `dbPassword_old` → db, password, old. */
function wordsOf(name: string): readonly string[] {
  return name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word !== '');
}
