import { initGraphQLTada, type ResultOf } from 'gql.tada';
import type { DateText, Json } from './scalars';
import type { introspection } from './schema.d.ts';

const graphql = initGraphQLTada<{ introspection: introspection; scalars: { Date: DateText; JSON: Json } }>();

// Unmasked: a row takes the object as it is.
export const organisationFields = graphql(`
  fragment OrganisationFields on EmbedClient @_unmask {
    id
    metadata
    userCount
    client { id name seatsUsedCount }
  }
`);

export const organisations = graphql(
  `
    query Organisations($first: Int!, $after: String) {
      embedClients(first: $first, after: $after) {
        pageInfo { hasNextPage endCursor }
        edges { cursor node { ...OrganisationFields } }
      }
    }
  `,
  [organisationFields],
);

export const changePlan = graphql(`
  mutation ChangePlan($input: UpdateEmbedClientInput!) {
    updateEmbedClient(input: $input) {
      embedClient { id metadata }
      userErrors { code message path }
    }
  }
`);

export type Organisation = ResultOf<typeof organisationFields>;
