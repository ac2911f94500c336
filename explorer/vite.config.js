import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const source = (name) => fileURLToPath(new URL(`src/${name}`, import.meta.url));

// The page is embedded in the program as text: no font file and no font inside a style sheet is shipped. The editor's
// icon font is replaced by characters (src/icons.css), the text fonts by those of the reader's system.
const withoutFonts = () => ({
  name: 'without-fonts',
  enforce: 'pre',
  transform(code, id) {
    if (!/\.css($|\?)/.test(id)) return null;
    return { code: code.replace(/@font-face\s*\{[^}]*\}/g, ''), map: null };
  },
});

// Large parts that this page has no use for give way to small ones of its own.
const smaller = () => ({
  name: 'smaller',
  enforce: 'pre',
  resolveId(id, importer) {
    if (id === './editor.all.js' && importer?.includes('/monaco-editor/')) return source('editor.ts');
    // An old and a new name of the same module.
    if (id === 'prettier/parser-graphql') return this.resolve('prettier/plugins/graphql', importer);
    if (id === 'prettier/plugins/estree' || id === 'prettier/parser-babel') return source('prettier-json.ts');
    return null;
  },
});

const withoutFormatter = () => ({
  name: 'without-formatter',
  enforce: 'pre',
  resolveId(id) {
    return id === 'prettier/standalone' || id === 'prettier/parser-graphql' ? source('no-format.ts') : null;
  },
});

// Completion is in the schema's own order, as its authors arranged it. The editor sorts by text, in which 10 is before 2,
// and what has no text to sort by after its name.
const inSchemaOrder = () => ({
  name: 'in-schema-order',
  transform(code, id) {
    if (!/\/monaco-graphql\/esm\/languageFeatures\.js($|\?)/.test(id)) return null;
    const ordered = code
      .replace('export function toCompletion(entry) {', 'export function toCompletion(entry, index) {')
      .replace('sortText: entry.sortText,', "sortText: (entry.sortText ?? String(index)).replace(/^\\d+/, (n) => n.padStart(4, '0')),");
    if (!ordered.includes('padStart')) throw new Error('the editor makes its completions elsewhere now');
    return { code: ordered, map: null };
  },
});

export default defineConfig({
  // Relative: the page works below whatever path a proxy puts in front of it.
  base: './',
  plugins: [withoutFonts(), smaller(), inSchemaOrder()],
  worker: { format: 'es', plugins: () => [withoutFormatter()] },
  build: {
    target: 'es2022',
    sourcemap: false,
    // A data: URL would need a wider content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 4096,
    rolldownOptions: {
      // Libraries mark modules for a server that renders React; nothing does here.
      onwarn: (warning, warn) => warning.code === 'MODULE_LEVEL_DIRECTIVE' || warn(warning),
    },
  },
});
