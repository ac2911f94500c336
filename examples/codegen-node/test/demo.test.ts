// Runs against a server that was started with -demo: examples/run starts one and sets LEARNGRAPH_URL.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientError } from 'graphql-request';
import { Learngraph } from '../src/learngraph.js';
import { report } from '../src/report.js';
import { members } from '../src/scalars.js';

const learngraph = new Learngraph(process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql');

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const value of values) list.push(value);
  return list;
}

test('the report has the clients of a search and their users', async () => {
  const lines = await all(report(learngraph, 'northbridge'));
  assert.deepEqual(lines.slice(0, 2), [
    'Northbridge University: 270 of 280 seats, license until 15 August 2027',
    '  Patrick John Evans, Nursing',
  ]);
  assert.ok(lines.some((line) => line.startsWith('Northbridge Airways: ')));
});

test('every page is read', async () => {
  const ids = new Set((await all(learngraph.clients())).map((client) => client.id));
  assert.ok(ids.size > 20, `${ids.size} clients are not more than two pages`);
});

test('a user is renamed', async () => {
  const [client] = await all(learngraph.clients('redwood'));
  assert.ok(client);
  const [user] = await all(learngraph.users(client.id));
  assert.ok(user);
  const { userErrors } = await learngraph.rename(user, 'Ada Lovelace');
  assert.deepEqual(userErrors, []);
  const changed = (await all(learngraph.users(client.id))).find((other) => other.id === user.id);
  assert.equal(changed?.name, 'Ada Lovelace');
  assert.equal(members(changed?.metadata).department, members(user.metadata).department, 'other metadata stays');
});

test('a mistake is a user error', async () => {
  const { user, userErrors } = await learngraph.rename({ id: 'MVVzZXI6bm9ib2R5', metadata: null }, 'Ada Lovelace');
  assert.equal(user, null);
  assert.deepEqual(userErrors.map(({ code, path }) => ({ code, path })), [{ code: 'NOT_FOUND', path: ['input', 'by'] }]);
});

test('an error has its code', async () => {
  await assert.rejects(all(learngraph.users('no id at all')), (error) => {
    assert.ok(error instanceof ClientError);
    assert.equal(error.response.errors?.[0]?.extensions.code, 'BAD_USER_INPUT');
    return true;
  });
});
