// The manifest, enforced: what of the settings is shown, and what of a request may leave. (What of an event enters is in
// border.mjs.)

import { parse as parseToml } from 'smol-toml';
import { Num, at, isObject } from './json.mjs';

/** What Glassbox looks at too, whatever the settings say. */
const VETOES = ['CI', 'OCTOPRINT_DISABLE_TRACKING', 'OCTOPRINT_TRACKING_DISABLED', 'DO_NOT_TRACK'];

/** The manifest lies in the component, as a custom section behind its code. */
export function readManifest(component) {
  let place = 8;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = component[place++];
      value += (byte & 127) * 2 ** shift;
      if (!(byte & 128)) return value;
    }
  };
  const utf8 = (from, to) => new TextDecoder('utf-8', { fatal: true }).decode(component.subarray(from, to));
  while (place < component.length) {
    const [kind, size] = [component[place++], number()];
    const end = place + size;
    if (kind === 0) {
      const length = number();
      if (utf8(place, place + length) === 'glassbox:manifest') return parseToml(utf8(place + length, end));
    }
    place = end;
  }
  throw new Error('the component has no manifest');
}

/** What a tracker is shown of the settings. */
export function shown(manifest, settings) {
  const keys = manifest.settings?.shows ?? [];
  return Object.fromEntries(Object.entries(settings).filter(([key]) => keys.includes(key)));
}

/** Whether a switch is on: it is true, or nothing is set there. Anything else is not clear, and so a no. */
function isOn(settings, path) {
  let value = settings;
  for (const key of path.split('.')) {
    if (value === undefined || value === null) return true;
    if (!isObject(value)) return false;
    value = Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value === undefined || value === null || value === true;
}

/** Whether the user has said yes, and nobody no. */
export const isGiven = (settings, env) => settings.enabled === true && !VETOES.some((name) => env[name]);

/** The reports that are due as soon as this event was heard: where a run of OctoPrint begins, all that have a rhythm, too. */
export function dueAt(manifest, settings, event) {
  const isDue = ({ on, every, once, after }) => on?.includes('tick')
    && ((every && event === 'octoprint_started') || (once === event && !after));
  const isNever = ({ every }) => every && !(Number(bare(at(settings, every.setting)) ?? every.default) >= 1);
  const due = manifest.says.filter((says) => isDue(says) && !isNever(says) && (!says.switch || isOn(settings, says.switch)));
  return due.map((says) => says.request);
}

const bare = (value) => (value instanceof Num ? value.text : value);

/**
 * The request as it leaves, built here from checked parts; or why it does not. `cause` is what the tracker handles:
 * `{event}`, or `{due}` on a tick.
 */
export function gate(manifest, settings, env, request, cause) {
  const refused = (reason, undeclared = false) => ({ refused: `${request.name}: ${reason}`, undeclared });
  if (!isGiven(settings, env)) return refused('nobody opted in');
  const all = declared(manifest, request.name);
  const says = all.find((one) => isOccasion(one, cause));
  const wrong = says ? check(manifest, says, request) : all.length ? 'this is not the occasion for it' : 'the manifest does not declare it';
  if (wrong) return refused(wrong, true);
  const sent = says.fields.filter((field) => request.fields.some(([name]) => name === field.name));
  const off = [says, ...sent].find((rule) => rule.switch && !isOn(settings, rule.switch));
  if (off) return refused(`the setting ${off.switch} is off`);
  const http = manifest.capabilities.http;
  const id = at(settings, http.id_setting);
  if (typeof id !== 'string' || !id) return refused('there is no id');
  const own = http.url_setting && at(settings, http.url_setting);
  const filled = (typeof own === 'string' ? own : http.url).replace(/\{(id|event)\}/g, (_, name) =>
    encode(name === 'id' ? id : request.name));
  const form = request.fields.map((pair) => pair.map(encode).join('=')).join('&');
  const post = request.method === 'post';
  return {
    url: filled,
    method: post ? 'POST' : 'GET',
    path: /^https?:\/\/[^/]+(.*)$/.exec(filled)[1] || '/',
    query: post ? '' : form,
    body: post ? form : '',
    user_agent: request.userAgent,
  };
}

/** The entries of a request; those without a variable come first. */
function declared(manifest, name) {
  const own = manifest.says.filter((says) => says.request === name);
  return own.length ? own : manifest.says.filter((says) => {
    const [before, after] = says.request.split(/\{[^}]*\}/);
    const fits = after !== undefined && name.length >= before.length + after.length
      && name.startsWith(before) && name.endsWith(after);
    return fits && follows(says.variable, name.slice(before.length, name.length - after.length));
  });
}

/** A report is sent while an event is handled that it names, or on a tick when it is due; a free one at any time. */
const isOccasion = ({ on, request }, { event, due }) => !on || (due ? on.includes('tick') && due.includes(request) : on.includes(event));

/** What is wrong with a request; undefined if nothing is. Fields come in the declared order, each at most once. */
function check(manifest, says, request) {
  if (![request.name, request.userAgent].every((text) => /^[ -~]{0,128}$/.test(text))) return 'its name or user agent is odd';
  if (/^\.*$/.test(request.name)) return 'its name would be a step in the path';
  if (request.method.toUpperCase() !== says.method) return 'its method is another';
  if (!isAgent(manifest.capabilities.user_agent, request.userAgent)) return 'its user agent does not match the manifest';
  const places = request.fields.map(([name]) => says.fields.findIndex((field) => field.name === name));
  if (places.includes(-1)) return 'it has a field that is not declared';
  if (places.some((place, i) => i > 0 && place <= places[i - 1])) return 'its fields are repeated or out of order';
  const misfit = request.fields.find(([, value], i) => !follows(says.fields[places[i]], value));
  if (misfit) return `the value of ${misfit[0]} does not fit`;
  const missing = says.fields.find((field) => !field.optional && !request.fields.some(([name]) => name === field.name));
  return missing && `${missing.name} is missing`;
}

const follows = (rule, value) =>
  (rule.const === undefined || rule.const === value)
  && (rule.enum?.includes(value) ?? true)
  && [...value].length <= (rule.max_length ?? 256)
  && (rule.pattern === undefined || matches(rule.pattern, value));

/** A pattern, or a text with a version in it. */
const isAgent = (agent, text) => {
  if (typeof agent === 'string') return matches(agent, text);
  const [before, after] = agent.text.split('{}');
  const version = text.slice(before.length, text.length - after.length);
  return text === before + version + after && (version === agent.unknown || matches(agent.pattern, version));
};

/** The manifest's patterns are Rust's: `(?s)`, that a dot is any character, is a flag here. */
const matches = (pattern, value) => new RegExp(`^(?:${pattern.replace(/^\(\?s\)/, '')})$`, pattern.startsWith('(?s)') ? 'su' : 'u').test(value);

/** Only A-Z a-z 0-9 _ . - ~ stay bare. */
const encode = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
