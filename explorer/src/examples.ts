/** Example is an operation to start from. The keys in variables are those of the demo. */
export interface Example {
  title: string;
  query: string;
  variables?: string;
}

export const examples: [Example, ...Example[]] = [
  {
    title: 'Clients with their users',
    query: `# One question over three backends: clients
# (Thought Industries), their users (Coassemble),
# each user's identity and credentials (MATTR).
query ClientsWithUsers {
  clients(first: 3) {
    nodes {
      name
      slug
      courses(first: 2, status: [published]) {
        totalCount
        nodes {
          title
          slug
        }
      }
      users(first: 5) {
        nodes {
          name
          identity {
            id
            credentials(first: 3) {
              nodes {
                type
                status
                validUntil
              }
            }
          }
        }
      }
    }
  }
}
`,
  },
  {
    title: 'One client by slug',
    query: `# Exactly one key in \`by\`: id, sourceId, slug or sku.
query ClientBySlug($slug: String!) {
  client(by: { slug: $slug }) {
    id
    name
    licenseEndDate
    features {
      enableDiscussions
      enableEcommerce
    }
    learningPaths(first: 5) {
      totalCount
      nodes {
        name
      }
    }
  }
}
`,
    variables: `{
  "slug": "northbridge-university"
}`,
  },
  {
    title: 'Clients first, users later (@defer)',
    query: `# The clients come at once. Each fragment with @defer
# follows when its backend has answered: see the payloads
# on the time axis.
query ClientsWithTheirUsersLater {
  clients(first: 5) {
    nodes {
      name
      ... @defer(label: "users") {
        users(first: 3) {
          nodes {
            name
            ... @defer(label: "identity") {
              identity {
                id
                credentials(first: 3) {
                  nodes {
                    type
                    status
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}
`,
  },
  {
    title: 'Only totals',
    query: `# \`first: 0\` asks for no element of a list, only for how many there are.
query Totals {
  clients(first: 1) {
    totalCount
    nodes {
      name
      courses(first: 0) {
        totalCount
      }
      learningPaths(first: 0) {
        totalCount
      }
    }
  }
}
`,
  },
  {
    title: 'A page of users',
    query: `# The next page: put \`endCursor\` into \`after\`.
query Users($first: Int = 10, $after: String) {
  users(first: $first, after: $after) {
    nodes {
      id
      name
      client {
        name
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
    variables: `{
  "first": 10,
  "after": null
}`,
  },
  {
    title: 'Rename a user (writes)',
    query: `# Errors that the caller can correct are in \`userErrors\`; a failing backend is an error.
mutation RenameUser($input: UpdateUserInput!) {
  updateUser(input: $input) {
    user {
      sourceId
      name
      metadata
    }
    userErrors {
      code
      message
      path
    }
  }
}
`,
    variables: `{
  "input": {
    "by": { "sourceId": "example-university-oauth2|100000001" },
    "name": "Ada Example"
  }
}`,
  },
];
