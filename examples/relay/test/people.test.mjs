// Works the built page in Chromium against a server that takes the documents of the manifest alone: examples/run starts one.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { desktop, launch, open, phone, picture, serve } from '../../browser/browser.mjs';

const api = process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql';
const manifest = JSON.parse(readFileSync(new URL('../documents.json', import.meta.url), 'utf8'));
const browser = await launch(after);
const url = await serve(fileURLToPath(new URL('../build', import.meta.url)), after);

const people = (page) => page.locator('.person');
const named = (page, name) => page.getByRole('button', { name });
const credentials = (page) => page.locator('.credentials li');

/** The name of the operation that a request asks for by its id. */
function operation(request) {
  const query = new URL(request.url()).searchParams;
  const { documentId } = request.method() === 'GET' ? Object.fromEntries(query) : request.postDataJSON();
  return /^(query|mutation) (\w+)/.exec(manifest[documentId])[2];
}

/** Sends a document of the manifest, as another page would. */
async function ask(name, variables) {
  const [documentId] = Object.entries(manifest).find(([, text]) => new RegExp(`^(query|mutation) ${name}\\b`).test(text));
  const answer = await post({ documentId, variables });
  assert.equal(answer.errors, undefined);
  return answer.data;
}

async function post(body) {
  const answer = await fetch(api, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  return answer.json();
}

for (const [device, size] of Object.entries({ desktop, phone })) {
  for (const scheme of ['light', 'dark']) {
    test(`it looks right on a ${device} in ${scheme}`, async (t) => {
      const { page } = await open(t, browser, url, { size, scheme, api });
      await people(page).first().click();
      await credentials(page).first().waitFor();
      await picture(page, `relay-${device}-${scheme}`);
    });
  }
}

test('the server takes no other document', async () => {
  const { errors } = await post({ query: '{ users { nodes { name } } }' });
  assert.deepEqual(errors.map((e) => e.extensions.code), ['DOCUMENT_NOT_TRUSTED']);
});

test('each request has the id of a document and no text; queries go by GET', async (t) => {
  const { page, asked } = await open(t, browser, url, { api });
  await people(page).nth(9).waitFor();
  await page.getByRole('button', { name: 'More people' }).click();
  await people(page).nth(19).waitFor();
  await people(page).first().click();
  await credentials(page).first().waitFor();
  await page.getByRole('button', { name: 'More credentials' }).click();
  await credentials(page).nth(1).waitFor();
  const sent = asked.filter((r) => r.method() !== 'OPTIONS');
  assert.deepEqual(sent.map(operation), ['AppQuery', 'PeoplePageQuery', 'PersonQuery', 'CredentialsPageQuery']);
  assert.ok(sent.every((r) => r.method() === 'GET' && !new URL(r.url()).searchParams.has('query')));
});

test('page after page is one list, until all are there', async (t) => {
  const { page } = await open(t, browser, url, { api });
  await people(page).nth(9).waitFor();
  const more = page.getByRole('button', { name: 'More people' });
  for (let seen = await people(page).count(); (await more.count()) > 0; seen = await people(page).count()) {
    await more.click();
    await page.waitForFunction((n) => document.querySelectorAll('.person').length > n || !document.querySelector('main > button'), seen);
  }
  const total = await people(page).count();
  assert.ok(total > 60, `${total} people`);
});

test('the people of an organisation are a list of their own', async (t) => {
  const { page, asked } = await open(t, browser, url, { api });
  await people(page).nth(9).waitFor();
  const first = await people(page).first().innerText();
  const organisation = page.getByRole('combobox', { name: 'Organisation' });
  await organisation.selectOption({ label: 'Kraków Retail' });
  await people(page).nth(4).waitFor({ state: 'detached' });
  assert.equal(await people(page).count(), 4);
  assert.deepEqual(asked.filter((r) => r.method() !== 'OPTIONS').map(operation), ['AppQuery', 'PeoplePageQuery']);
  await organisation.selectOption({ label: 'All organisations' });
  await people(page).nth(9).waitFor();
  assert.equal(await people(page).first().innerText(), first);
});

async function save(page, name) {
  await page.getByRole('textbox', { name: 'Name' }).fill(name);
  await page.getByRole('button', { name: 'Save' }).click();
}

test('a new name is shown at once, and stays', async (t) => {
  const { page } = await open(t, browser, url, { api });
  const department = await people(page).nth(2).locator('.detail').innerText();
  await people(page).nth(2).click();
  let go;
  const released = new Promise((resolve) => (go = resolve));
  const sent = new Promise((resolve) => {
    void page.route(api, async (route) => {
      if (route.request().method() === 'POST') {
        resolve();
        await released;
      }
      await route.continue();
    });
  });
  await save(page, 'Katherine Johnson');
  await named(page, 'Katherine Johnson').waitFor();
  await sent;
  const saved = page.waitForResponse((answer) => answer.request().method() === 'POST');
  go();
  assert.equal(operation((await saved).request()), 'RenameMutation');
  await page.reload();
  await named(page, 'Katherine Johnson').waitFor();
  assert.equal(await people(page).nth(2).locator('.detail').innerText(), department, 'other metadata stays');
});

test('where the server refuses a name, the old one is back with the reason', async (t) => {
  const { page } = await open(t, browser, url, { api });
  await people(page).nth(3).click();
  const name = await people(page).nth(3).locator('.name').innerText();
  await page.route(api, async (route) => {
    const body = route.request().method() === 'POST' && route.request().postDataJSON();
    // As if this person had been deleted meanwhile: no document of this page deletes anyone.
    if (body) body.variables.input.by = { sourceId: 'nobody' };
    await route.continue(body ? { postData: JSON.stringify(body) } : {});
  });
  await save(page, 'Katherine Johnson');
  await page.getByRole('alert').getByText('This person no longer exists.').waitFor();
  await named(page, name).waitFor();
  assert.equal(await named(page, 'Katherine Johnson').count(), 1, 'that of the test before');
});

test('a part that fails can be read again, and the rest stays', async (t) => {
  const { page } = await open(t, browser, url, { api });
  await people(page).nth(9).waitFor();
  // The answer of a server whose backend of credentials fails.
  await page.route(`${api}?*`, async (route) => {
    if (operation(route.request()) !== 'PersonQuery') return route.continue();
    const { user } = await ask('PersonQuery', JSON.parse(new URL(route.request().url()).searchParams.get('variables')));
    const error = { message: 'mattr did not answer', path: ['user', 'credentials'], extensions: { code: 'UPSTREAM_UNAVAILABLE' } };
    await route.fulfill({ json: { data: { user: { ...user, credentials: null } }, errors: [error] }, headers: { 'Access-Control-Allow-Origin': '*' } });
  });
  await people(page).first().click();
  await page.getByRole('alert').getByText('This part cannot be read at the moment.').waitFor();
  assert.equal(await people(page).count(), 10);
  await picture(page, 'relay-failed');
  await page.unroute(`${api}?*`);
  await page.getByRole('button', { name: 'Try again' }).click();
  await credentials(page).first().waitFor();
});
