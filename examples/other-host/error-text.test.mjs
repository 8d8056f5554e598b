// The same table that Glassbox's own border is tested with.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errorText } from './error-text.mjs';

const table = JSON.parse(readFileSync(new URL('../../tests/error-texts.json', import.meta.url), 'utf8'));

test('an error enters without paths, addresses and numbers', () => {
  for (const [text, expected] of table) assert.equal(errorText(text), expected, text);
});

test('a long text does not take long', () => {
  for (const piece of ["'", "'a ", '/a ', 'a/b ', '1.', '1:', '::', 'password=', 'sn ', '"/', 'a ', ' ', '0', "b'", '\\ ']) {
    const start = performance.now();
    errorText(piece.repeat(65536 / piece.length));
    assert.ok(performance.now() - start < 2000, piece);
  }
});
