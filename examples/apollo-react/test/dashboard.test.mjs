// Works the built dashboard in Chromium against a server that was started with -demo: examples/run starts one.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { desktop, holdParts, launch, open, phone, picture, serve } from '../../browser/browser.mjs';

const api = process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql';
const browser = await launch(after);
const url = await serve(fileURLToPath(new URL('../build', import.meta.url)), after);

const rows = (page) => page.getByRole('navigation').getByRole('link');
const openClient = (page, name) => page.getByRole('link', { name }).click();
const people = (page) => page.locator('.person');

async function ask(query, variables) {
  const answer = await fetch(api, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return (await answer.json()).data;
}

for (const [device, size] of Object.entries({ desktop, phone })) {
  for (const scheme of ['light', 'dark']) {
    test(`it looks right on a ${device} in ${scheme}`, async (t) => {
      const { page } = await open(t, browser, url, { size, scheme, api });
      await rows(page).first().waitFor();
      await picture(page, `apollo-list-${device}-${scheme}`);
      await openClient(page, 'Northbridge University');
      await page.locator('.credentials li').first().waitFor();
      await picture(page, `apollo-client-${device}-${scheme}`);
      if (device === 'phone') {
        await page.getByRole('link', { name: 'All clients' }).click();
        await rows(page).first().waitFor();
      }
    });
  }
}

test('scrolling loads page after page, until all are there', async (t) => {
  const { page, asked } = await open(t, browser, url, { api });
  await rows(page).nth(11).waitFor();
  while ((await rows(page).count()) < 25) {
    const seen = await rows(page).count();
    await rows(page).last().scrollIntoViewIfNeeded();
    await rows(page).nth(seen).waitFor();
  }
  assert.equal(new Set(await rows(page).allInnerTexts()).size, 25);
  assert.equal(await page.getByRole('button', { name: 'Load more' }).count(), 0);
  assert.ok(asked.length >= 3, `${asked.length} requests`);
});

test('a search is a list of its own', async (t) => {
  const { page, asked } = await open(t, browser, url, { api });
  await rows(page).nth(11).waitFor();
  const search = page.getByRole('searchbox');
  await search.fill('northbridge');
  await page.getByText('2', { exact: true }).waitFor();
  assert.equal(await rows(page).count(), 2);
  await search.fill('nobody has this name');
  await page.getByText('No client has this name.').waitFor();
  const before = asked.length;
  await search.fill('');
  await rows(page).nth(11).waitFor();
  assert.equal(asked.length, before, 'the first list is in the cache');
});

test('queries go by GET with the hash of their document', async (t) => {
  const { page, asked } = await open(t, browser, url, { api });
  await rows(page).nth(11).waitFor();
  await page.reload();
  await rows(page).nth(11).waitFor();
  const sent = asked.filter((r) => r.method() !== 'OPTIONS');
  const last = new URL(sent.at(-1).url());
  assert.equal(sent.at(-1).method(), 'GET');
  assert.match(last.searchParams.get('extensions'), /"sha256Hash":"[0-9a-f]{64}"/);
  assert.equal(last.searchParams.get('query'), null);
});

test('people are there before their credentials', async (t) => {
  const { page, asked } = await open(t, browser, url, { api });
  await rows(page).first().waitFor();
  const release = await holdParts(t, page, api);
  await openClient(page, 'Northbridge University');
  await people(page).nth(3).waitFor();
  assert.equal(await page.getByRole('status', { name: 'Credentials are loading' }).count(), 4);
  assert.equal(await page.locator('.credentials li').count(), 0);
  await picture(page, 'apollo-client-waiting');
  release();
  await page.locator('.credentials li').first().waitFor();
  await page.getByRole('status', { name: 'Credentials are loading' }).first().waitFor({ state: 'detached' });
  const answer = await asked.at(-1).response();
  assert.match(await answer.headerValue('content-type'), /^multipart\/mixed/);
});

test('a new name is shown at once, and stays', async (t) => {
  const { page } = await open(t, browser, url, { api });
  await openClient(page, 'Ashford Manufacturing');
  await page.locator('.credentials li').first().waitFor();
  const department = await people(page).first().locator('.detail').innerText();
  let go;
  let waiting = false;
  const released = new Promise((resolve) => (go = resolve));
  await page.route(`${api}*`, async (route) => {
    if (route.request().method() === 'POST') {
      waiting = true;
      await released;
    }
    await route.continue();
  });
  // The first answer may be that the server does not know the document yet.
  const saved = page.waitForResponse(async (answer) => answer.request().method() === 'POST' && Boolean((await answer.json()).data));
  await rename(page, 'Katherine Johnson');
  await people(page).first().getByText('Katherine Johnson').waitFor();
  assert.ok(waiting, 'the server has not been asked yet');
  go();
  await saved;
  await page.reload();
  await people(page).first().getByText('Katherine Johnson').waitFor();
  assert.equal(await people(page).first().locator('.detail').innerText(), department, 'other metadata stays');
});

async function rename(page, name) {
  const first = people(page).first();
  await first.getByRole('button', { name: /^Rename/ }).click();
  await first.getByRole('textbox', { name: 'Name' }).fill(name);
  await first.getByRole('button', { name: 'Save' }).click();
}

test('where the server refuses a name, the old one is back with the reason', async (t) => {
  const { page } = await open(t, browser, url, { api });
  await openClient(page, 'Lindqvist Pharma');
  await page.locator('.credentials li').first().waitFor();
  const name = (await people(page).first().locator('.name').innerText()).replace(/\s*Rename$/, '');
  // Another person deletes this one while the page is open.
  const { clients } = await ask('query($name: String) { clients(first: 1, query: $name) { nodes { users(first: 1) { nodes { id } } } } }', { name: 'Lindqvist' });
  const id = clients.nodes[0].users.nodes[0].id;
  const { deleteUser } = await ask('mutation($id: ID!) { deleteUser(input: { by: { id: $id }, action: delete }) { userErrors { message } } }', { id });
  assert.deepEqual(deleteUser.userErrors, []);
  await rename(page, 'Katherine Johnson');
  await page.getByRole('alert').getByText('Not renamed: this person no longer exists.').waitFor();
  await people(page).first().getByText(name).waitFor();
  await picture(page, 'apollo-refused');
});
