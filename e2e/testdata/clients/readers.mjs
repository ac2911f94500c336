// Builds the schema with strict readers from introspection and from text, and prints where they refuse it or where the two
// are not the same. Run as: node readers.mjs INTROSPECTION.json SCHEMA.graphqls
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeExecutableSchema } from '@graphql-tools/schema';
import * as graphql16 from 'graphql';
import * as graphql17 from 'graphql17';
import relay from 'relay-compiler';

const [, , source, text] = process.argv;
const introspection = JSON.parse(readFileSync(source, 'utf8'));
const sdl = readFileSync(text, 'utf8');
const results = [];

function check(name, run) {
  try {
    results.push({ name, problem: run() ?? null });
  } catch (e) {
    results.push({ name, problem: String(e.stack ?? e) });
  }
}

/** The first line in which two texts differ. */
function difference(a, b) {
  const [left, right] = [a.split('\n'), b.split('\n')];
  const at = left.findIndex((line, i) => line !== right[i]);
  return at < 0 && left.length === right.length ? null : `line ${at}: ${left[at]} / ${right[at]}`;
}

for (const graphql of [graphql16, graphql17]) {
  const printed = (schema) => graphql.printSchema(graphql.lexicographicSortSchema(schema));
  const name = `graphql-js ${graphql.version}`;
  check(`${name}: introspection and text`, () => {
    const announced = graphql.buildClientSchema(introspection);
    const served = graphql.buildSchema(sdl);
    const errors = [...graphql.validateSchema(announced), ...graphql.validateSchema(served)];
    return errors.length > 0 ? errors.join('\n') : difference(printed(announced), printed(served));
  });
  check(`${name}: directives`, () => {
    const names = (schema) =>
      schema
        .getDirectives()
        .filter((d) => !graphql.isSpecifiedDirective(d))
        .map((d) => `@${d.name}(${d.args.map((a) => `${a.name}: ${a.type}`)}) ${d.isRepeatable} ${[...d.locations].sort()}`)
        .sort()
        .join('\n');
    return difference(names(graphql.buildClientSchema(introspection)), names(graphql.buildSchema(sdl)));
  });
  check(`${name}: names of introspection`, () => {
    const specified = [...graphql.introspectionTypes].map((t) => t.name);
    const announced = introspection.__schema.types.map((t) => t.name).filter((n) => n.startsWith('__'));
    const unknown = announced.filter((n) => !specified.includes(n));
    return unknown.length > 0 ? `unknown: ${unknown}` : null;
  });
}

check('@graphql-tools/schema: text', () => {
  const schema = makeExecutableSchema({ typeDefs: sdl, assumeValid: false, assumeValidSDL: false });
  const printed = (s) => graphql16.printSchema(graphql16.lexicographicSortSchema(s));
  return difference(printed(graphql16.buildClientSchema(introspection)), printed(schema));
});

// A directive that Federation defines itself must not be ours.
check('Federation: names of directives', () => {
  const federation = ['key', 'requires', 'provides', 'external', 'shareable', 'extends', 'override', 'inaccessible', 'tag', 'link',
    'composeDirective', 'interfaceObject', 'authenticated', 'requiresScopes', 'policy', 'context', 'fromContext'];
  const ours = introspection.__schema.directives.map((d) => d.name).filter((n) => federation.includes(n));
  return ours.length > 0 ? `taken: ${ours}` : null;
});

for (const [name, schema] of [
  ['text', sdl],
  ['introspection', graphql16.printSchema(graphql16.buildClientSchema(introspection))],
]) {
  check(`relay-compiler: ${name}`, () => {
    const dir = mkdtempSync(join(tmpdir(), 'relay-'));
    mkdirSync(join(dir, 'src'));
    writeFileSync(join(dir, 'schema.graphql'), schema);
    writeFileSync(join(dir, 'src', 'q.js'), 'graphql`query qQuery { clients(first: 1) { nodes { id name } } }`;\n');
    writeFileSync(join(dir, 'relay.config.json'), JSON.stringify({ src: './src', schema: './schema.graphql', language: 'javascript', eagerEsModules: true }));
    execFileSync(relay, ['relay.config.json'], { cwd: dir, stdio: 'pipe' });
    readFileSync(join(dir, 'src', '__generated__', 'qQuery.graphql.js'));
  });
}

process.stdout.write(JSON.stringify(results));
