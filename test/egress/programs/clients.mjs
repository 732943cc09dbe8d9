// Runs inside a sandbox: asks an API through each client that node has, none of which was told anything. By lines.
import { get } from 'node:https';

const [, , base, library = '/data/undici/index.js'] = process.argv;
const { request } = await import(library);
const clients = {
  fetch: async (url) => (await fetch(url)).json(),
  https: (url) =>
    new Promise((resolve, reject) => {
      get(url, async (response) => {
        let text = '';
        for await (const chunk of response) text += chunk;
        resolve(JSON.parse(text));
      }).on('error', reject);
    }),
  undici: async (url) => (await request(url)).body.json(),
};
for (const [name, ask] of Object.entries(clients)) {
  const { path } = await ask(`${base}/${name}`).catch((error) => ({ path: error.cause ?? error }));
  console.log(`${name} ${path}`);
}
process.exit(0);
