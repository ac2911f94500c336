// Works the built page in Chromium against a server that was started with -demo: examples/run starts one.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { desktop, launch, open, phone, picture, serve } from '../../browser/browser.mjs';

const api = process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql';
const browser = await launch(after);
const url = await serve(fileURLToPath(new URL('../build', import.meta.url)), after);

const rows = (page) => page.locator('li:not(.skeleton)');
const plan = (page, name) => page.getByRole('combobox', { name: `Plan of ${name}` });
const more = (page) => page.getByRole('button', { name: 'More' });

for (const [device, size] of Object.entries({ desktop, phone })) {
  for (const scheme of ['light', 'dark']) {
    test(`it looks right on a ${device} in ${scheme}`, async (t) => {
      const { page } = await open(t, browser, url, { size, scheme, api });
      await rows(page).nth(7).waitFor();
      await picture(page, `urql-${device}-${scheme}`);
    });
  }
}

test('page after page is one list, until all are there', async (t) => {
  const { page } = await open(t, browser, url, { api });
  for (const seen of [8, 16]) {
    await rows(page).nth(seen - 1).waitFor();
    await more(page).click();
  }
  await rows(page).nth(22).waitFor();
  assert.equal(new Set(await rows(page).allInnerTexts()).size, 23);
  assert.equal(await more(page).count(), 0);
});

test('queries go by GET with the hash of their document', async (t) => {
  const { page, asked } = await open(t, browser, url, { api });
  await rows(page).nth(7).waitFor();
  await page.reload();
  await rows(page).nth(7).waitFor();
  const last = asked.filter((r) => r.method() !== 'OPTIONS').at(-1);
  const search = new URL(last.url()).searchParams;
  assert.equal(last.method(), 'GET');
  assert.match(search.get('extensions'), /"sha256Hash":"[0-9a-f]{64}"/);
  assert.ok(!search.get('query'));
});

test('another plan is shown at once, and stays with all other metadata', async (t) => {
  const { page } = await open(t, browser, url, { api });
  await rows(page).nth(7).waitFor();
  let go;
  const released = new Promise((resolve) => (go = resolve));
  const sent = new Promise((resolve) => {
    void page.route(api, async (route) => {
      if (route.request().method() === 'POST') {
        resolve(route.request().postDataJSON().variables.input);
        await released;
      }
      await route.continue();
    });
  });
  await plan(page, 'Málaga Academy').selectOption('campus');
  const { metadata } = await sent;
  assert.ok(metadata.accountManager && metadata.locale, 'all metadata is sent');
  const saved = page.waitForResponse(async (answer) => answer.request().method() === 'POST' && Boolean((await answer.json()).data));
  assert.equal(await plan(page, 'Málaga Academy').inputValue(), 'campus');
  go();
  const { data } = await (await saved).json();
  assert.deepEqual(data.updateEmbedClient.embedClient.metadata, metadata);
  await page.reload();
  await rows(page).nth(7).waitFor();
  assert.equal(await plan(page, 'Málaga Academy').inputValue(), 'campus');
});

test('where the server refuses a plan, the old one is back with the reason', async (t) => {
  const { page } = await open(t, browser, url, { api });
  await rows(page).nth(7).waitFor();
  const before = await plan(page, 'Kingsmead Energy').inputValue();
  await page.route(api, async (route) => {
    const body = route.request().method() === 'POST' && route.request().postDataJSON();
    // As if this organisation had been deleted meanwhile.
    if (body?.variables?.input) body.variables.input.by = { sourceId: 'nobody' };
    await route.continue(body ? { postData: JSON.stringify(body) } : {});
  });
  await plan(page, 'Kingsmead Energy').selectOption(before === 'campus' ? 'pilot' : 'campus');
  await page.getByRole('alert').getByText('This organisation no longer exists.').waitFor();
  assert.equal(await plan(page, 'Kingsmead Energy').inputValue(), before);
  await picture(page, 'urql-refused');
});

test('what a failed backend nulls is missing alone, and can be read again', async (t) => {
  const { page } = await open(t, browser, url, { api });
  await rows(page).nth(7).waitFor();
  // The answer of a server whose backend of seats fails at one organisation.
  await page.route(`${api}?*`, async (route) => {
    const answer = await route.fetch();
    const body = await answer.json();
    if (body.data) {
      body.data.embedClients.edges[0].node.client = null;
      body.errors = [{ message: 'thoughtindustries did not answer', path: ['embedClients', 'edges', 0, 'node', 'client'], extensions: { code: 'UPSTREAM_UNAVAILABLE' } }];
    }
    await route.fulfill({ response: answer, json: body });
  });
  await page.reload();
  await page.getByRole('alert').getByText('Not everything can be read at the moment.').waitFor();
  assert.equal(await rows(page).count(), 8);
  assert.match(await rows(page).first().innerText(), /Unnamed/);
  await picture(page, 'urql-failed');
  await page.unroute(`${api}?*`);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByText('Unnamed').waitFor({ state: 'detached' });
  assert.equal(await page.getByRole('alert').count(), 0);
});
