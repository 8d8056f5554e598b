// What this host must not let happen, and what `conformance.mjs` must not overlook. TRACKER names the component.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { report, run } from './conformance.mjs';
import { Tracker, prepare } from './host.mjs';
import * as json from './json.mjs';
import { enter } from './border.mjs';
import { gate, shown } from './policy.mjs';

const plugin = await prepare(readFileSync(process.env.TRACKER));
const { manifest } = plugin;
const corpus = new URL('../../tests/corpora/octoprint-1.11.8.jsonl', import.meta.url);
const cases = readFileSync(corpus, 'utf8').trim().split('\n').map((line) => ({ ...json.parse(line), corpus: 'c' }));
const yes = { enabled: true, unique_id: 'the id' };
const asked = (change) => ({
  method: 'get', name: 'print_started', userAgent: 'OctoPrint/1.11.8',
  fields: [['origin', 'local'], ['file', 'a'.repeat(40)]], ...change,
});
const started = { event: 'PrintStarted' };

test('what is declared leaves, encoded', () => {
  const { url, query } = gate(manifest, yes, {}, asked({}), started);
  assert.equal(url, 'https://tracking.octoprint.org/track/the%20id/print_started/');
  assert.equal(query, `origin=local&file=${'a'.repeat(40)}`);
  const error = gate(manifest, yes, {}, asked({ name: 'commerror_x', fields: [['commerror_text', "it's ü & (a) *b* ~"]] }), { event: 'Error' });
  assert.equal(error.query, 'commerror_text=it%27s%20%C3%BC%20%26%20%28a%29%20%2Ab%2A%20~');
});

test('nothing else leaves', () => {
  const fields = asked({}).fields;
  for (const [change, reason, cause = started] of [
    [{ name: 'another' }, 'the manifest does not declare it'],
    [{ name: 'commerror_a/b' }, 'the manifest does not declare it'],
    [{ method: 'post' }, 'its method is another'],
    [{ userAgent: 'OctoPrint/1 and more' }, 'its user agent does not match the manifest'],
    [{ userAgent: 'OctoPrint/1\n' }, 'its name or user agent is odd'],
    [{ fields: [...fields, ['user', 'x']] }, 'it has a field that is not declared'],
    [{ fields: [...fields].reverse() }, 'its fields are repeated or out of order'],
    [{ fields: [...fields, fields[1]] }, 'its fields are repeated or out of order'],
    [{ fields: [['file', 'cube.gcode']] }, 'the value of file does not fit'],
    [{ fields: [['file', `${'a'.repeat(40)}\n`]] }, 'the value of file does not fit'],
    [{ fields: [['origin', 'local']] }, 'file is missing'],
    [{}, 'this is not the occasion for it', { event: 'PrintDone' }],
    [{}, 'this is not the occasion for it', { due: ['ping'] }],
  ]) {
    const refused = gate(manifest, yes, {}, asked(change), cause);
    assert.deepEqual([refused.refused?.split(': ')[1], refused.undeclared], [reason, true], JSON.stringify(change));
  }
});

test('nothing leaves against the will of the user', () => {
  for (const [settings, env] of [
    [{}, {}], [{ ...yes, enabled: 'true' }, {}], [{ enabled: true }, {}], [yes, { DO_NOT_TRACK: '1' }],
    [{ ...yes, events: { printjob: false } }, {}],
  ]) assert.match(gate(manifest, settings, env, asked({}), started).refused, /opted in|there is no id|is off/);
});

test('a tracker is shown only what the manifest lists of the settings', () => {
  assert.deepEqual(shown(manifest, { ...yes, server: 'https://example.org/', ping: 1, owner: 'me' }), { ping: 1 });
});

test('a run of the server: what is due, what is not shown again as news, and no instance while tracking is off', () => {
  const machine = { now: () => 1_234_567n, probe: () => ({}), salt: 's', query: () => undefined };
  const kinds = (tracker, settings) => {
    assert.ok(tracker.load(settings) && tracker.restore([{ name: 'environment', payload: '{"octoprint":{"version":"1.11.8"}}', ageMs: 5n }]));
    const due = tracker.dueAt('octoprint_started');
    const sent = [...tracker.onEvent('octoprint_started', json.parse('{"uptime":1.5}')), ...tracker.onTick(due)];
    assert.deepEqual(tracker.blocked, []);
    return sent.map(({ path, query }) => `${path.split('/').at(-2)} ${query}`);
  };
  const run = (change) => kinds(new Tracker(plugin, machine, {}), { ...yes, ...change });
  assert.deepEqual(run({ events: { pong: true, startup: true } }),
    ['ping octoprint_uptime=1&printer_state=OFFLINE', 'pong ', 'startup version=1.11.8']);
  assert.deepEqual(run({ ping: json.parse('0'), events: { startup: false } }), ['pong ']);
  assert.deepEqual(run({ enabled: 'true' }), []);
});

test('payloads enter as the manifest says, and numbers keep their text', () => {
  const entered = (event, payload) => json.text(enter(manifest, event, json.parse(payload), 'salt') ?? null);
  const print = '{"path":"a","user":"u","time":1.5,"origin":{"x":[1]},"__proto__":{"path":2}}';
  assert.match(entered('PrintDone', print), /^\{"path":"[0-9a-f]{40}","time":1,"origin":null\}$/);
  const environment = '{"os":{"id":"linux","user":"u","bits":64.0},"third_party_plugins":[{"key":"K","name":"n"}],"achievements":["One",7]}';
  assert.equal(entered('environment', environment),
    '{"os":{"id":"linux","bits":64.0},"third_party_plugins":"k:?","achievements":"one"}');
  for (const [port, kind] of [['/dev/ttyUSB0', '/dev/ttyUSB0'], ['/dev/serial/by-id/usb-1', '/dev/serial/by-id'],
    ['socket://10.0.0.1', 'network'], ['/dev/annas_printer', 'other']]) {
    assert.equal(entered('Connected', `{"port":"${port}"}`), `{"port":"${kind}"}`);
  }
  for (const [said, kept] of [['I/O error', 'I/O error'], ["at '/home/anna/my part.gcode' (2)", 'at … (2)'], ['192.168.1.5:80 refused', '… refused']]) {
    assert.equal(entered('Error', JSON.stringify({ error: said })), JSON.stringify({ error: kept }));
  }
  assert.equal(enter(manifest, 'UserLoggedIn', {}, 'salt'), undefined);
  const odd = '{"a\\"1":[-1.50e+3,18446744073709551615,"1","\\\\",true,null,{}],"1":"n"}';
  assert.equal(json.text(json.parse(odd)), '{"1":"n","a\\"1":[-1.50e+3,18446744073709551615,"1","\\\\",true,null,{}]}');
});

test('a component that imports more is not started', async () => {
  // The tracker, with another name for an interface that it uses.
  const bytes = readFileSync(process.env.TRACKER, 'latin1');
  const renamed = bytes.replaceAll('glassbox:tracker/hardware@2.0.0', 'wasi:environment/hardware@2.0.0');
  assert.notEqual(renamed, bytes);
  await assert.rejects(prepare(Buffer.from(renamed, 'latin1')), /more than the contract has: wasi:environment\/hardware/);
});

test('a planted difference is found', (context) => {
  context.mock.method(console, 'log', () => {});
  const others = cases.map((recorded) => ({ case: recorded.case, sent: run(plugin, recorded).sent }));
  assert.equal(report(plugin, cases, others), true);
  const altered = structuredClone(cases.map(({ expect }) => expect));
  altered[0][0].query += '&planted=1';
  assert.equal(report(plugin, cases.map((recorded, i) => ({ ...recorded, expect: altered[i] }))), false);
  const differing = cases.findIndex(({ exact }) => !exact);
  const other = others.map((line, i) => (i === differing ? { ...line, sent: [...line.sent, altered[0][0]] } : line));
  assert.equal(report(plugin, cases, other), false);
  assert.equal(report(plugin, cases, others.slice(1)), false);
});
