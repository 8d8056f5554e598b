// The border: what of an event enters the box, and in which form. The closed list of forms is in
// host/sandbox/README.md; this is written from there, not from the code.

import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
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
    ? value.filter((word) => isText(word) && /^[A-Za-z0-9_.-]{1,64}$/.test(word)).slice(0, 200).join().toLowerCase()
    : undefined),
  'error-text': (value) => {
    if (typeof value === 'boolean') return value;
    if (value instanceof Num) return hasSerial(value.text) ? undefined : value;
    return isText(value) ? errorText(value) : undefined;
  },
};

function portKind(port) {
  const known = /^(|VIRTUAL|AUTO|COM\d{1,3}|\/dev\/(tty(USB|ACM|AMA|S|O|mxc|THS)|serial|rfcomm)\d{1,3})$/;
  if (known.test(port)) return port;
  if (port.startsWith('/dev/serial/by-id/')) return '/dev/serial/by-id';
  return port.includes('://') || (!port.startsWith('/') && /[.:]/.test(port)) ? 'network' : 'other';
}

function namesAndVersions(list) {
  const entries = [];
  let characters = 0;
  for (const one of list.filter(isObject)) {
    const [key, version] = ['key', 'version'].map((name) => (one[name] instanceof Num ? one[name].text : one[name]))
      .map((text) => (isText(text) && [...text].length <= 256 ? text.toLowerCase() : undefined));
    if (key === undefined) continue;
    entries.push(`${key}:${version || '?'}`);
    characters += [...entries.at(-1)].length + 1;
    if (characters > 16384) return entries.slice(0, -1).join();
  }
  return entries.join();
}

/** A text with `…` for what looks like a path, an address, or the number of a machine. */
function errorText(text) {
  return text.split(/(?<=\n)/).map((line) => {
    const words = line.match(/\S*\s|\S+$/gu) ?? [];
    let out = '';
    for (let at = 0; at < words.length; at += 1) {
      const word = words[at];
      if (!isTelling(word.trimEnd())) {
        out += word;
        continue;
      }
      // A path may have blanks in it: it goes on to its closing quote, or to the end of a file's name.
      const quote = { '“': '”', '‘': '’', '"': '"', "'": "'", '`': '`' }[word[0]];
      if (!quote || !word.slice(1).includes(quote)) {
        const ends = (later) => (quote ? later.includes(quote) : isFile(later.trimEnd()));
        at += words.slice(at + 1).findIndex(ends) + 1;
      }
      out += `…${words[at].slice(words[at].trimEnd().length)}`;
    }
    return out;
  }).join('');
}

const isTelling = (word) => isPath(word) || isFile(word) || /[\\@]|:\/\//.test(word) || isAddress(word) || hasSerial(word);

const isPath = (word) => /%2f/i.test(word) || [...word.matchAll(/\//g)].some(({ index }) => {
  const rest = word.slice(index + 1);
  const starts = !/[\p{L}\p{N}]$/u.test(word.slice(0, index)) && !/^[\d.,;]+$/.test(rest);
  return starts || /\.\p{L}[^.]*$/u.test(rest);
});

const isFile = (word) => /\.(gcode|gco|gc|bgcode|nc|ngc|stl|3mf|ufp|obj)[^\p{L}\p{N}]*$/iu.test(word);

const isAtHome = (name) => /.\.(local|lan|home|internal|intranet|localdomain|box|arpa)$/i.test(name.replace(/^\.+|\.+$/g, ''));

const isAddress = (word) => word.split(/[^\p{L}\p{N}.-]/u).some(isAtHome)
  || word.split(/[^0-9A-Fa-f.:[\]]/).map((part) => part.replace(/[.:]+$/, '')).some((part) =>
    part.length > 2 && [part, part.replace(/^\[|\]$/g, ''), part.replace(/^\[(.*)\]:\d{1,5}$|^([\d.]+):\d{1,5}$/, '$1$2')].some(isIP));

/** Twelve hex digits in a row, whatever separates them; or letters among digits, as in the serial numbers of boards. */
const hasSerial = (word) => /(?:[0-9A-Fa-f][:._-]*){12}/.test(word)
  || word.split(/[^0-9A-Za-z]/).some((part) => part.length >= 10 && /[A-Za-z]/.test(part) && (part.match(/\d/g) ?? []).length >= 4);
