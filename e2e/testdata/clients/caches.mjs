// Asks the program random questions, writes the answers into the caches of Apollo Client, urql and Relay one after the other,
// and reads all of them back: where a cache now shows another value than the program answered, one object has two contents.
// Run as: node caches.mjs GRAPHQL_URL SCHEMA.graphqls SEED
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InMemoryCache } from '@apollo/client';
import { Client, createRequest, formatDocument, makeResult } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { buildSchema, getNamedType, isCompositeType, isLeafType, isObjectType, parse, print } from 'graphql';
import relayCompiler from 'relay-compiler';
import relay from 'relay-runtime';
import { filter, map, pipe } from 'wonka';

const [, , url, schemaFile, seed] = process.argv;
const sdl = readFileSync(schemaFile, 'utf8');
const schema = buildSchema(sdl);
const nodeTypes = schema.getPossibleTypes(schema.getType('Node')).map((t) => t.name);
const questions = 80;

let state = Number(seed);
function random(n) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
}
const pick = (list) => list[random(list.length)];
function some(list, n) {
  const rest = [...list];
  const chosen = [];
  while (chosen.length < n && rest.length > 0) chosen.push(...rest.splice(random(rest.length), 1));
  return chosen;
}

async function ask(query) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = await answer.json();
  if (errors) throw new Error(`${query}: ${JSON.stringify(errors).slice(0, 500)}`);
  return data;
}

const known = await ask(`{
  clients(first: 4) { nodes { id sourceId slug } }
  users(first: 4) { nodes { id sourceId credentials(first: 2) { nodes { id } } } }
  identities(first: 4) { nodes { id sourceId } }
  embedClients(first: 4) { nodes { id sourceId } }
}`);
const ids = {
  Client: known.clients.nodes.map((n) => n.id),
  User: known.users.nodes.map((n) => n.id),
  Identity: known.identities.nodes.map((n) => n.id),
  EmbedClient: known.embedClients.nodes.map((n) => n.id),
  Credential: known.users.nodes.flatMap((n) => n.credentials?.nodes.map((c) => c.id) ?? []),
};

function args(field, type) {
  const list = [];
  for (const a of field.args) {
    if (a.name === 'first') list.push(`first: ${pick([2, 4])}`);
    if (a.name === 'by') list.push(`by: { id: ${JSON.stringify(pick(ids[type.name]))} }`);
    if (a.name === 'status' && random(4) === 0) list.push('status: [published]');
  }
  return list.length > 0 ? `(${list.join(', ')})` : '';
}

function selection(type, depth) {
  const fields = Object.values(type.getFields());
  const leaves = some(fields.filter((f) => isLeafType(getNamedType(f.type))), 5);
  const deeper = fields.filter((f) => isObjectType(getNamedType(f.type)));
  const wide = ['nodes', 'edges', 'node'];
  const objects = depth > 0 ? [...deeper.filter((f) => wide.includes(f.name)).slice(0, 1 + random(2)), ...some(deeper.filter((f) => !wide.includes(f.name)), 2)] : [];
  const parts = leaves.map((f) => f.name);
  for (const f of objects) {
    const target = getNamedType(f.type);
    parts.push(`${f.name}${args(f, target)} ${selection(target, depth - (wide.includes(f.name) ? 0 : 1))}`);
  }
  return `{ ${nodeTypes.includes(type.name) ? 'id ' : ''}${parts.length > 0 ? parts.join(' ') : '__typename'} }`;
}

function question() {
  if (random(4) === 0) {
    const type = pick(nodeTypes);
    return `node(id: ${JSON.stringify(pick(ids[type]))}) { __typename id ... on ${type} ${selection(schema.getType(type), 2)} }`;
  }
  const root = pick(Object.values(schema.getQueryType().getFields()).filter((f) => isObjectType(getNamedType(f.type))));
  const type = getNamedType(root.type);
  return `${root.name}${args(root, type)} ${selection(type, 2)}`;
}

const queries = Array.from({ length: questions }, (_, i) => `query q${i}Query { ${question()} }`);

/** Where what a cache shows is not what was answered; what it does not show it asks for again. */
function changed(answered, shown, path, seen) {
  if (shown === undefined) return null;
  if (Array.isArray(answered) && Array.isArray(shown)) {
    if (answered.length !== shown.length) return `${path}: ${answered.length} elements were answered, ${shown.length} are shown`;
    for (let i = 0; i < answered.length; i++) {
      const problem = changed(answered[i], shown[i], `${path}.${i}`, seen);
      if (problem) return problem;
    }
    return null;
  }
  if (answered && shown && typeof answered === 'object' && typeof shown === 'object' && !isJSON(path)) {
    for (const [name, value] of Object.entries(answered)) {
      const problem = changed(value, shown[name], `${path}.${name}`, seen);
      if (problem) return problem;
    }
    return null;
  }
  seen.leaves++;
  const [a, b] = [JSON.stringify(answered), JSON.stringify(shown)];
  return a === b ? null : `${path}: ${a.slice(0, 200)} was answered, ${b.slice(0, 200)} is shown`;
}
const free = new Set(Object.values(schema.getTypeMap()).flatMap((t) => isObjectType(t) ? Object.values(t.getFields()).filter((f) => getNamedType(f.type).name === 'JSON').map((f) => f.name) : []));
const isJSON = (path) => free.has(path.slice(path.lastIndexOf('.') + 1));

const findings = [];
/** Writes all answers in an order, and reads them back. */
function tried(name, cache, operations) {
  const seen = { leaves: 0, whole: 0 };
  for (const o of operations) cache.write(o);
  let problem = null;
  for (const o of operations) {
    const shown = cache.read(o);
    if (shown && JSON.stringify(shown).length > 2) seen.whole++;
    problem ??= changed(o.data, shown ?? undefined, o.name, seen);
    if (problem) break;
  }
  if (!problem && (seen.leaves < 500 || seen.whole < operations.length / 2)) problem = `the cache shows too little: ${JSON.stringify(seen)}`;
  findings.push({ name, problem });
}

const orders = [
  ['in order', (list) => list],
  ['in reverse', (list) => [...list].reverse()],
];

// Apollo Client
const possibleTypes = { Node: nodeTypes };
const apollo = [];
for (const [i, text] of queries.entries()) {
  const query = new InMemoryCache({ possibleTypes }).transformDocument(parse(text));
  apollo.push({ name: `q${i}`, query, data: await ask(print(query)) });
}
for (const [order, sorted] of orders) {
  const cache = new InMemoryCache({ possibleTypes });
  tried(`Apollo Client ${order}`, {
    write: (o) => cache.writeQuery({ query: o.query, data: o.data }),
    read: (o) => cache.diff({ query: o.query, optimistic: false, returnPartialData: true }).result,
  }, sorted(apollo));
}

// urql's graphcache
const keys = Object.fromEntries(Object.values(schema.getTypeMap()).filter((t) => isCompositeType(t) && !nodeTypes.includes(t.name)).map((t) => [t.name, () => null]));
const urql = [];
for (const [i, text] of queries.entries()) {
  const request = createRequest(text, {});
  urql.push({ name: `q${i}`, request, data: await ask(print(formatDocument(request.query))) });
}
for (const [order, sorted] of orders) {
  const answers = new Map(urql.map((o) => [o.request.key, o.data]));
  const client = new Client({
    url,
    exchanges: [
      cacheExchange({ keys }),
      () => (operations) => pipe(
        operations,
        filter((o) => o.kind === 'query'),
        map((o) => makeResult(o, { data: structuredClone(answers.get(o.key)) })),
      ),
    ],
  });
  const run = (o, requestPolicy) => {
    let result;
    client.executeQuery(o.request, { requestPolicy }).subscribe((r) => (result = r)).unsubscribe();
    return result?.data;
  };
  tried(`urql's graphcache ${order}`, { write: (o) => run(o, 'network-only'), read: (o) => run(o, 'cache-only') }, sorted(urql));
}

// Relay
const dir = mkdtempSync(join(tmpdir(), 'relay-'));
try {
  mkdirSync(join(dir, 'src'));
  writeFileSync(join(dir, 'schema.graphql'), sdl);
  for (const [i, text] of queries.entries()) writeFileSync(join(dir, 'src', `q${i}.js`), `graphql\`${text}\`;\n`);
  writeFileSync(join(dir, 'relay.config.json'), JSON.stringify({ src: './src', schema: './schema.graphql', language: 'javascript', eagerEsModules: false }));
  execFileSync(relayCompiler, ['relay.config.json'], { cwd: dir, stdio: 'pipe' });
  const load = createRequire(join(dir, 'src', 'q.js'));
  const compiled = [];
  for (const i of queries.keys()) {
    const artifact = load(`./__generated__/q${i}Query.graphql.js`);
    compiled.push({ name: `q${i}`, operation: relay.createOperationDescriptor(artifact, {}), data: await ask(artifact.params.text) });
  }
  for (const [order, sorted] of orders) {
    const environment = new relay.Environment({
      network: relay.Network.create(() => { throw new Error('not asked'); }),
      store: new relay.Store(new relay.RecordSource()),
    });
    tried(`Relay ${order}`, {
      write: (o) => {
        environment.retain(o.operation);
        environment.commitPayload(o.operation, structuredClone(o.data));
      },
      read: (o) => environment.lookup(o.operation.fragment).data,
    }, sorted(compiled));
  }
} finally {
  rmSync(dir, { recursive: true });
}

process.stdout.write(JSON.stringify(findings));
