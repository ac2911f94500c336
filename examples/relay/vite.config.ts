import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import relay from 'vite-plugin-relay-lite';

export default defineConfig({
  plugins: [relay({ codegen: false }), react()],
  build: { outDir: 'build', chunkSizeWarningLimit: 600 },
  define: { __LEARNGRAPH_URL__: JSON.stringify(process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql') },
});
