import assert from 'node:assert/strict';
import { test } from 'node:test';
import { members, moment } from '../src/scalars.js';

test('a date is a day or a moment', () => {
  assert.equal(moment('2027-08-15').toISOString(), '2027-08-15T00:00:00.000Z');
  assert.equal(moment('2027-08-15T12:38:08.991+02:00').toISOString(), '2027-08-15T10:38:08.991Z');
  assert.throws(() => moment('soon'), RangeError);
});

test('JSON is looked into with care', () => {
  assert.equal(members({ department: 'Nursing' }).department, 'Nursing');
  for (const value of [null, undefined, 'text', 1, ['department'], {}]) assert.deepEqual(members(value), {});
});
