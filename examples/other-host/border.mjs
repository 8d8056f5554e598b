// The border: what of an event enters the box, and in which form. The closed list of forms is in
// host/sandbox/README.md; this is written from there, not from the code.

import { createHash } from 'node:crypto';
import { errorText, hasSerial } from './error-text.mjs';
import { Num, isObject } from './json.mjs';

/** What of a payload enters; undefined if the event is not listed at all. */
export function enter(manifest, event, payload, salt) {
  const seen = manifest.sees.find((sees) => sees.event === event);
  if (!seen) return undefined;
  const fields = seen.fields.map((field) => (typeof field === 'string' ? { name: field } : field));
  return isObject(payload) ? cut(payload, fields.map(({ name, as }) => ({ path: name.split('.'), as })), salt) : null;
}

function cut(object, fields, salt) {
  const kept = Object.entries(object).map(([key, value]) => {
    const here = fields.filter(({ path }) => path[0] === key);
    if (!here.length) return undefined;
    const below = here.map(({ path, as }) => ({ path: path.slice(1), as })).filter(({ path }) => path.length);
    if (below.length) return [key, isObject(value) ? cut(value, below, salt) : null];
    return [key, FORMS[here[0].as ?? 'plain'](value, salt) ?? null];
  });
  return Object.fromEntries(kept.filter(Boolean));
}

const isText = (value) => typeof value === 'string';

/** How a value enters; undefined where it cannot be made into that form. */
const FORMS = {
  plain: (value) => (isObject(value) || Array.isArray(value) ? undefined : value),
  'salted-sha1': (value, salt) =>
    (isText(value) && salt ? createHash('sha1').update(value).update(salt).digest('hex') : undefined),
  'port-kind': (value) => (isText(value) ? portKind(value) : undefined),
  'whole-seconds': (value) => {
    const seconds = value instanceof Num ? Math.trunc(Number(value.text)) : 0;
    return seconds >= 1 && seconds < 1e15 ? new Num(String(seconds)) : undefined;
  },
  'names-and-versions': (value) => (Array.isArray(value) ? namesAndVersions(value) : undefined),
  words: (value) => (Array.isArray(value)
    ? fitting(value.filter((word) => isText(word) && /^[A-Za-z0-9_.-]{1,64}$/.test(word)).slice(0, 200)).join().toLowerCase()
    : undefined),
  'error-text': (value) => {
    if (typeof value === 'boolean') return value;
    if (value instanceof Num) return hasSerial(value.text) ? undefined : value;
    return isText(value) ? errorText(value) : undefined;
  },
};

/** As many words as have room in 8192 bytes, with a comma each. */
function fitting(words) {
  let bytes = 0;
  const most = words.findIndex((word) => (bytes += word.length + 1) > 8192);
  return most < 0 ? words : words.slice(0, most);
}

function portKind(port) {
  const known = /^(|VIRTUAL|AUTO|COM\d{1,3}|\/dev\/(tty(USB|ACM|AMA|S|O|mxc|THS)|serial|rfcomm)\d{1,3})$/;
  if (known.test(port)) return port;
  if (port.startsWith('/dev/serial/by-id/')) return '/dev/serial/by-id';
  return port.includes('://') || (!port.startsWith('/') && /[.:]/.test(port)) ? 'network' : 'other';
}

function namesAndVersions(list) {
  const entries = [];
  let bytes = 0;
  for (const one of list.filter(isObject)) {
    const [key, version] = ['key', 'version'].map((name) => (one[name] instanceof Num ? one[name].text : one[name]))
      .map((text) => (isText(text) && [...text].length <= 256 ? text.toLowerCase() : undefined));
    if (key === undefined) continue;
    entries.push(`${key}:${version || '?'}`);
    bytes += Buffer.byteLength(entries.at(-1)) + 1;
    if (bytes > 16384) return entries.slice(0, -1).join();
  }
  return entries.join();
}
