// Brings the real components that tests and drivers use and a machine may lack. Each is a row of a table: where it comes
// from, at which version, and how it is seen to be there. What cannot be had is named; the tests that need it then skip
// by that name. Idempotent. `npm run servers -- NAME…` brings those alone.
import { say } from './servers/bring.mjs';
import { components } from './servers/components.mjs';

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !components.some((component) => component.name === name));
if (unknown.length > 0) {
  say(`no component ${unknown.join(', ')}; there are ${components.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
for (const component of components) {
  if (asked.length > 0 && !asked.includes(component.name)) continue;
  if (component.present()) continue;
  say(`bringing ${component.name} …`);
  const reason = component.bring();
  if (!component.present()) say(`${component.name} is not to be had here${reason ? `: ${reason}` : ''}`);
}
