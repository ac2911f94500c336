// Writes the licences of every package that the page is built from: node licenses.mjs ROOT OUT
// ROOT holds package-lock.json and node_modules. A text shared by several packages is written once.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [root, out] = process.argv.slice(2);
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
const isLicence = /^(licen[cs]e|copying|notice|third-?party-?notices)(\.(md|txt|mit|bsd))?$/i;

const owners = new Map();
const add = (text, owner) => owners.set(text, [...(owners.get(text) ?? []), owner]);
// The bundler leaves a few lines of its own in what it writes.
const bundler = ['node_modules/rolldown', 'node_modules/vite'];
const shipped = (path) => path !== '' && !packages[path].optional && (!packages[path].dev || bundler.includes(path));
for (const path of Object.keys(packages).filter(shipped).sort()) {
  const dir = join(root, path);
  const { name, version, license } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
  const files = readdirSync(dir).filter((file) => isLicence.test(file)).sort();
  for (const file of files) {
    const text = readFileSync(join(dir, file), 'utf8').replace(/\r\n?/g, '\n');
    // What follows there is about code of the build tool that is in no page.
    add(text.split('\n# Licenses of bundled dependencies')[0].trim(), `${name} ${version}`);
  }
  if (files.length === 0) add(`The package declares the licence ${license} and brings no text of it.`, `${name} ${version}`);
}
const line = '-'.repeat(80);
const parts = [...owners].map(([text, names]) => `${names.join('\n')}\n\n${text}\n`);
writeFileSync(out, `What the explorer page is built from, and under which licences.\n\n${line}\n${parts.join(`\n${line}\n`)}`);
