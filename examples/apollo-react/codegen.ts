import type { CodegenConfig } from '@graphql-codegen/cli';

const config: CodegenConfig = {
  // A server with INTROSPECTION=true or -demo.
  schema: process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql',
  documents: ['src/**/*.{ts,tsx}', '!src/gql/**'],
  generates: {
    './src/gql/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
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
