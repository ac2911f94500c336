import { Client, fetchExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import { persistedExchange } from '@urql/exchange-persisted';

declare const __LEARNGRAPH_URL__: string;

/** The token of the person who signed in, for a server with AUTH=jwt; the demo needs none. */
const token = (): string | null => sessionStorage.getItem('token');

type Input = { input: { by: { id: string }; metadata: unknown } };

const cache = cacheExchange({
  // Only a Node has an id of its own: these are part of what they were asked from.
  keys: { EmbedClientConnection: () => null, EmbedClientEdge: () => null, PageInfo: () => null, UpdateEmbedClientPayload: () => null, UserError: () => null },
  resolvers: { Query: { embedClients: relayPagination() } },
  optimistic: {
    // Shown until the server has answered. Where it refuses, the old metadata is back.
    updateEmbedClient: (variables) => {
      const { by, metadata } = (variables as Input).input;
      return {
        __typename: 'UpdateEmbedClientPayload',
        embedClient: { __typename: 'EmbedClient', id: by.id, metadata },
        userErrors: [],
      };
    },
  },
});

export const newClient = (): Client =>
  new Client({
    url: __LEARNGRAPH_URL__,
    exchanges: [
      cache,
      // Queries go by GET with the hash of their document, so that every cache on the way can keep the answer. A server that
      // does not know a document yet is sent its text once.
      persistedExchange({ preferGetForPersistedQueries: true }),
      fetchExchange,
    ],
    fetchOptions: () => {
      const bearer = token();
      return bearer ? { headers: { Authorization: `Bearer ${bearer}` } } : {};
    },
  });
