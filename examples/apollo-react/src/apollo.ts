import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client';
import { GraphQL17Alpha9Handler } from '@apollo/client/incremental';
import { SetContextLink } from '@apollo/client/link/context';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { relayStylePagination } from '@apollo/client/utilities';
import type { DocumentNode } from 'graphql';

declare const __LEARNGRAPH_URL__: string;

/** A document as code generation leaves it. */
type Built = DocumentNode & { __meta__?: { hash: string } };

/** The token of the person who signed in, for a server with AUTH=jwt; the demo needs none. */
const token = (): string | null => sessionStorage.getItem('token');

const authorization = new SetContextLink(({ headers }) => {
  const bearer = token();
  return { headers: bearer ? { ...headers, Authorization: `Bearer ${bearer}` } : headers };
});

async function sha256(text: string): Promise<string> {
  const sum = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(sum), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// A built page has the hashes of the manifest that was written with it, for a server that takes no other documents. While
// developing, a server that does not know a document yet is sent its text once.
const hashes = import.meta.env.PROD
  ? { generateHash: (document: Built) => document.__meta__!.hash, retry: () => false }
  : { sha256 };

// Queries go by GET with the hash of their document, so that every cache on the way can keep the answer.
const persisted = new PersistedQueryLink({ ...hashes, useGETForHashedQueries: true });

export function newClient(): ApolloClient {
  return new ApolloClient({
    link: ApolloLink.from([authorization, persisted, new HttpLink({ uri: __LEARNGRAPH_URL__ })]),
    cache: new InMemoryCache({
      possibleTypes: { Node: ['Client', 'Credential', 'EmbedClient', 'Identity', 'User'] },
      typePolicies: {
        // The pages of one search are one list. Other arguments than the page's make another list.
        Query: { fields: { clients: relayStylePagination(['query', 'sort']) } },
        Client: { fields: { users: relayStylePagination() } },
      },
    }),
    // @defer in the format of the current draft, which the server writes as incrementalSpec=v0.2.
    incrementalHandler: new GraphQL17Alpha9Handler(),
  });
}
