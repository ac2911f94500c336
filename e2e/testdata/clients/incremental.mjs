// Reads an operation with @defer from the program with real clients, and prints for each a finding: what is wrong, or null.
// node incremental.mjs URL
import {ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql} from '@apollo/client';
import {Defer20220824Handler, GraphQL17Alpha9Handler} from '@apollo/client/incremental';
import {Client, fetchExchange} from '@urql/core';

const url = process.argv[2];
const text = `query Q { clients(first: 2) { nodes { id name ... @defer(label: "users") { users { nodes { id name } } } } } }`;
const users = (data) => (data?.clients?.nodes ?? []).map((n) => n.users?.nodes?.length);
const findings = [];

const problem = (steps) => {
  if (steps.length < 2) return `got ${steps.length} results, want the first part and the rest`;
  if (users(steps[0]).some((n) => n !== undefined)) return `the first result has users: ${JSON.stringify(steps[0])}`;
  if (!users(steps.at(-1)).every((n) => n > 0)) return `the last result lacks users: ${JSON.stringify(steps.at(-1))}`;
  return null;
};

const apollo = async (name, handler) => {
  const client = new ApolloClient({
    link: ApolloLink.from([new HttpLink({uri: url})]), cache: new InMemoryCache(), incrementalHandler: new handler(),
  });
  const steps = [];
  await new Promise((resolve, reject) => {
    client.watchQuery({query: gql(text), fetchPolicy: 'no-cache'}).subscribe({
      next: (r) => {
        if (r.error) reject(r.error);
        if (r.data) steps.push(structuredClone(r.data));
        if (!r.loading && r.dataState === 'complete') resolve();
      },
      error: reject,
    });
  });
  findings.push({Name: name, Problem: problem(steps)});
};

const urql = async () => {
  const client = new Client({url, exchanges: [fetchExchange], preferGetMethod: false});
  const steps = [];
  await new Promise((resolve) => {
    client.query(text, {}).subscribe((r) => {
      if (r.data) steps.push(structuredClone(r.data));
      if (!r.hasNext) resolve();
    });
  });
  findings.push({Name: '@urql/core', Problem: problem(steps)});
};

for (const [name, run] of [
  ['Apollo Client, v0.2', () => apollo('Apollo Client, v0.2', GraphQL17Alpha9Handler)],
  ['Apollo Client, v0.1', () => apollo('Apollo Client, v0.1', Defer20220824Handler)],
  ['@urql/core', urql],
]) {
  try {
    await run();
  } catch (e) {
    findings.push({Name: name, Problem: String(e)});
  }
}
process.stdout.write(JSON.stringify(findings));
process.exit(0);
