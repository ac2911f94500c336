// Builds the flavors of the schema that are for clients and other compositions with strict readers, and has Relay's compiler
// write types from the one that tells what is null beside an error alone. Run as: node flavors.mjs FOLDER
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as graphql16 from 'graphql';
import * as graphql17 from 'graphql17';
import relay from 'relay-compiler';

const [, , folder] = process.argv;
const flavor = (name) => readFileSync(join(folder, `${name}.graphqls`), 'utf8');
const results = [];

function check(name, run) {
  try {
    results.push({ name, problem: run() ?? null });
  } catch (e) {
    results.push({ name, problem: String(e.stack ?? e) });
  }
}

for (const graphql of [graphql16, graphql17]) {
  // A subgraph has directives that its composition defines.
  for (const name of ['federation', 'federation-2.9', 'federation-open']) {
    check(`graphql-js ${graphql.version}: ${name}`, () => void graphql.parse(flavor(name)));
  }
  for (const name of ['plain', 'composite', 'semantic-nullability', 'cache-control']) {
    check(`graphql-js ${graphql.version}: ${name}`, () => {
      const errors = graphql.validateSchema(graphql.buildSchema(flavor(name)));
      return errors.length > 0 ? errors.join('\n') : null;
    });
  }
}

check('relay-compiler: semantic-nullability', () => {
  const dir = mkdtempSync(join(tmpdir(), 'relay-'));
  mkdirSync(join(dir, 'src'));
  writeFileSync(join(dir, 'schema.graphql'), flavor('semantic-nullability'));
  writeFileSync(join(dir, 'src', 'q.ts'), 'graphql`query qQuery @throwOnFieldError { clients(first: 1) { nodes { name } } }`;\n');
  const config = { src: './src', schema: './schema.graphql', language: 'typescript', noSourceControl: true };
  writeFileSync(join(dir, 'relay.config.json'), JSON.stringify(config));
  execFileSync(relay, ['relay.config.json'], { cwd: dir, stdio: 'pipe' });
  const types = readFileSync(join(dir, 'src', '__generated__', 'qQuery.graphql.ts'), 'utf8');
  return types.includes('readonly clients: {') && types.includes('readonly name: string | null | undefined') ? null : types;
});

process.stdout.write(JSON.stringify(results));
