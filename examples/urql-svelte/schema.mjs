// Writes schema.graphql, which the types come from, from a server with INTROSPECTION=true or -demo.
import { writeFileSync } from 'node:fs';

const url = new URL('/schema.graphqls', process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql');
const answer = await fetch(url).catch(() => undefined);
if (!answer?.ok) {
  console.error(`There is no schema at ${url}: start a server with -demo, or set LEARNGRAPH_URL.`);
  process.exit(1);
}
writeFileSync('schema.graphql', await answer.text());
