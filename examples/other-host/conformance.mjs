// Runs recorded cases through a tracker in this host, and compares every request with what the real OctoPrint
// sent; with --against, also with what Glassbox's own host sent (`glassbox audit --sent FILE` writes that).

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Tracker, prepare } from './host.mjs';
import * as json from './json.mjs';

const USAGE = 'usage: node conformance.mjs TRACKER.wasm CASES.jsonl.. [--against SENT.jsonl]';
const MINTED = '01020304-0506-4708-890a-0b0c0d0e0f10';
const PARTS = ['method', 'path', 'query', 'body', 'user_agent'];

/** JSON has no word for NaN and infinity: they stand as {"$float": ..}, and are not known. */
function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (!json.isObject(value)) return value;
  if (Object.keys(value).join() === '$float') return null;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

const text = (value) => (typeof value === 'string' ? value : undefined);

/** A machine of which nothing is known but the case's throttle state; its clock stands still. */
function machineOf(recorded) {
  const mask = /^0x([0-9a-fA-F]{1,8})$/.exec(recorded.throttled ?? '');
  return {
    now: () => 0n,
    probe: () => ({}),
    salt: text(recorded.settings.file_salt) || 'none',
    query: () => (mask ? parseInt(mask[1], 16) : undefined),
  };
}

/** What the last event made the tracker send. */
export function run(plugin, recorded) {
  const tracker = new Tracker(plugin, machineOf(recorded), recorded.env ?? {});
  // A host makes an id where there is none.
  const idSetting = plugin.manifest.capabilities.http.id_setting;
  const settings = { ...recorded.settings, [idSetting]: text(recorded.settings[idSetting]) || MINTED };
  // Settings that are not accepted keep a tracker from running: it hears nothing.
  const events = tracker.load(settings) && tracker.restore() ? recorded.events : [];
  const handle = ({ event, payload = null }) => {
    const due = tracker.dueAt(event);
    return [...tracker.onEvent(event, plain(payload)), ...(due.length ? tracker.onTick(due) : [])];
  };
  const sent = events.map(handle).at(-1) ?? [];
  return { sent, undeclared: tracker.blocked.filter((blocked) => blocked.undeclared) };
}

/** A request without the fields that enter the box in another form. */
const withoutBorder = (request) => ({ ...request, query: request.query.replace(/(?<=^|&)(printer_port|commerror_text)=[^&]*/, '$1') });
const lines = (file) => readFileSync(file, 'utf8').split('\n').filter((line) => line.trim());
const same = (ours, theirs) => ours.length === theirs.length
  && ours.every((request, i) => PARTS.every((part) => request[part] === theirs[i][part]));
const shown = (requests) => requests.map((request) => PARTS.map((part) => request[part]).join(' ')).join('; ') || 'nothing';

function main() {
  const { values, positionals: [file, ...corpora] } = parseArgs({ allowPositionals: true, options: { against: { type: 'string' } } });
  if (!corpora.length) throw new Error(USAGE);
  return prepare(readFileSync(file)).then((plugin) => {
    console.log(`sha256   ${plugin.digest}\nimports  ${plugin.imports.join('\n         ')}\n`);
    const cases = corpora.flatMap((corpus) => lines(corpus).map((line) => ({ ...json.parse(line), corpus })));
    const others = values.against && lines(values.against).map((line) => JSON.parse(line));
    return report(plugin, cases, others);
  });
}

export function report(plugin, cases, others) {
  const failures = [];
  const count = Object.fromEntries(cases.map(({ corpus }) => [corpus, { matched: 0, differing: 0, exact: 0 }]));
  let asOther = 0;
  if (others && others.length !== cases.length) failures.push(`the other host ran ${others.length} cases, this one ${cases.length}`);
  cases.forEach((recorded, i) => {
    const fail = (reason) => failures.push(`${recorded.case}: ${reason}`);
    let result = { sent: [], undeclared: [] };
    try {
      result = run(plugin, recorded);
    } catch (error) {
      fail(error.message);
    }
    const matched = same(result.sent, recorded.expect);
    count[recorded.corpus][matched ? 'matched' : 'differing'] += 1;
    if (recorded.exact && matched) count[recorded.corpus].exact += 1;
    // What the border takes away is missing from what either host sends; Glassbox's judges whether it is no more.
    const asBoth = others?.[i] && same(result.sent, others[i].sent) && same(result.sent.map(withoutBorder), recorded.expect.map(withoutBorder));
    if (recorded.exact && !matched && !asBoth) fail(`it must be the same bytes\n  expected: ${shown(recorded.expect)}\n  sent: ${shown(result.sent)}`);
    if (result.undeclared.length) fail(`blocked: ${result.undeclared[0].refused}`);
    const other = others?.[i];
    if (other && other.case === recorded.case && same(result.sent, other.sent)) asOther += 1;
    else if (other) fail(`the other host (${other.case}) sent: ${shown(other.sent)}\n  sent: ${shown(result.sent)}`);
  });
  for (const [corpus, { matched, differing, exact }] of Object.entries(count)) {
    console.log(`corpus ${corpus}\n  ${matched} matched, ${differing} differing; ${exact} had to be the same bytes, and are`);
  }
  if (others) console.log(`the same requests as Glassbox's own host: ${asOther} of ${cases.length} cases`);
  else console.log('what differs for a reason was not judged: see --against');
  failures.slice(0, 5).forEach((failure) => console.log(`\nFAILED ${failure}`));
  if (failures.length > 5) console.log(`\nand ${failures.length - 5} more failures`);
  return failures.length === 0;
}

if (process.argv[1] === import.meta.filename) {
  main().then((good) => process.exit(good ? 0 : 1), (error) => {
    console.error(`error: ${error.message}`);
    process.exit(2);
  });
}
