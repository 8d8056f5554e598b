// A host for trackers: transpiles a component to JavaScript and core WebAssembly, and runs it with the four
// imports of the contract and nothing else.

import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { transpileBytes } from '@bytecodealliance/jco-transpile';
import * as json from './json.mjs';
import { enter } from './border.mjs';
import { dueAt, gate, isGiven, readManifest, shown } from './policy.mjs';

const WORLD = ['glassbox:tracker/clock', 'glassbox:tracker/hardware', 'glassbox:tracker/http', 'glassbox:tracker/throttle'];

/** In nanoseconds: the clock counts in whole ones. */
const MILLISECOND = 1_000_000n;

/** More than one call may send is a message in how much it sends. */
const REQUESTS_PER_CALL = 32;

/** Make a component ready to be started many times. What was made of it stays in `transpiled/`, to be read. */
export async function prepare(bytes) {
  const digest = createHash('sha256').update(bytes).digest('hex');
  // With `instantiation` nothing is imported by name: all that it can reach is what it is given.
  const { files, imports } = await transpileBytes(bytes, {
    name: 'tracker', instantiation: 'sync', base64Cutoff: 0, nodejsCompat: false,
    emitTypescriptDeclarations: false, noComponentErrorWrapping: false,
  });
  const foreign = imports.filter((name) => !WORLD.includes(name));
  if (foreign.length) throw new Error(`it imports more than the contract has: ${foreign.join(', ')}`);
  const folder = fileURLToPath(new URL(`transpiled/${digest.slice(0, 16)}`, import.meta.url));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const modules = new Map();
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(`${folder}/${name}`, content);
    if (name.endsWith('.wasm')) modules.set(name, new WebAssembly.Module(content));
  }
  const { instantiate } = await import(pathToFileURL(`${folder}/tracker.js`));
  return { digest, imports, manifest: readManifest(bytes), start: (given) => instantiate((name) => modules.get(name), given) };
}

/** One running tracker. `machine`: now(), probe(), query(), and the salt; `env`: variables that may say no. */
export class Tracker {
  #plugin; #machine; #env; #exports;
  #settings = {};
  #cause = null;
  #sent = [];
  #dead = false;
  /** What stands still during a call. */
  #still = {};
  /** What was not let through: `{refused, undeclared}`. The tracker does not learn of it. */
  blocked = [];

  constructor(plugin, machine, env) {
    [this.#plugin, this.#machine, this.#env] = [plugin, machine, env];
  }

  /** Start an instance with these settings; false if it does not accept them. There is none while tracking is off. */
  load(settings) {
    this.#exports = undefined;
    if (!isGiven(settings, this.#env)) return true;
    const { manifest, start } = this.#plugin;
    const { hardware, throttle } = manifest.capabilities;
    const camel = (name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
    const known = () => {
      const all = this.#machine.probe();
      return Object.fromEntries((hardware ?? []).map(camel).map((name) => [name, all[name]]));
    };
    const once = (name, ask) => (name in this.#still ? this.#still[name] : (this.#still[name] = ask()));
    const exports = start({
      'glassbox:tracker/http': { send: (request) => this.#send(request) },
      'glassbox:tracker/clock': { now: () => once('now', () => this.#machine.now() / MILLISECOND * MILLISECOND) },
      'glassbox:tracker/hardware': { probe: () => once('machine', known) },
      'glassbox:tracker/throttle': { query: () => once('mask', () => (throttle ? this.#machine.query() : undefined)) },
    });
    const answer = this.#call(null, () => exports.settings.load(json.text(shown(manifest, settings))));
    if (answer.error !== undefined) return false;
    [this.#exports, this.#settings] = [exports, settings];
    return true;
  }

  /** What was heard before (`{name, payload, ageMs}`), and what the instance before handed over; false if it is not taken. */
  restore(heard = [], state = '{}', age = 0n) {
    if (!this.#exports) return true;
    return this.#call(null, () => this.#exports.handover.restore(heard, state, age)).error === undefined;
  }

  /** Hand over an event; returns the requests that it caused, as they would leave. */
  onEvent(name, payload) {
    const seen = enter(this.#plugin.manifest, name, payload, this.#machine.salt);
    if (seen === undefined || !this.#exports) return [];
    this.#call({ event: name }, () => this.#exports.onEvent(name, json.text(seen)));
    return this.#sent;
  }

  /** Say which reports are due; returns the requests that it caused. */
  onTick(due) {
    if (!this.#exports) return [];
    this.#call({ due }, () => this.#exports.onTick(due));
    return this.#sent;
  }

  /** The reports that are due as soon as this event was heard. */
  dueAt(event) {
    return dueAt(this.#plugin.manifest, this.#settings, event);
  }

  /** The contract's `result` is an answer; anything else that is thrown is the tracker's end. */
  #call(cause, run) {
    if (this.#dead) throw new Error('it has already failed');
    [this.#cause, this.#sent, this.#still] = [cause, [], {}];
    try {
      return { value: run() };
    } catch (error) {
      if (error?.constructor?.name === 'ComponentError') return { error: error.payload };
      this.#dead = true;
      throw error;
    } finally {
      this.#cause = null;
    }
  }

  #send(request) {
    const outgoing = this.#cause
      ? gate(this.#plugin.manifest, this.#settings, this.#env, request, this.#cause)
      : { refused: `${request.name}: this is not the time to send`, undeclared: true };
    if (outgoing.refused) this.blocked.push(outgoing);
    else if (this.#sent.length >= REQUESTS_PER_CALL) this.blocked.push({ refused: `${request.name}: one too many`, undeclared: false });
    else this.#sent.push(outgoing);
  }
}
