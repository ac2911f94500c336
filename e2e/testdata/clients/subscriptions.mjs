// Subscribes to the program with real clients, as they are, and prints for each a finding: what is wrong, or null.
// Run as: node --experimental-eventsource subscriptions.mjs MODE PROXY_URL SCHEMA.graphqls SOURCE_ID NAME
// MODE is changes (events, renames), bounds (a subscription that there is no room for), drain (PROXY_URL/drain has one replica
// shut down and another take over) or operations (queries and mutations of a client that takes event streams alone).
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-sse';
import relayCompiler from 'relay-compiler';
import relay from 'relay-runtime';

const [, , mode, base, schemaFile, sourceId, name] = process.argv;
const url = `${base}/graphql`;
const variables = { id: sourceId };
const text = 'subscription appSubscription($id: ID!) { user(by: { sourceId: $id }) { id name } }';

/** What a subscription gave, in order: a name, {error} or {end}. */
class Steps {
  #list = [];
  #waiting = [];
  add(step) {
    const next = this.#waiting.shift();
    if (next) next(step);
    else this.#list.push(step);
  }
  data(data) { this.add(data?.user?.name); }
  error(error) { this.add({ error: String(error?.message ?? error), text: JSON.stringify([error, error?.errors, error?.graphQLErrors, error?.extensions]) }); }
  end() { this.add({ end: true }); }
  next() {
    if (this.#list.length > 0) return Promise.resolve(this.#list.shift());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('nothing arrives')), 60_000);
      this.#waiting.push((step) => { clearTimeout(timer); resolve(step); });
    });
  }
}

// Each opens a subscription and returns a function that closes it.
const clients = {
  'graphql-sse': (steps) => {
    const client = createClient({ url });
    return client.subscribe({ query: text, variables }, {
      next: (r) => (r.errors ? steps.error(r) : steps.data(r.data)),
      error: (e) => steps.error(e),
      complete: () => steps.end(),
    });
  },
  'Apollo Client': (steps) => {
    const client = new ApolloClient({ link: new HttpLink({ uri: url }), cache: new InMemoryCache() });
    const s = client.subscribe({ query: gql(text), variables, fetchPolicy: 'no-cache' }).subscribe({
      next: (r) => (r.error ? steps.error(r.error) : steps.data(r.data)),
      error: (e) => steps.error(e),
      complete: () => steps.end(),
    });
    return () => s.unsubscribe();
  },
  '@urql/core by fetch': (steps) => {
    const client = new Client({ url, exchanges: [fetchExchange], fetchSubscriptions: true, preferGetMethod: false });
    const s = client.subscription(text, variables).subscribe((r) => (r.error ? steps.error(r.error) : steps.data(r.data)));
    return () => s.unsubscribe();
  },
  '@urql/core with graphql-sse': (steps) => {
    const sse = createClient({ url });
    const client = new Client({
      url,
      preferGetMethod: false,
      exchanges: [subscriptionExchange({
        forwardSubscription: ({ query, variables: v }) => ({ subscribe: (sink) => ({ unsubscribe: sse.subscribe({ query, variables: v }, sink) }) }),
      })],
    });
    const s = client.subscription(text, variables).subscribe((r) => (r.error ? steps.error(r.error) : steps.data(r.data)));
    return () => s.unsubscribe();
  },
  Relay: (steps) => {
    const sse = createClient({ url });
    const environment = new relay.Environment({
      network: relay.Network.create(
        () => { throw new Error('not asked'); },
        (operation, v) => relay.Observable.create((sink) => sse.subscribe({ operationName: operation.name, query: operation.text, variables: v }, sink)),
      ),
      store: new relay.Store(new relay.RecordSource()),
    });
    const s = relay.requestSubscription(environment, {
      subscription: artifact,
      variables,
      onNext: (data) => steps.data(data),
      onError: (e) => steps.error(e),
      onCompleted: () => steps.end(),
    });
    return () => s.dispose();
  },
  EventSource: (steps) => {
    const source = new EventSource(`${url}?${new URLSearchParams({ query: text, variables: JSON.stringify(variables) })}`);
    source.addEventListener('next', (e) => {
      const r = JSON.parse(e.data);
      if (r.errors) steps.error(r);
      else steps.data(r.data);
    });
    source.addEventListener('complete', () => {
      source.close();
      steps.end();
    });
    return () => source.close();
  },
};

let artifact;
function compile() {
  const dir = mkdtempSync(join(tmpdir(), 'relay-'));
  try {
    mkdirSync(join(dir, 'src'));
    writeFileSync(join(dir, 'schema.graphql'), readFileSync(schemaFile, 'utf8'));
    writeFileSync(join(dir, 'src', 'app.js'), `graphql\`${text}\`;\n`);
    writeFileSync(join(dir, 'relay.config.json'), JSON.stringify({ src: './src', schema: './schema.graphql', language: 'javascript', eagerEsModules: false }));
    execFileSync(relayCompiler, ['relay.config.json'], { cwd: dir, stdio: 'pipe' });
    artifact = createRequire(join(dir, 'src', 'q.js'))('./__generated__/appSubscription.graphql.js');
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function rename(to) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ query: 'mutation($id: ID!, $name: String!) { updateUser(input: {by: {sourceId: $id}, name: $name}) { user { name } } }', variables: { id: sourceId, name: to } }),
  });
  const { data } = await answer.json();
  if (data?.updateUser?.user?.name !== to) throw new Error('the mutation failed');
}

const want = (got, wanted) => (got === wanted ? null : `got ${JSON.stringify(got)}, want ${JSON.stringify(wanted)}`);

const modes = {
  // One after the other, as the mutations change what all of them see.
  async changes() {
    let now = name;
    for (const [client, open] of Object.entries(clients)) {
      await found(client, async (steps) => {
        let problem = want(await steps.next(), now);
        for (const change of ['once', 'twice']) {
          now = `${client} ${change}`;
          await rename(now);
          problem ??= want(await steps.next(), now);
        }
        return problem;
      }, open);
    }
  },
  // The caller may have one subscription, which this one is.
  async bounds() {
    const first = new Steps();
    const close = clients.EventSource(first);
    await first.next();
    for (const [client, open] of Object.entries(clients)) {
      await found(client, async (steps) => {
        const step = await steps.next();
        return step.text?.includes('LIMIT_EXCEEDED') || step.error?.includes('SUBSCRIPTIONS') ? null : `got ${JSON.stringify(step)}`;
      }, open);
    }
    close();
  },
  async operations() {
    const query = text.replace('subscription', 'query');
    const mutation = 'mutation($id: ID!) { updateUser(input: {by: {sourceId: $id}, name: "Renamed"}) { user { name } } }';
    const fault = query.replace('id name', 'nope');
    const sse = createClient({ url });
    const one = async (q) => {
      const steps = [];
      for await (const r of sse.iterate({ query: q, variables })) steps.push(r.errors?.[0].extensions.code ?? r.data.user?.name ?? r.data.updateUser.user.name);
      return steps.join();
    };
    const urql = new Client({ url, preferGetMethod: false, exchanges: [subscriptionExchange({
      enableAllOperations: true,
      forwardSubscription: ({ query: q, variables: v }) => ({ subscribe: (sink) => ({ unsubscribe: sse.subscribe({ query: q, variables: v }, sink) }) }),
    })] });
    for (const [client, run, wanted] of [
      ['graphql-sse query', () => one(query), name],
      ['graphql-sse query again', () => one(query), name],
      ['urql query by graphql-sse', async () => (await urql.query(query, variables).toPromise()).data?.user?.name, name],
      ['graphql-sse wrong query', () => one(fault), 'GRAPHQL_VALIDATION_FAILED'],
      ['graphql-sse mutation', () => one(mutation), 'Renamed'],
      ['graphql-sse query after a mutation', () => one(query), 'Renamed'],
    ]) {
      await found(client, async () => want(await run(), wanted), () => () => {});
    }
  },
  async drain() {
    const all = Object.entries(clients).map(([client, open]) => {
      const steps = new Steps();
      return { client, steps, close: open(steps) };
    });
    const begun = await Promise.all(all.map((c) => c.steps.next()));
    await fetch(`${base}/drain`, { method: 'POST' });
    await Promise.all(all.map(async ({ client, steps, close }, i) => {
      let problem = want(begun[i], name);
      try {
        problem ??= drained[client](await steps.next());
      } catch (e) {
        problem = String(e);
      }
      findings.push({ Name: client, Problem: problem });
      close();
    }));
  },
};

// What a client shows when its replica shuts down: most connect again by themselves, and get the answer now.
const again = (step) => want(step, name);
const drained = {
  'graphql-sse': again,
  '@urql/core with graphql-sse': again,
  Relay: again,
  EventSource: again,
  'Apollo Client': (step) => (step.text?.includes('retryAfter') ? null : `got ${JSON.stringify(step)}`),
  '@urql/core by fetch': again, // the last answer once more, as the end of its stream,
};

const findings = [];
async function found(client, run, open) {
  const steps = new Steps();
  const close = open(steps);
  let problem;
  try {
    problem = await run(steps);
  } catch (e) {
    problem = String(e);
  }
  findings.push({ Name: client, Problem: problem });
  close();
}

compile();
await modes[mode]();
process.stdout.write(JSON.stringify(findings));
process.exit(0);
