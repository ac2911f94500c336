import type { CodegenConfig } from '@graphql-codegen/cli';

const config: CodegenConfig = {
  // The server answers introspection with INTROSPECTION=true, and has the same as text at /schema.graphqls.
  schema: process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql',
  documents: ['src/**/*.ts', '!src/gql/**'],
  generates: {
    './src/gql/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        strictScalars: true,
        scalars: { Date: '../scalars.js#DateText', JSON: '../scalars.js#Json' },
        enumsAsTypes: true,
        useTypeImports: true,
        emitLegacyCommonJSImports: false,
      },
    },
  },
};

export default config;
