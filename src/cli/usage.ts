const commands: Readonly<Record<string, readonly [synopsis: string, text: string]>> = {
  init: ['init [DIR]', 'Writes innerkeep.yaml, a first policy and the state directory. Overwrites nothing.'],
  add: [
    'add npm:NAME@VERSION | ./DIR | https://… --name N [--mount FROM:TO:ro|rw] [--yes] [--accept-unverified] [--accept-suspected] [--client FILE] [-- ARGS…]',
    'Vets a server, installs it into the store, lists its tools in a sandbox, shows what it found, and writes its block\ninto the configuration and its pins into innerkeep.lock. What follows -- are its arguments (of a package) or its\ncommand (of a directory). FILE says in JSON what the issuer of a remote server that wants authorization knows us by:\n{"issuer", "client_id", "client_secret" or "private_key"}, or the https {"client_id"} of a document about us.',
  ],
  up: [
    'up [--self-check FILE] [--workers N]',
    'Runs all zones on this machine until SIGINT or SIGTERM.\n--workers: so many gateways share the port, and what they count in a Redis (state: redis://…).',
  ],
  control: [
    'control [--enrol NAME]',
    'Zone 0 of a fleet: dials the gateways that the configuration names. --enrol: what one of them is first started with,\nalone on stdout; it holds a private key.',
  ],
  gateway: [
    'gateway --listen HOST:PORT [--identity FILE] [--edge HOST:PORT]',
    'Zone 1 of a fleet: waits for zone 0 at HOST:PORT, and serves by its last bundle while it is away (control.away).\n--identity is needed the first time: what control --enrol wrote. --edge: where clients, or what spreads them over the\ngateways, reach this one, if not where the configuration says.',
  ],
  runtime: [
    'runtime',
    'Zone 2 beside a gateway with the same --state: the sandboxed servers of this configuration and lock.',
  ],
  connect: [
    'connect --subject S --tenant T [--group G…] [--server NAME]',
    'A stdio side of the gateway, for clients that start a command. Gets and renews its own token.',
  ],
  token: [
    'token --subject S --tenant T [--group G…] [--audience URL] [--ttl 10m] [--dpop-jwk FILE] [--scope S…] [--acr mfa] | --revoke TOKEN',
    'A token of the embedded issuer of the running up, alone on stdout; or takes one back.',
  ],
  approvals: [
    'approvals [ls] | approve ID | deny ID',
    'Calls that wait because a policy wants an operator to approve them; each approval is good for that call, once.',
  ],
  people: [
    'people invite --subject S --tenant T [--group G…] [--ttl 15m] | ls | remove SUBJECT | grants | withdraw SUBJECT [--server NAME]',
    'Who may sign in at the embedded issuer, with passkeys; and what people have authorized us for at remote servers.\ninvite: a link, alone on stdout, by which one person enrols one passkey, once. There is no other way in.\nwithdraw: takes back what a person authorized, at one server or all; the issuers are told, where they can be.',
  ],
  tools: [
    'tools ls | diff | approve [SERVER[/TOOL]] | reject [SERVER] [--yes] [--accept-suspected] [--again] [--client FILE]',
    'Descriptors and their pins.',
  ],
  policy: [
    'policy lint | test [FILE] | explain --subject S --tenant T --action A [--arguments JSON] | push [--reason TEXT] [--rollback N] [--dry-run [-n N]] | history [-n N] [--diff N[..M]]',
    'Checks the policies against the pins, runs the cases beside them, answers one question, or brings them into force.\npush: the running up reads its policies and pins again and serves by them from the next call on; if anything is wrong\nwith them it says where, and goes on as before. --rollback: the policies of an earlier version, as a new one.\n--dry-run: nothing comes into force; asks the newest N decisions again and shows whose answers would change.\nhistory: every version, who, when, why; and what each gateway serves by.',
  ],
  audit: [
    'audit verify [FILE] [--public-key FILE] [--gateway NAME] | tail [-n N] [--incident ID] [--gateway NAME]',
    'Verifies the hash chain and its signatures; or shows records. --gateway: of zone 0’s copy; with FILE, whether that begins with it.',
  ],
  secrets: [
    'secrets put | rotate | rm REF --tenant T [--subject S] | ls | leases',
    'Values for the `secrets` of servers, for one subject or for a tenant; put and rotate read the value from standard\ninput, or ask for it. ls shows names and versions, leases what is lent at this moment; no value is ever shown.',
  ],
  stop: [
    'stop [--all | --server S | --tool S/T | --tenant T | --subject S --tenant T]',
    'The kill switch: ends such calls, those in flight too, at every gateway, until resume; or shows what is stopped.',
  ],
  resume: ['resume --all | --server S | --tool S/T | --tenant T | --subject S --tenant T', 'Takes one stop back.'],
  budget: ['budget', 'What the budgets of this day and month have come to, the fullest first.'],
  score: [
    'score FILE…',
    'How much the detectors find in labelled records (.jsonl, .jsonl.gz), and how much they wrongly stop, by kind and class.',
  ],
  scan: [
    'scan [PATH…] [--accept RULE:FILE] [--sarif] | --sbom',
    'Looks into JavaScript, TypeScript, Python, compose files and Kubernetes manifests below the paths; without one, into the\npinned files of every server; with semgrep too where it is there. --accept: what a person has read and found harmless.\n--sbom: what the lock pins, as CycloneDX. Exit 1 when something of level error is found.',
  ],
  doctor: ['doctor', 'What this machine can enforce, tried in a throw-away sandbox.'],
};

const COMMON = `Every command takes -c FILE (default ./innerkeep.yaml), --state DIR (default .innerkeep beside it) and --json.
Exit codes: 0 fine, 1 a check that did not hold, 2 wrong usage or configuration, 3 refused for safety.
`;

/** The help of one command, or of all. */
export function usage(name?: string): string {
  const one = name === undefined ? undefined : commands[name];
  if (one !== undefined) return `innerkeep ${one[0]}\n\n${one[1]}\n\n${COMMON}`;
  const lines = Object.entries(commands).map(
    ([command, [, text]]) => `  ${command.padEnd(11)}${firstSentence(text)}\n`,
  );
  return `innerkeep COMMAND [--help] | --version\n\n${lines.join('')}\n${COMMON}`;
}

function firstSentence(text: string): string {
  return text.replaceAll('\n', ' ').replace(/(?<=\.) .*$/, '');
}
