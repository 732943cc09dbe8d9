/** What every scanner of code is asked. `beyond` names those that cannot tell it. */
export interface Sample {
  readonly in: 'js' | 'ts' | 'tsx' | 'py';
  /** Of the rule that it is against. */
  readonly id?: string;
  readonly source: string;
  readonly beyond?: 'semgrep';
}

const js = (id: string, ...sources: readonly string[]): readonly Sample[] =>
  sources.map((source) => ({ in: 'js', id, source }));
const ts = (id: string, ...sources: readonly string[]): readonly Sample[] =>
  sources.map((source) => ({ in: 'ts', id, source }));
const py = (id: string, ...sources: readonly string[]): readonly Sample[] =>
  sources.map((source) => ({ in: 'py', id, source }));

export const hostile: readonly Sample[] = [
  ...js(
    'js.eval',
    'eval(args.code)',
    'const f = new Function("a", args.body)',
    '(0, eval)(args.code)',
    'const run = eval; run(args.code)',
    'globalThis["eval"](args.code)',
    'setTimeout("go(" + args.x + ")", 1)',
    'x.constructor.constructor(args.code)()',
  ),
  ...js(
    'js.exec',
    'execSync(`git log ${args.path}`)',
    'import cp from "node:child_process"; cp.exec("ls " + args.path, done)',
    'import { exec as run } from "child_process"; run(args.command)',
    'const { exec: run } = require("node:child_process"); run(args.command)',
    'const run = require("child_process").exec; run(args.command)',
    'import { promisify } from "util"; import { exec } from "child_process"; const run = promisify(exec); await run(args.command)',
    'const { exec } = await import("node:child_process"); exec(args.command)',
    'import { spawn } from "child_process"; spawn("/bin/sh", ["-c", args.command])',
    'exec("ls ".concat(args.path))',
  ),
  ...js('js.shell', 'spawn("git", [x], { shell: true })', 'spawn("git", [x], { "shell": "/bin/bash" })'),
  ...js(
    'js.sql',
    'db.query("SELECT * FROM t WHERE id = " + args.id)',
    'await pool.query(`select * from ${args.table}`)',
    'prisma.$queryRawUnsafe(`SELECT * FROM t WHERE id = ${args.id}`)',
  ),
  ...js('js.template', 'import ejs from "ejs"; ejs.render(args.template, {})'),
  ...js('js.deserialize', 'const s = require("node-serialize"); s.unserialize(args.value)'),
  ...js(
    'js.tls',
    'request({ rejectUnauthorized: false })',
    'options.rejectUnauthorized = false',
    'process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0"',
    'process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = 0',
  ),
  ...js('js.cipher', 'crypto.createCipheriv("des-ede3-cbc", key, iv)', 'createCipheriv("aes-128-ecb", key, null)'),
  ...js('js.listen', 'app.listen(3000, "0.0.0.0")', 'server.listen({ port: 3000, host: "0.0.0.0" })'),
  ...js('js.vm', 'vm.runInNewContext(args.code)'),
  ...js('js.load', 'require(args.plugin)', '#!/usr/bin/env node\nwith (a) { import(b) }'),
  ...ts(
    'js.eval',
    'enum A { B }\nabstract class C<T> { constructor(private readonly x: T) {} f() { return eval(this.x as unknown as string); } }',
    '@tool() class A { @param() run(code: string): unknown { return eval(code!); } }',
  ),
  ...ts(
    'js.exec',
    'import { exec, type ExecException } from "node:child_process";\nexec(<string>args.command, (e: ExecException | null): void => {});',
  ),
  { in: 'tsx', id: 'js.eval', source: 'const a = (p: Props) => <button onClick={() => eval(p.code)}>go</button>;' },
  ...py(
    'py.eval',
    'eval(args["code"])',
    'exec(compile(code, "x", "exec"))',
    'import builtins\nbuiltins.eval(code)',
    'run = eval\nrun(code)',
  ),
  ...py(
    'py.exec',
    'import os\nos.system("ls " + path)',
    'from os import system as s\ns(command)',
    'import subprocess as sp\nsp.getoutput(f"git log {path}")',
    'import asyncio\nasync def f(c):\n    await asyncio.create_subprocess_shell(c)\n',
    'import subprocess\nsubprocess.run(["sh", "-c", command])',
    'import os\nos.popen("ls %s" % path)',
  ),
  { in: 'py', id: 'py.exec', source: '__import__("os").system(command)', beyond: 'semgrep' },
  { in: 'py', id: 'py.exec', source: 'import os\ngetattr(os, "sys" "tem")(command)', beyond: 'semgrep' },
  ...py(
    'py.shell',
    'import subprocess\nsubprocess.run(f"git log {path}", shell=True)',
    'from subprocess import Popen\nPopen(command, stdout=1, shell=True)',
    'import subprocess\nsubprocess.check_output(shell=True, args=command)',
  ),
  ...py(
    'py.sql',
    'cursor.execute(f"SELECT * FROM t WHERE id = {id}")',
    'cursor.execute("SELECT * FROM t WHERE id = %s" % id)',
    'cursor.execute("DELETE FROM t WHERE id = " + id)',
    'cursor.execute("SELECT * FROM {}".format(table))',
  ),
  ...py(
    'py.template',
    'from jinja2 import Template\nTemplate(text).render()',
    'from flask import render_template_string\nrender_template_string(text)',
  ),
  ...py(
    'py.deserialize',
    'import pickle\npickle.loads(data)',
    'import yaml\nyaml.load(data)',
    'import yaml\nyaml.load(data, Loader=yaml.Loader)',
    'from marshal import loads\nloads(data)',
  ),
  ...py(
    'py.tls',
    'requests.get(url, verify=False)',
    'import ssl\nc = ssl._create_unverified_context()',
    'context.check_hostname = False',
    'context.verify_mode = ssl.CERT_NONE',
  ),
  ...py(
    'py.cipher',
    'from Crypto.Cipher import AES\nAES.new(key, AES.MODE_ECB)',
    'from Crypto.Cipher import DES\nDES.new(key)',
  ),
  ...py('py.extract', 'archive.extractall(path)'),
  ...py('py.listen', 'uvicorn.run(app, host="0.0.0.0")'),
  ...py('py.load', 'import importlib\nimportlib.import_module(name)'),
];

export const clean: readonly Sample[] = [
  ...[
    'execSync("git status")',
    'execSync("git " + "status")',
    'execFile("git", ["log", args.path])',
    '/a/.exec(text)',
    'pattern.exec(text)',
    'import { exec } from "node:child_process"; exec("git status", done)',
    'db.query("SELECT * FROM t WHERE id = $1", [args.id])',
    'search.query(`${args.text} -draft`)',
    'spawn("git", [x], { shell: false })',
    'spawn("sh", ["-c", "ls"])',
    'require("node:fs"); import("./a.js")',
    'const evaluate = (f) => f(1); evaluate(x)',
    'setTimeout(() => go(x), 10)',
    'request({ rejectUnauthorized: true })',
    'crypto.createCipheriv("aes-256-gcm", key, iv)',
    'app.listen(3000, "127.0.0.1")',
    'const text = "eval(x) exec(`${y}`)"; // eval(z)',
  ].map((source): Sample => ({ in: 'js', source })),
  {
    in: 'ts',
    source:
      'type Eval = (code: string) => void;\ndeclare function exec(command: string): void;\nconst a = <T,>(x: T): T => x;',
  },
  { in: 'tsx', source: 'export const A = () => <a href="/eval">eval(x)</a>;' },
  ...[
    'import subprocess\nsubprocess.run(["git", "log", path])',
    'import subprocess\nsubprocess.run("git status", shell=True)',
    'import os\nos.system("clear")',
    'import re\nre.compile(pattern)',
    'import ast\nast.literal_eval(text)',
    'cursor.execute("SELECT * FROM t WHERE id = %s", (id,))',
    'cursor.execute("SELECT 1 " "FROM t")',
    'import yaml\nyaml.safe_load(text)',
    'import yaml\nyaml.load(text, Loader=yaml.SafeLoader)',
    'import json\njson.loads(text)',
    'requests.get(url, verify=True)',
    'archive.extractall(path, filter="data")',
    'uvicorn.run(app, host="127.0.0.1")',
    'from .local import eval_all\nmodel.eval()\neval_all(x)',
    '"""os.system(x)"""\n# eval(x)\nmatch x:\n    case 1:\n        pass\n',
  ].map((source): Sample => ({ in: 'py', source })),
];
