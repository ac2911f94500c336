// Works the built dashboard in Chromium against a server that takes the documents of its manifest alone: examples/run starts one.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { desktop, holdParts, launch, open, phone, picture, serve } from '../../browser/browser.mjs';

const api = process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql';
const manifest = JSON.parse(readFileSync(new URL('../src/gql/persisted-documents.json', import.meta.url), 'utf8'));
const browser = await launch(after);
const url = await serve(fileURLToPath(new URL('../build', import.meta.url)), after);

const rows = (page) => page.getByRole('navigation').getByRole('link');
const openClient = (page, name) => page.getByRole('link', { name }).click();
const people = (page) => page.locator('.person');

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

test('the server takes no other document', async () => {
  const answer = await fetch(api, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"query":"{ clients { totalCount } }"}' });
  const { errors } = await answer.json();
  assert.deepEqual(errors.map((e) => e.extensions.code), ['DOCUMENT_NOT_TRUSTED']);
});

test('queries go by GET with the hash of their document', async (t) => {
  const { page, asked } = await open(t, browser, url, { api });
  await rows(page).nth(11).waitFor();
  await openClient(page, 'Northbridge University');
  await people(page).first().waitFor();
  const sent = asked.filter((r) => r.method() !== 'OPTIONS');
  assert.deepEqual(sent.map((r) => r.method()), ['GET', 'GET']);
  for (const { searchParams } of sent.map((r) => new URL(r.url()))) {
    const { persistedQuery } = JSON.parse(searchParams.get('extensions'));
    assert.ok(manifest[persistedQuery.sha256Hash], persistedQuery.sha256Hash);
    assert.equal(searchParams.get('query'), null);
  }
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
  const released = new Promise((resolve) => (go = resolve));
  const sent = new Promise((resolve) => {
    void page.route(`${api}*`, async (route) => {
      if (route.request().method() === 'POST') {
        resolve();
        await released;
      }
      await route.continue();
    });
  });
  const saved = page.waitForResponse((answer) => answer.request().method() === 'POST');
  await rename(page, 'Katherine Johnson');
  await people(page).first().getByText('Katherine Johnson').waitFor();
  await sent;
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
  await page.route(`${api}*`, async (route) => {
    const body = route.request().method() === 'POST' && route.request().postDataJSON();
    // As if this person had been deleted meanwhile: no document of this page deletes anyone.
    if (body) body.variables.input.by = { sourceId: 'nobody' };
    await route.continue(body ? { postData: JSON.stringify(body) } : {});
  });
  await rename(page, 'Katherine Johnson');
  await page.getByRole('alert').getByText('Not renamed: this person no longer exists.').waitFor();
  await people(page).first().getByText(name).waitFor();
  await picture(page, 'apollo-refused');
});
