// Each query of the board and of the alerts, asked of a Prometheus that scrapes a collector under load:
//   node queries.mjs COLLECTOR PROMETHEUS REQUESTS
// REQUESTS are what an OctoPrint has sent, a JSON object on each line. An empty answer, an error, or a name that the
// collector's /metrics does not have is a fault.
import { readFile } from 'node:fs/promises';

const [collector, prometheus, file] = process.argv.slice(2);
const here = (name) => readFile(new URL(name, import.meta.url), 'utf8');
const board = JSON.parse(await here('collector.json'));
const alerts = [...(await here('alerts.yml')).matchAll(/^ *expr: (.*)$/gm)].map((match) => match[1]);
const requests = (await readFile(file, 'utf8')).trim().split('\n').map((line) => JSON.parse(line));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function send(request) {
  const form = request.method === 'POST' ? { body: request.body } : {};
  const query = request.query ? `?${request.query}` : '';
  await fetch(`${collector}${request.path}${query}`, { method: request.method, headers: { 'User-Agent': request.user_agent }, ...form });
}

async function ask(what, parameters = {}) {
  const answer = await (await fetch(`${prometheus}/api/v1/${what}?${new URLSearchParams(parameters)}`)).json();
  if (answer.status !== 'success') throw new Error(answer.error);
  return answer.data;
}

// Load for as long as rates need: scrapes are a second apart.
const until = Date.now() + 20_000;
while (Date.now() < until) {
  await Promise.all(requests.slice(0, 50).map(send));
  await fetch(`${collector}/track/nobody/ping/`);
  await pause(100);
}
await ask('query', { query: 'up' });

const names = new Set(await ask('label/__name__/values'));
const wrong = [];
let count = 0;
const queries = board.panels.flatMap((panel) => panel.targets.map((target) => [panel.title, target.expr]));
for (const [title, expr] of [...queries, ...alerts.map((expr) => ['an alert', expr])]) {
  count += 1;
  for (const [name] of expr.matchAll(/glassbox_collector_\w+/g)) {
    if (!names.has(name)) wrong.push(`${title}: /metrics has no ${name}`);
  }
  // An alert is well if it says nothing; all that can be seen here is that it is a query.
  const query = expr.replaceAll('$__rate_interval', '15s');
  const found = await ask('query', { query });
  const numbers = found.result.filter((one) => Number.isFinite(Number(one.value[1])));
  if (title !== 'an alert' && numbers.length === 0) wrong.push(`${title}: nothing is found by ${query}`);
}
console.log(wrong.length === 0 ? `ok  ${count} queries, and each finds something` : wrong.join('\n'));
process.exit(wrong.length === 0 ? 0 : 1);
