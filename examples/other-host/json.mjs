// JSON whose numbers keep their text. JavaScript has one kind of number, so that 1.0 would reach the
// tracker as 1, and 2^53 + 1 as 2^53; the other host keeps them apart, and so must this one.

/** A number as it was written. */
export class Num {
  constructor(text) {
    this.text = text;
  }
}

/** As JSON.parse, with `Num` for numbers. */
export function parse(text) {
  // While it is parsed, every string begins with 's', and every number is a string that begins with 'n'.
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/gs, (token) =>
    token.startsWith('"') ? `"s${token.slice(1)}` : `"n${token}"`);
  return JSON.parse(marked, (_, value) => {
    if (typeof value === 'string') return value[0] === 's' ? value.slice(1) : new Num(value.slice(1));
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key.slice(1), inner]));
  });
}

/** As JSON.stringify. */
export function text(value) {
  if (value instanceof Num) return value.text;
  if (Array.isArray(value)) return `[${value.map(text).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}:${text(inner)}`).join()}}`;
}

export const isObject = (value) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Num);

/** The value at a path like `events.printjob`. */
export const at = (value, path) => path.split('.').reduce(
  (inner, key) => (isObject(inner) && Object.hasOwn(inner, key) ? inner[key] : undefined), value);
