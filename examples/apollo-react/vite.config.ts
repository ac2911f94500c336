import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  build: { outDir: 'build' },
  define: { __LEARNGRAPH_URL__: JSON.stringify(process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql') },
});
