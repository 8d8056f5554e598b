// A host for trackers: transpiles a component to JavaScript and core WebAssembly, and runs it with the four
// imports of the contract and nothing else.

import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { transpileBytes } from '@bytecodealliance/jco-transpile';
import * as json from './json.mjs';
import { enter } from './border.mjs';
import { gate, readManifest, shown } from './policy.mjs';

const WORLD = ['glassbox:tracker/clock', 'glassbox:tracker/hardware', 'glassbox:tracker/http', 'glassbox:tracker/throttle'];

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
  #manifest; #env; #exports; #salt;
  #settings = {};
  #sent = null;
  #dead = false;
  /** What was not let through: `{refused, undeclared}`. */
  blocked = [];

  constructor({ manifest, start }, machine, env) {
    this.#manifest = manifest;
    this.#env = env;
    this.#salt = machine.salt;
    const { hardware, throttle } = manifest.capabilities;
    const camel = (name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
    const known = () => {
      const all = machine.probe();
      return Object.fromEntries((hardware ?? []).map(camel).map((name) => [name, all[name]]));
    };
    this.#exports = start({
      'glassbox:tracker/http': { send: (request) => this.#send(request) },
      'glassbox:tracker/clock': { now: () => machine.now() },
      'glassbox:tracker/hardware': { probe: known },
      'glassbox:tracker/throttle': { query: () => (throttle ? machine.query() : undefined) },
    });
  }

  /** Load the settings; false if the tracker does not accept them. */
  load(settings) {
    const answer = this.#call(() => this.#exports.settings.load(json.text(shown(this.#manifest, settings))));
    if (answer.error !== undefined) return false;
    this.#settings = settings;
    return true;
  }

  /** Hand over an event; returns the requests that it caused, as they would leave. */
  onEvent(name, payload) {
    const seen = enter(this.#manifest, name, payload, this.#salt);
    if (seen === undefined) return [];
    this.#sent = [];
    try {
      this.#call(() => this.#exports.onEvent(name, json.text(seen)));
      return this.#sent;
    } finally {
      this.#sent = null;
    }
  }

  /** The contract's `result` is an answer; anything else that is thrown is the tracker's end. */
  #call(run) {
    if (this.#dead) throw new Error('it has already failed');
    try {
      return { value: run() };
    } catch (error) {
      if (error?.constructor?.name === 'ComponentError') return { error: error.payload };
      this.#dead = true;
      throw error;
    }
  }

  #send(request) {
    const outgoing = this.#sent
      ? gate(this.#manifest, this.#settings, this.#env, request)
      : { refused: `${request.name}: this is not the time to send`, undeclared: true };
    if (outgoing.refused) {
      this.blocked.push(outgoing);
      throw 'forbidden'; // how jco wants an error that the contract knows
    }
    if (this.#sent.length >= REQUESTS_PER_CALL) throw 'queue-full';
    this.#sent.push(outgoing);
  }
}
