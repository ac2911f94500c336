import type { CodegenConfig } from '@graphql-codegen/cli';
import { addTypenameSelectionDocumentTransform } from '@graphql-codegen/client-preset';

const schema = new URL('/schema.graphqls', process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql').href;

const config: CodegenConfig = {
  // The text of the schema, which a server with INTROSPECTION=true or -demo shows whatever documents it takes.
  schema: { [schema]: { handleAsSDL: true } },
  documents: ['src/**/*.{ts,tsx}', '!src/gql/**'],
  generates: {
    './src/gql/': {
      preset: 'client',
      // Writes persisted-documents.json, the server's manifest, and the hash of each document beside it.
      presetConfig: { fragmentMasking: false, persistedDocuments: { mode: 'embedHashInDocument', hashAlgorithm: 'sha256' } },
      documentTransforms: [addTypenameSelectionDocumentTransform], // as the cache does
      config: {
        strictScalars: true,
        scalars: { Date: '../scalars#DateText', JSON: '../scalars#Json' },
        enumsAsTypes: true,
        useTypeImports: true,
        // The cache adds __typename to every selection.
        nonOptionalTypename: true,
        skipTypeNameForRoot: true,
      },
    },
  },
};

export default config;
