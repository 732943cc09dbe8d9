import { resolve } from 'node:path';
import { z } from 'zod';
import { type EgressRule, isInnerNetwork, ruleFault } from '../../contract/egress.ts';
import { isTemplate } from '../../contract/resource-mapping.ts';
import { answers } from './answers.ts';
import { clients } from './clients.ts';
import { control } from './control.ts';
import { ipRisk } from './ip-risk.ts';
import { limits } from './limits.ts';
import { paging } from './paging.ts';
import { policies } from './policies.ts';
import { redaction } from './redaction.ts';
import { relations } from './relations.ts';
import { toolSettings } from './tool-settings.ts';
import { duration, listen, size } from './units.ts';
import { upstreamAuth } from './upstream-auth.ts';
import { checkSecrets, wireSecret } from './wire-secret.ts';
import { dpop, spiffe, stateStore } from './workloads.ts';

export const SERVER_NAME = /^(?!sse$)[a-z][a-z0-9-]{0,31}$/;
/** A package and one exact version; ranges and tags name something else tomorrow. */
export const PACKAGE =
  /^npm:((?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*)@(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)$/;
/** Bytes; half of what a frame between gateway and runtime may hold, since one that is too long ends all calls. */
const MAX_BODY = 8 * 1024 * 1024;
const EXACT = 'an exact version is needed, such as npm:NAME@1.2.3; a range or tag names something else tomorrow';

/**
 * The one source of types, defaults, `docs/configuration.md` and the editors' JSON Schema.
 * @param base directory that relative paths of the file start from
 */
export function configSchema(base: string) {
  const path = z
    .string()
    .min(1)
    .refine((text) => !text.includes('\0'), 'a path has no NUL')
    .transform((text) => resolve(base, text));
  const name = z.string().min(1).max(128);

  const template = z
    .string()
    .max(256)
    .refine(isTemplate, 'a template names arguments in braces, such as {owner}/{repo}');

  const edge = z.strictObject({
    listen: listen.prefault('127.0.0.1:8443').describe('Address of the MCP endpoint; port 0 takes any free one.'),
    server_names: z
      .array(z.string().regex(/^[a-z0-9.-]+$/, 'a server name is lower-case letters, digits, dots and hyphens'))
      .min(1)
      .default(['localhost'])
      .describe('TLS server names (SNI) and Host names that are accepted; the first is what clients are told.'),
    allowed_origins: z
      .array(z.string().regex(/^https?:\/\/[^/\s*]+$/, 'an origin is SCHEME://HOST[:PORT], without path or wildcard'))
      .default([])
      .describe('Web origins whose requests are accepted; requests without Origin are not from a browser.'),
    tls: z
      .strictObject({
        cert: path.optional().describe("PEM file, the leaf certificate first; absent: one of the embedded CA's."),
        key: path.optional().describe('PEM file of its private key.'),
        client_ca: path
          .optional()
          .describe('PEM file of authorities; every client must then show a certificate of one of them.'),
      })
      .superRefine(belongsTo('cert', 'key'))
      .superRefine(belongsTo('key', 'cert'))
      .prefault({})
      .describe('Files that are read again when they change; connections that are open stay.'),
    unauthenticated: z
      .literal([421, 401])
      .default(421)
      .describe(
        'Answer without a good token: 421, or 401 with WWW-Authenticate for clients that discover their issuer.',
      ),
    max_body: size
      .refine((bytes) => bytes <= MAX_BODY, 'at most 8MiB: a larger call would not fit between gateway and runtime')
      .prefault('1MiB')
      .describe('Largest request body.'),
  });

  const issuer = z
    .strictObject({
      issuer: z
        .url({ protocol: /^https$/, error: 'an issuer is an https URL' })
        // RFC 8414 §2; a `#` would also be read as the border between issuer and subject in `ISSUER#SUB`.
        .refine(
          (text) => !/[?#]|^https:\/\/[^/]*@/.test(text),
          'an issuer has no user, query or fragment; write it as its metadata and the `iss` of its tokens do',
        )
        .describe('Its identifier; keys are found by discovery.'),
      audience: z.string().min(1).optional().describe('An `aud` that is accepted beside our own resource URLs.'),
      tenant: name.optional().describe('Tenant of everyone of this issuer.'),
      tenant_claim: name.optional().describe('Or: the claim that names the tenant.'),
      device_claim: name
        .optional()
        .describe('The claim that tells of the device’s health; policies read it as `context.device`.'),
      ca: path.optional().describe("PEM file of an extra CA for the issuer's own endpoints."),
    })
    .superRefine(exactlyOne('tenant', 'tenant_claim'))
    .meta({ oneOf: [{ required: ['tenant'] }, { required: ['tenant_claim'] }] });

  const mount = z.strictObject({
    from: path.describe('Directory or file of this machine.'),
    to: z
      .string()
      .regex(/^(\/[^/\0]+)+$/, 'a mount point is an absolute path')
      .refine((to) => !to.split('/').some((part) => part === '.' || part === '..'), 'a mount point has no . and ..')
      .refine((to) => !RESERVED.test(to), "this path is the sandbox's own")
      .describe('Where the server sees it.'),
    mode: z.literal(['ro', 'rw']).default('ro').describe('Read-only or writable.'),
  });

  const egress = z
    .union(
      [
        z
          .string()
          .regex(/^[^:/*]+:[1-9]\d{0,4}$/)
          .transform((text) => ({ host: text.replace(/:\d+$/, ''), port: Number(/\d+$/.exec(text)?.[0]) })),
        z.strictObject({
          host: z.string().describe('A DNS name, lower-case, in A-labels; `*.example.org` is any one label more.'),
          port: z.int().min(1).max(65_535).describe('The one port.'),
          tls: z.boolean().default(true).describe('False: whatever is spoken there, unencrypted.'),
          inspect: z.boolean().default(false).describe('End TLS at the proxy, and look at each request.'),
          ca: path
            .optional()
            .describe('PEM file of its authorities, where TLS ends at the proxy; absent: the public ones.'),
          network: z
            .string()
            .optional()
            .describe('The private network (CIDR) that all its addresses are in; absent: they are public.'),
        }),
      ],
      { error: 'a way out is NAME:PORT, such as api.example.org:443, or a map with host and port' },
    )
    .transform((given): EgressRule => ({ tls: true, inspect: false, ...given }))
    .superRefine((rule, context) => {
      const fault = ruleFault(rule);
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
    });

  const sandbox = z
    .strictObject({
      driver: z
        .literal(['bubblewrap', 'gvisor', 'microvm'])
        .default('bubblewrap')
        .describe('How the sandbox is made: docs/sandboxes.md. Never replaced by a weaker one.'),
      accelerator: z
        .literal(['kvm', 'tcg'])
        .optional()
        .describe('Of a microvm: kvm, if absent; tcg emulates the machine: it functions, and is no boundary.'),
      isolation: z
        .literal(['call', 'session'])
        .default('call')
        .describe('One sandbox for one call; or for one subject and session, for servers that keep state.'),
      idle: duration
        .optional()
        .describe('With `isolation: session`: without a call for so long, its sandbox ends; absent: 5m.'),
      start: z
        .literal(['plain', 'fork'])
        .optional()
        .describe('Of a python server: forked from one that has done its imports, which is weaker; absent: plain.'),
      memory: size.prefault('256MiB').describe('Memory of one sandbox; half of it may be scratch space.'),
      deadline: duration.prefault('30s').describe('Time of one call; then every process of the sandbox is killed.'),
      egress: z
        .array(egress)
        .prefault([])
        .describe('What it can reach, as `NAME:PORT` for TLS or as a map; nothing else: docs/egress.md.'),
    })
    .superRefine(({ driver, accelerator, isolation, idle, start, egress }, context) => {
      if (accelerator !== undefined && driver !== 'microvm')
        context.addIssue({
          code: 'custom',
          path: ['accelerator'],
          message: 'accelerator goes with driver microvm only',
        });
      if (idle !== undefined && isolation === 'call')
        context.addIssue({ code: 'custom', path: ['idle'], message: 'goes with isolation: session only' });
      if (start === 'fork' && (driver !== 'bubblewrap' || isolation !== 'call' || egress.length > 0))
        context.addIssue({
          code: 'custom',
          path: ['start'],
          message: 'fork goes with driver: bubblewrap, isolation: call and no egress only; leave start out',
        });
    });

  const server = z
    .strictObject({
      package: z.string().regex(PACKAGE, EXACT).optional().describe('An npm package: `npm:NAME@VERSION`.'),
      root: path.optional().describe('Or: a directory; its pinned copy is mounted read-only at /srv.'),
      url: z
        .url({ protocol: /^https?$/, error: 'a remote server is an http(s) URL' })
        .refine(safeRemote, 'https, without user or fragment; http to a loopback address only')
        .optional()
        .describe('Or: a remote server, over streamable HTTP.'),
      args: z.array(z.string()).optional().describe('Arguments of a package’s command.'),
      command: z.array(z.string()).min(1).optional().describe('Command of a directory, run in /srv.'),
      ca: path.optional().describe('PEM file of an extra CA for a remote server.'),
      network: z
        .string()
        .refine(isInnerNetwork, 'a network is one private block, such as 10.1.0.0/16')
        .optional()
        .describe('The private network (CIDR) that a remote server is in; absent: its addresses are public.'),
      auth: upstreamAuth(path)
        .optional()
        .describe('How callers of a remote server get tokens for it: docs/identity.md. Absent: it gets none.'),
      mounts: z.array(mount).optional().describe('What of this machine the server sees; nothing else is there.'),
      sandbox: sandbox.optional().describe('Its isolation.'),
      secrets: z
        .array(wireSecret)
        .max(6)
        .optional()
        .describe('Credentials that the egress proxy adds to its requests; the server never has them.'),
      tools: z.record(name, toolSettings).default({}).describe('Settings of single tools, by name.'),
      resource: z
        .strictObject({
          tenant: name.optional().describe("The tenant that owns them; absent: every caller's own."),
          project: template.optional().describe('Which project a call is about, such as `{owner}/{repo}`.'),
          schema: template.optional().describe('Which schema of a database a call is about, such as `{schema}`.'),
        })
        .optional()
        .describe("What the server's resources are, as policies name them: docs/policies.md."),
      ...answers,
    })
    .superRefine(exactlyOne('package', 'root', 'url'))
    .superRefine(belongsTo('package', 'args'))
    .superRefine(belongsTo('root', 'command'))
    .superRefine(belongsTo('url', 'ca'))
    .superRefine(belongsTo('url', 'network'))
    .superRefine(belongsTo('url', 'auth'))
    .superRefine((value, context) => {
      if (value.root !== undefined && value.command === undefined)
        context.addIssue({
          code: 'custom',
          path: ['root'],
          message: 'a directory needs a command, such as [node, server.mjs]',
        });
      checkSecrets(value, context);
      if (value.sandbox?.start === 'fork' && !runsPythonFile(value.command))
        context.addIssue({
          code: 'custom',
          path: ['sandbox', 'start'],
          message: 'fork goes with a root and a command such as [python3, server.py] only; leave start out',
        });
      for (const key of ['mounts', 'sandbox', 'secrets'] as const)
        if (value.url !== undefined && value[key] !== undefined)
          context.addIssue({ code: 'custom', path: [key], message: 'a remote server runs in no sandbox of ours' });
      const seen = new Set<string>();
      for (const [index, { to }] of (value.mounts ?? []).entries()) {
        if (seen.has(to)) context.addIssue({ code: 'custom', path: ['mounts', index, 'to'], message: 'mounted twice' });
        seen.add(to);
      }
    })
    .transform((value) => ({
      ...value,
      sandbox: value.sandbox ?? sandbox.parse({}),
      mounts: value.mounts ?? [],
      secrets: value.secrets ?? [],
    }))
    .meta({ oneOf: [{ required: ['package'] }, { required: ['root', 'command'] }, { required: ['url'] }] });

  const file = z.strictObject({
    edge: edge.prefault({}).describe('Where clients connect.'),
    admin: z
      .strictObject({ listen: listen.prefault('127.0.0.1:8444').describe('Address of the admin listener.') })
      .prefault({})
      .describe('Health, readiness and metrics, on a listener of their own.'),
    identity: z
      .strictObject({
        issuers: z
          .array(issuer)
          .superRefine(eachOnce)
          .default([])
          .describe('External OAuth 2.1 issuers; absent: the embedded one.'),
        dpop,
        clients,
        spiffe: spiffe(path),
      })
      .prefault({})
      .describe('Whose tokens are accepted.'),
    ip_risk: ipRisk,
    control,
    policies: policies(path),
    relations,
    servers: z
      .preprocess(
        (value) => value ?? {},
        z.record(
          z
            .string()
            .regex(SERVER_NAME, 'a server name is a-z, 0-9 and hyphens, at most 32, from a letter on, and not sse'),
          server,
        ),
      )
      .prefault({})
      .describe('The MCP servers, by name; each is exactly one of `package`, `root` and `url`.'),
    limits,
    redaction,
    paging: paging(path),
    state: stateStore,
  });
  // `state` is the state directory, everywhere else.
  return file.transform(({ state, policies: at, ...rest }) => ({
    ...{ ...rest, stateStore: state, policies: at.directory, opa: at.opa },
  }));
}

/** Inside a sandbox these are the driver's. */
const RESERVED = /^\/(srv|usr|lib|lib64|bin|sbin|etc|proc|sys|dev|run|tmp)(\/|$)/;

interface Context {
  addIssue(issue: { readonly code: 'custom'; readonly path?: PropertyKey[]; readonly message: string }): void;
}
type Values = Readonly<Record<string, unknown>>;

function exactlyOne(...keys: readonly string[]) {
  return (value: Values, context: Context): void => {
    const given = keys.filter((key) => value[key] !== undefined);
    if (given.length === 1) return;
    const second = given[1];
    context.addIssue({
      code: 'custom',
      path: second === undefined ? [] : [second],
      message: `exactly one of ${keys.join(', ')} is needed`,
    });
  };
}

function eachOnce(issuers: readonly { readonly issuer: string }[], context: Context): void {
  for (const [index, { issuer }] of issuers.entries())
    if (issuers.findIndex((other) => other.issuer === issuer) < index)
      context.addIssue({
        code: 'custom',
        path: [index, 'issuer'],
        message: 'named twice; keep the one whose tenant is meant',
      });
}

function belongsTo(owner: string, key: string) {
  return (value: Values, context: Context): void => {
    if (value[key] === undefined || value[owner] !== undefined) return;
    context.addIssue({ code: 'custom', path: [key], message: `${key} goes with ${owner} only` });
  };
}

/** Python's own options would be those of the parent that all sandboxes are forked from. */
function runsPythonFile([python = '', file = '']: readonly string[] = []): boolean {
  return ['python3', '/usr/bin/python3'].includes(python) && /^[^-]/.test(file);
}

function safeRemote(text: string): boolean {
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.hash !== '') return false;
  return url.protocol === 'https:' || /^(127(\.\d+){3}|\[::1\])$/.test(url.hostname);
}

/** The configuration as the program sees it: paths absolute, sizes in bytes, durations in milliseconds. */
export type Settings = z.output<ReturnType<typeof configSchema>>;
export type ServerSettings = Settings['servers'][string];

/** The JSON Schema of the file as it is written, for editors. */
export function configJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(configSchema('/'), { io: 'input' });
}
