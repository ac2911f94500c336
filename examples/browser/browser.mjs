// Opens pages of the examples in Chromium, works them as a person would, and watches for what a page must not do: complain, or
// ask another host for anything.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome'];
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

export const desktop = { width: 1280, height: 800 };
export const phone = { width: 390, height: 844 };

/** Starts the one browser of a test file, closed after its tests. */
export async function launch(after) {
  const executablePath = process.env.CHROMIUM ?? names.map(find).find(Boolean);
  assert.ok(executablePath, `none of ${names.join(', ')} is on the PATH`);
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'], timeout: 120_000 });
  after(() => browser.close());
  return browser;
}

function find(name) {
  try {
    return execFileSync('sh', ['-c', 'command -v "$1"', 'sh', name], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

/** Serves a folder of built files on a free port of this machine. */
export async function serve(folder, after) {
  const server = createServer(async (req, res) => {
    const path = new URL(req.url, 'http://localhost').pathname;
    const file = join(folder, path === '/' ? 'index.html' : path);
    try {
      const content = await readFile(file);
      res.writeHead(200, { 'Content-Type': types[extname(file)] ?? 'application/octet-stream' }).end(content);
    } catch {
      res.writeHead(404).end();
    }
  });
  return listen(server, after);
}

async function listen(server, after) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** Opens a page in a window of its own. asked collects what it sends to the API. */
export async function open(t, browser, url, { size = desktop, scheme = 'light', api }) {
  const context = await browser.newContext({ viewport: size, colorScheme: scheme, isMobile: size.width < 500, hasTouch: size.width < 500 });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const trouble = [];
  const asked = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && trouble.push(message.text()));
  page.on('pageerror', (error) => trouble.push(String(error)));
  page.on('request', (r) => {
    if (!/^(http:\/\/127\.0\.0\.1:|data:)/.test(r.url())) trouble.push(`a request to ${r.url()}`);
    if (r.url().startsWith(api)) asked.push(r);
  });
  t.after(() => assert.deepEqual(trouble, []));
  await page.goto(url);
  return { page, asked };
}

/** Keeps a picture of the page for people, and fails where something is wider than the window. */
export async function picture(page, name) {
  const wide = await page.evaluate(() => {
    const width = document.scrollingElement.clientWidth;
    return [...document.querySelectorAll('body *')]
      .filter((e) => { const r = e.getBoundingClientRect(); return r.width && (r.left < -0.5 || r.right > width + 0.5); })
      .map((e) => `${e.tagName}.${e.className}`);
  });
  const folder = fileURLToPath(new URL('../screenshots', import.meta.url));
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' });
  assert.deepEqual(wide, [], `${name}: wider than the window`);
}

/**
 * Puts a proxy between a page and the API that keeps back all but the first part of an answer in parts, until release is
 * called: a backend that takes its time.
 */
export async function holdParts(t, page, api) {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const proxy = createServer((req, res) => {
    const target = new URL(req.url, api);
    const headers = { ...req.headers, host: target.host, 'accept-encoding': 'identity' };
    const out = request(target, { method: req.method, headers }, (answer) => void pass(answer, res, released));
    req.pipe(out);
  });
  const address = await listen(proxy, (f) => t.after(f));
  await page.route(`${api}*`, (route) => {
    const url = new URL(route.request().url());
    return route.continue({ url: address + url.pathname + url.search });
  });
  return release;
}

async function pass(answer, res, released) {
  const body = Buffer.concat(await answer.toArray());
  const { 'content-length': _, 'transfer-encoding': __, ...headers } = answer.headers;
  res.writeHead(answer.statusCode, headers);
  const boundary = /^multipart\/mixed.*boundary="?([^";]+)/.exec(headers['content-type'] ?? '')?.[1];
  if (!boundary) return res.end(body);
  const delimiter = `--${boundary}`;
  const end = body.indexOf(`\r\n${delimiter}`, body.indexOf(delimiter) + delimiter.length) + 2 + delimiter.length;
  res.write(body.subarray(0, end));
  await released;
  res.end(body.subarray(end));
}
