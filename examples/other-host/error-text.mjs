// The text of an error as it enters the box: with `…` for what looks like a path, an address, or the number of a
// machine. Every rule judges a word, or finds words that belong together, in the line in lower case. Its texts are in
// tests/error-texts.json, which Glassbox's own border is tested with as well.

// A blank is what Unicode calls white space: U+0085 is one and U+FEFF is none, unlike with `\s` and `trim()` here.
const blanks = ({ source, flags }) => new RegExp(
  source.replaceAll('\\s', '\\p{White_Space}').replaceAll('\\S', '\\P{White_Space}'), `${flags.replace('u', '')}u`);
const WORDS = blanks(/\S*\s|\S+$/g);
const LEADING = blanks(/^\s*/);
const TRAILING = blanks(/(?<!\s)\s*$/);

const MOST_WORDS = 64;
const FILE = blanks(/\.(gcode|gco|gc|bgcode|nc|ngc|gx|x3g|s3g|makerbot|ctb|sl1s?|fcode|tap|cnc|stl|3mf|ufp|obj|amf|step|stp|dxf|scad|f3d|hex|txt|cfg|zip|mp4|jpe?g|png)\d{0,2}([^a-z0-9]|$)|[^\s.]{2}\.g([^a-z0-9]|$)/);
const IPV4 = /\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|192[.-]168[.-]/;
const IPV6 = /([0-9a-f]{1,4}:){4}[0-9a-f]|\d[0-9a-f]{0,3}::|[0-9a-f]{3,4}::|::[0-9a-f]{0,3}\d|::[0-9a-f]{3,4}([^a-z]|$)/;
const DOMAIN = blanks(/[^\s.]\.(local|lan|home|internal|intranet|localdomain|box|arpa|com|org|net|de|at|ch|eu|uk|io|dev|me|info|fr|nl|it|es|pl|cz|se|dk|us|ca|au|jp|cn|ru|br|app|xyz|cloud|be|fi|pt|ie|nz|hu|gr|edu|intern)\.?([^a-z0-9.]|$)/);
const VERSION = blanks(/^[([]?(\S*(marlin|klipper|firmware|version|prusa)[:=]?)?v?\d(\.\d{1,2}){3}[),;.\]]*$/);
const FIRMWARE = /(marlin|klipper|firmware|version|prusa|^v)[:=]?$/;
const CHIP = /^((stm|gd|hc|at|apm|ch)32[a-z]\d{3}[a-z]{0,3}\d?|atmega\d{2,4}[a-z]{0,2}|at90usb\d{3,4}|lpc1\d{3}|rp20\d{2}|tmc\d{4})$/;
const TIME = /^[([]?\d{1,2}:\d{2}:\d{2}([.,]\d{1,6})?[)\],:;.]*$/;
const POWER = /^[a-z]?@\d?:\d{1,3}$/;
const MEASURE = /^(0x[0-9a-f]{1,8}|\d+(baud|bps|ms|us))$/;
const SPACED_MAC = /(^|[^0-9a-z])[0-9a-f]{2}( [0-9a-f]{2}){5}([^0-9a-z]|$)/g;
const SECRET = blanks(/((api[-_ ]?)?key|token|secret|pass|passphrase|passcode|pwd|passwd|password|passwort|psk|auth|authorization|credentials?|cookie|session|ssid|account|login|user|username|owner|host|hostname)["'`]?\]?(\s{0,3}(:=|=>|->|[=:])\s{0,3}(b?'[^']*'|b?"[^"]*"|(bearer|basic|digest) )?\S*|\s{1,3}('[^']*'|"[^"]*"|`[^`]*`)\S*)|bearer \S+|(passphrase|passcode|password) (is|was) \S+|(access|pin)[-_ ]?code[=: ]{1,2}\d\S*|(^|[^a-z0-9])m([01]|23|28|30|32|117|118|587) .+|file (opened|selected): ?.+|(^|[^a-z0-9])(cu|tty)\.[a-z]\S*/gs);
const SERIAL = blanks(/(^|[^a-z0-9])(serial|serial ?number|serial ?no\.?|serial_number|s\/?n)["']?[-_=:# ]["' #]{0,2}[a-z0-9_-]{0,40}[0-9]\S*/g);
const NAMED = blanks(/(connect(ing|ed|ion)? to (host )?|(for|as) (user|account|owner|host) |authentication failed for |resolve |ssid |file: )["'`]?([^\s"':,.]+)/gd);
const OTHERS = ('the a printer your port serial virtual server host auto input action interaction intervention response confirmation '
  + 'to and not no line this').split(' ');
const ORDINARY = new Set(('and or read write on off in out min max port baudrate baud start stop yes no true false heater bed hotend '
  + 'nozzle extruder rx tx input output open close connect disconnect up down left right send receive load unload pause resume '
  + 'cancel sensor thermistor probe bltouch mm line resend error code errno count').split(' '));
const PUNCT = /[!-/:-@[-`{-~]/;

/** A text without what looks like a path, an address, or the number of a machine. */
export const errorText = (text) => text.split(/(?<=\n)/).map(lineText).join('');

function lineText(line) {
  const originals = line.match(WORDS) ?? [];
  const lower = asciiLower(line);
  const words = originals.map((word) => asciiLower(trimEnd(word)));
  const taken = words.flatMap((word, at) => (isTelling(word, words[at - 1] ?? '') ? [[at, at + 1]] : []));
  taken.push(...quoted(words), ...pathsWithBlanks(words), ...labelled(lower, originals));
  taken.sort(([start, end], [otherStart, otherEnd]) => start - otherStart || end - otherEnd);
  let [out, next] = ['', 0];
  for (let i = 0; i < taken.length;) {
    const [start, first] = taken[i];
    let end = first;
    for (i += 1; i < taken.length && taken[i][0] < end; i += 1) end = Math.max(end, taken[i][1]);
    const last = originals[end - 1];
    out += `${originals.slice(next, start).join('')}…${last.slice(trimEnd(last).length)}`;
    next = end;
  }
  return out + originals.slice(next).join('');
}

const trimEnd = (text) => text.replace(TRAILING, '');

const asciiLower = (text) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

const isTelling = (word, before) => !TIME.test(word) && !POWER.test(word)
  && (isPath(word) || isFile(word) || word.includes('@') || isAddress(word, before) || hasSerial(word));

/** A slash or a backslash, unless it stands for "or", between numbers or units, or alone. */
const isPath = (word) => /\\|%2f|%5c/.test(word) || (word.includes('/') && !isOrdinarySlash(word));

function isOrdinarySlash(word) {
  const around = (c) => PUNCT.test(c) && !'/~.'.includes(c);
  let [start, end] = [0, word.length];
  while (start < end && around(word[start])) start += 1;
  while (start < end && around(word[end - 1])) end -= 1;
  while (start < end && word[end - 1] === '.') end -= 1;
  const bare = word.slice(start, end);
  const parts = bare.split('/');
  const isNumber = (part) => {
    const colon = part.lastIndexOf(':');
    const number = colon >= 0 && colon <= 2 ? part.slice(colon + 1) : part;
    return /^[\d.,-]+$/.test(number) && number !== '..';
  };
  const isWord = (part) => ORDINARY.has(part) || /^[a-z]{1,2}$/.test(part);
  return (parts.length <= 3 && parts.every((part) => isWord(part) || isNumber(part)))
    || (parts.length === 2 && parts[0] === '' && isNumber(parts[1])) || /^\/*$/.test(bare);
}

const isFile = (word) => FILE.test(word);

const isAddress = (word, before) => (IPV4.test(word) && !isVersion(word, before))
  || IPV6.test(word) || DOMAIN.test(word) || hasPort(word);

/** Four small numbers that stand after a firmware's name, or after a `v`. */
const isVersion = (word, before) => VERSION.test(word) && (!/^[([]*\d/.test(word) || FIRMWARE.test(before));

/** `octopi:5000`, but not `line:1234`. */
function hasPort(word) {
  let end = word.length;
  while (end && PUNCT.test(word[end - 1])) end -= 1;
  const colon = word.lastIndexOf(':', end - 1);
  if (colon < 0 || !/^(\d{4,5}|80|443)$/.test(word.slice(colon + 1, end))) return false;
  let start = 0;
  while (start < colon && PUNCT.test(word[start])) start += 1;
  const name = word.slice(start, colon);
  return Buffer.byteLength(name) > 2 && /^[\p{L}\p{N}-]+$/u.test(name) && /\p{L}/u.test(name) && !ORDINARY.has(name);
}

/** Twelve hex digits, whatever separates them; or letters among digits, as in the serial numbers of boards. */
export function hasSerial(text) {
  const word = asciiLower(text);
  let digits = 0;
  for (const c of word) {
    if (/[0-9a-f]/.test(c)) digits += 1;
    else if (/[\p{L}\p{N}]/u.test(c)) digits = 0;
    if (digits >= 12) return true;
  }
  return word.split(/[^0-9a-z]/).some((part) => {
    const count = (part.match(/\d/g) ?? []).length;
    const changes = (part.match(/\d(?=[a-z])|[a-z](?=\d)/g) ?? []).length;
    return part.length >= (changes >= 2 ? 8 : 10) && count >= 4 && count < part.length && !CHIP.test(part) && !MEASURE.test(part);
  });
}

/** Names in quotes with blanks in them: a path is at their beginning, or a file's name at their end. */
function quoted(words) {
  return words.flatMap((word, at) => {
    const open = opened(word);
    if (!open) return [];
    for (let to = at + 1; to < words.length && to <= at + MOST_WORDS; to += 1) {
      const end = closed(words[to], open.quote);
      if (end === undefined) continue;
      const last = words[to].slice(0, end);
      return isTelling(open.inside, '') || (isFile(last) && !opened(last)) ? [[at, to + 1]] : [];
    }
    return [];
  });
}

/** What follows the last quote that opens in this word and does not close in it, and what will close it. */
function opened(word) {
  for (let at = word.length - 1; at >= 0; at -= 1) {
    if (!`"'\`“‘`.includes(word[at]) || !OPENS.test(word.slice(at + 1, at + 3))) continue;
    const before = word.slice(Math.max(0, at - 4), at);
    if (/[\p{L}\p{N}]$/u.test(before) && !/(^|[^\p{L}\p{N}])[burf]$/u.test(before)) continue;
    const quote = { '“': '”', '‘': '’' }[word[at]] ?? word[at];
    const inside = word.slice(at + 1);
    return closed(inside, quote) === undefined ? { inside, quote } : undefined;
  }
  return undefined;
}

const OPENS = /^[/\\~._([]|^[^!-/:-@[-`{-~]/u;

/** Where a quote closes in a word: no letter follows, as after an apostrophe. */
function closed(word, quote) {
  for (let at = word.indexOf(quote); at >= 0; at = word.indexOf(quote, at + 1)) {
    if (!/^[\p{L}\p{N}]/u.test(word.slice(at + 1, at + 3))) return at;
  }
  return undefined;
}

/** A path outside of quotes goes on to the first name of a file, or to the last slash, in what belongs to it. */
function pathsWithBlanks(words) {
  const found = [];
  for (let at = 0, next = 1; at < words.length; at = next, next += 1) {
    if (!isPath(words[at]) || isFile(words[at]) || /:\/\/|\/dev\//.test(words[at]) || endsClause(words[at])) continue;
    for (let to = at + 1; to < words.length && to <= at + MOST_WORDS && !/^[["'`“‘<]/.test(words[to]); to += 1) {
      if (isFile(words[to]) || isPath(words[to]) || /["'`”’]$/.test(words[to])) next = to + 1;
      if (isFile(words[to]) || endsClause(words[to])) break;
    }
    found.push([at, next]);
  }
  return found;
}

const endsClause = (word) => /[:,;"'`”’\]>]$/.test(word);

/** The words of what is named a secret, a serial number, or a host, and of a MAC address with blanks. */
function labelled(lower, originals) {
  const found = [SECRET, SERIAL, SPACED_MAC].flatMap((pattern) => [...lower.matchAll(pattern)].map((one) => {
    const [text] = one;
    return [one.index + LEADING.exec(text)[0].length, one.index + trimEnd(text).length];
  }));
  for (const one of lower.matchAll(NAMED)) if (!OTHERS.includes(one[6])) found.push(one.indices[6]);
  const words = [];
  originals.forEach((word, at) => words.push(...Array(word.length).fill(at)));
  return found.map(([start, end]) => [words[start], words[end - 1] + 1]);
}
