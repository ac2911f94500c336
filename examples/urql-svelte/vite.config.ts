import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [svelte({ configFile: false })],
  build: { outDir: 'build' },
  define: { __LEARNGRAPH_URL__: JSON.stringify(process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql') },
});
