import { GraphQLClient } from 'graphql-request';
import { graphql } from './gql/index.js';
import type { ClientsQuery, UpdateUserMutation, UsersQuery } from './gql/graphql.js';
import { members } from './scalars.js';

const clientsDocument = graphql(`
  query Clients($first: Int!, $after: String, $query: String) {
    clients(first: $first, after: $after, query: $query) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes { id name licenseEndDate seatsUsedCount seatsLimit }
    }
  }
`);

const usersDocument = graphql(`
  query Users($client: ID!, $first: Int!, $after: String) {
    client(by: { id: $client }) {
      users(first: $first, after: $after) {
        pageInfo { hasNextPage endCursor }
        nodes { id name metadata }
      }
    }
  }
`);

const updateUserDocument = graphql(`
  mutation UpdateUser($input: UpdateUserInput!) {
    updateUser(input: $input) {
      user { id name }
      userErrors { code message path }
    }
  }
`);

type Page<T> = { pageInfo: { hasNextPage: boolean; endCursor: string | null }; nodes: Array<T | null> };
type Element<P> = P extends Page<infer T> ? T : never;

export type Client = Element<NonNullable<ClientsQuery['clients']>>;
export type User = Element<NonNullable<NonNullable<UsersQuery['client']>['users']>>;

/** The operations of this program. What the API answers with an error is thrown as a ClientError, with its code. */
export class Learngraph {
  readonly #api: GraphQLClient;

  constructor(url: string, key?: string) {
    this.#api = new GraphQLClient(url, { headers: key ? { 'X-API-Key': key } : {} });
  }

  /** Clients that a search finds, all without one. */
  clients(query?: string): AsyncGenerator<Client> {
    return pages<Client>(async (after) => (await this.#api.request(clientsDocument, { first: 10, after, query })).clients);
  }

  /** Users of a client. */
  users(client: string): AsyncGenerator<User> {
    return pages<User>(async (after) => (await this.#api.request(usersDocument, { client, first: 10, after })).client?.users);
  }

  /** Changes the name of a user. What the caller can mend comes back as userErrors. */
  async rename(user: Pick<User, 'id' | 'metadata'>, name: string): Promise<NonNullable<UpdateUserMutation['updateUser']>> {
    // The backend may replace the metadata or merge it: all of it is sent.
    const input = { by: { id: user.id }, metadata: { ...members(user.metadata), name } };
    const { updateUser } = await this.#api.request(updateUserDocument, { input });
    if (!updateUser) throw new Error('the user was not changed');
    return updateUser;
  }
}

/** Walks a connection, each page asked for when the one before it is used up. */
async function* pages<T>(read: (after: string | null) => Promise<Page<T> | null | undefined>): AsyncGenerator<T> {
  for (let after: string | null = null; ; ) {
    const page = await read(after);
    for (const node of page?.nodes ?? []) if (node) yield node;
    if (!page?.pageInfo.hasNextPage) return;
    after = page.pageInfo.endCursor;
  }
}
