// The "client" that the suite starts for a client scenario: a gateway with the suite's server behind it, added as any
// remote server is, and a stock client in front. What the suite's server sees is what the gateway sends.
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { Gateway } from '../gateway.ts';
import { drive } from './driver.ts';

const { MCP_CONFORMANCE_SCENARIO, MCP_CONFORMANCE_CONTEXT, CLIENT_REVISION } = process.env;
const gateway = await Gateway.prepare();
// The suite's patience is over: leave nothing behind.
process.once('SIGTERM', () => void gateway.stop().then(() => process.exit(1)));
try {
  // Plain HTTP is for loopback addresses; a name, even this one, could mean another.
  await gateway.add('suite', String(process.argv[2]).replace('//localhost:', '//127.0.0.1:'));
  if (gateway.tools('suite').includes('json_schema_echo'))
    appendFileSync(
      join(gateway.workspace.dir, 'innerkeep.yaml'),
      '    tools: { json_schema_echo: { open_schema: [/properties/schema] } }\n',
    );
  await gateway.start('suite');
  const context = JSON.parse(MCP_CONFORMANCE_CONTEXT ?? '{}');
  await drive(String(MCP_CONFORMANCE_SCENARIO), String(CLIENT_REVISION), gateway.url('suite'), context);
} catch (thrown) {
  // Nobody can hold calls to a schema that lies in the network, so `add` refuses that server; its tools it has listed.
  const expected = MCP_CONFORMANCE_SCENARIO === 'json-schema-ref-no-deref' ? /exit 3.*nothing is fetched/s : /(?!)/;
  if (!expected.test(String(thrown))) {
    console.error(thrown, `\n${gateway.log}`);
    process.exitCode = 1;
  }
} finally {
  await gateway.stop();
}
