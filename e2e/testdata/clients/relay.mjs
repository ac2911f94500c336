// Compiles operations with @defer and @stream with Relay's compiler, has Relay's runtime ask the program with the fetch function of the
// example, and prints for each a finding: what is wrong, or null. node relay.mjs URL SCHEMA.graphqls
import {execFileSync} from 'node:child_process';
import {copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import relay from 'relay-compiler';
import runtime from 'relay-runtime';
import {accept, answers} from '../../../examples/relay/src/parts.mjs';

const {Environment, Network, Observable, RecordSource, Store, createOperationDescriptor, getRequest} = runtime;
const [, , url, schema] = process.argv;
const here = dirname(fileURLToPath(import.meta.url));
const findings = [];

const documents = {
  defer: 'graphql`query operationsDeferQuery { clients(first: 2) { nodes { id name ...operations_users @defer(label: "users") } } }`;',
  users: 'graphql`fragment operations_users on Client { users { nodes { id name } } }`;',
  both: 'graphql`query operationsBothQuery { clients(first: 2) { nodes { ...operations_users @defer(label: "a") ...operations_embed @defer(label: "b") } } }`;',
  embed: 'graphql`fragment operations_embed on Client { embed { id userCount } }`;',
  stream: 'graphql`query operationsStreamQuery { clients(first: 3) { nodes @stream(label: "nodes", initialCount: 1) { id users { nodes { id name } } } } }`;',
};

const compile = () => {
  const dir = mkdtempSync(join(tmpdir(), 'relay-'));
  mkdirSync(join(dir, 'src'));
  copyFileSync(schema, join(dir, 'schema.graphql'));
  writeFileSync(join(dir, 'package.json'), '{"type": "module"}');
  symlinkSync(join(here, 'node_modules'), join(dir, 'node_modules'));
  writeFileSync(join(dir, 'src', 'operations.js'), Object.values(documents).join('\n'));
  const config = {src: './src', schema: './schema.graphql', language: 'javascript', eagerEsModules: true, noSourceControl: true};
  writeFileSync(join(dir, 'relay.config.json'), JSON.stringify(config));
  execFileSync(relay, ['relay.config.json'], {cwd: dir, stdio: 'pipe'});
  return dir;
};

const dir = compile();
const artifact = async (name) => (await import(pathToFileURL(join(dir, 'src', '__generated__', `${name}.graphql.js`)))).default;

/** How many records of a type the store had after each answer. */
const counts = async (name, typename) => {
  const network = Network.create((request, variables) =>
    Observable.create((sink) => {
      (async () => {
        const body = JSON.stringify({query: request.text, variables});
        const response = await fetch(url, {method: 'POST', headers: {'Content-Type': 'application/json', Accept: accept}, body});
        if (!response.headers.get('Content-Type').startsWith('multipart/mixed')) throw new Error('the answer is whole');
        for await (const answer of answers(response)) sink.next(answer);
        sink.complete();
      })().catch((e) => sink.error(e));
    }));
  const environment = new Environment({network, store: new Store(new RecordSource())});
  const operation = createOperationDescriptor(getRequest(await artifact(name)), {});
  const steps = [];
  await new Promise((resolve, reject) => {
    environment.execute({operation}).subscribe({
      next: () => steps.push(Object.values(environment.getStore().getSource().toJSON()).filter((r) => r.__typename === typename).length),
      error: reject,
      complete: resolve,
    });
  });
  const {data, isMissingData} = environment.lookup(operation.fragment);
  return {steps, data, isMissingData};
};

const check = async (name, run) => {
  try {
    findings.push({Name: name, Problem: (await run()) ?? null});
  } catch (e) {
    findings.push({Name: name, Problem: String(e.stack ?? e)});
  }
};

const warnings = [];
console.error = (...args) => warnings.push(args.join(' '));

for (const [name, typename, first, last] of [
  ['operationsDeferQuery', 'User', 0, 2],
  ['operationsBothQuery', 'EmbedClient', 0, 2],
  ['operationsStreamQuery', 'Client', 1, 3],
]) {
  await check(name, async () => {
    const {steps, data, isMissingData} = await counts(name, typename);
    if (steps[0] !== first || steps.at(-1) !== last) return `the store had ${steps} of ${typename}, want ${first} and at last ${last}`;
    if (isMissingData) return `data is missing in ${JSON.stringify(data)}`;
    return null;
  });
}
await check('warnings', () => warnings.join('\n') || null);
rmSync(dir, {recursive: true});
process.stdout.write(JSON.stringify(findings));
process.exit(0);
