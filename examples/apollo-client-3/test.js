// What apollo-react asks for, asked by Apollo Client 3 from Node, against a server that was started with -demo: examples/run
// starts one.
const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const { test } = require('node:test');
const { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } = require('@apollo/client/core');
const { createPersistedQueryLink } = require('@apollo/client/link/persisted-queries');
const { relayStylePagination } = require('@apollo/client/utilities');

const uri = process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql';

function newClient() {
  const asked = [];
  const http = new HttpLink({
    uri,
    fetch: async (url, options) => {
      const answer = await fetch(url, options);
      asked.push({ url: new URL(url), method: options.method, type: answer.headers.get('Content-Type') });
      return answer;
    },
  });
  const sha256 = (text) => createHash('sha256').update(text).digest('hex');
  const cache = new InMemoryCache({
    possibleTypes: { Node: ['Client', 'Credential', 'EmbedClient', 'Identity', 'User'] },
    typePolicies: { Query: { fields: { clients: relayStylePagination(['query', 'sort']) } } },
  });
  const link = ApolloLink.from([createPersistedQueryLink({ sha256, useGETForHashedQueries: true }), http]);
  return { client: new ApolloClient({ link, cache }), asked };
}

const clients = gql`
  query Clients($first: Int!, $after: String, $query: String) {
    clients(first: $first, after: $after, query: $query) {
      totalCount
      pageInfo { hasNextPage endCursor }
      edges { cursor node { id name } }
    }
  }
`;

/** Resolves with all results of a query up to the one that condition accepts. */
function results(observable, condition) {
  const list = [];
  return new Promise((resolve, reject) => {
    const subscription = observable.subscribe({
      next(result) {
        list.push(structuredClone(result.data ?? null));
        if (condition(result)) resolve(list), setTimeout(() => subscription.unsubscribe());
      },
      error: reject,
    });
  });
}

test('pages are one list', async () => {
  const { client } = newClient();
  const list = client.watchQuery({ query: clients, variables: { first: 10 } });
  const whole = results(list, ({ data }) => data?.clients.edges.length === data?.clients.totalCount);
  let { data } = await client.query({ query: clients, variables: { first: 10 } });
  while (data.clients.pageInfo.hasNextPage) {
    ({ data } = await list.fetchMore({ variables: { after: data.clients.pageInfo.endCursor } }));
  }
  const ids = (await whole).at(-1).clients.edges.map(({ node }) => node.id);
  assert.equal(new Set(ids).size, 25);
});

test('queries go by GET with the hash of their document', async () => {
  const { client, asked } = newClient();
  for (let i = 0; i < 2; i++) await client.query({ query: clients, variables: { first: 1, query: 'redwood' }, fetchPolicy: 'network-only' });
  const { method, url } = asked.at(-1);
  assert.equal(method, 'GET');
  assert.match(url.searchParams.get('extensions'), /"sha256Hash":"[0-9a-f]{64}"/);
  assert.equal(url.searchParams.get('query'), null);
});

test('credentials arrive after the rest', async () => {
  const { client, asked } = newClient();
  const query = gql`
    query People {
      clients(first: 1) {
        edges { cursor node { id users(first: 4) { nodes { id name ...Credentials @defer(label: "credentials") } } } }
      }
    }
    fragment Credentials on User { credentials(first: 5) { nodes { id type } } }
  `;
  const people = (data) => data.clients.edges[0].node.users.nodes;
  const steps = await results(client.watchQuery({ query }), ({ data }) => data?.clients && people(data).every((p) => p.credentials !== undefined));
  assert.match(asked.at(-1).type, /^multipart\/mixed/);
  assert.equal(people(steps[0]).length, 4);
  assert.ok(people(steps.at(-1)).every((p) => p.name && p.credentials.nodes.length > 0));
});

test('a new name is shown at once, and taken back where the server refuses it', async () => {
  const { client } = newClient();
  const query = gql`query { clients(first: 1, query: "eastgate") { edges { cursor node { id users(first: 1) { nodes { id name metadata } } } } } }`;
  const { data } = await client.query({ query });
  const [user] = data.clients.edges[0].node.users.nodes;
  const nameInCache = () => client.readFragment({ id: `User:${user.id}`, fragment: gql`fragment Name on User { name }` }).name;
  const rename = gql`
    mutation Rename($input: UpdateUserInput!) {
      updateUser(input: $input) { user { id name metadata } userErrors { code message path } }
    }
  `;
  async function renamed(by, name) {
    const done = client.mutate({
      mutation: rename,
      variables: { input: { by, metadata: { ...user.metadata, name } } },
      optimisticResponse: {
        updateUser: { __typename: 'UpdateUserPayload', user: { __typename: 'User', id: user.id, name, metadata: user.metadata }, userErrors: [] },
      },
    });
    const atOnce = client.cache.readFragment({ id: `User:${user.id}`, fragment: gql`fragment Name on User { name }`, optimistic: true }).name;
    return { atOnce, ...(await done).data.updateUser };
  }
  const accepted = await renamed({ id: user.id }, 'Hedy Lamarr');
  assert.deepEqual([accepted.atOnce, accepted.userErrors, nameInCache()], ['Hedy Lamarr', [], 'Hedy Lamarr']);
  const refused = await renamed({ sourceId: 'nobody' }, 'Nobody');
  assert.deepEqual([refused.atOnce, refused.userErrors.map((e) => e.code), nameInCache()], ['Nobody', ['NOT_FOUND'], 'Hedy Lamarr']);
});
