// Writes schema.graphql, which the types come from, from a server with INTROSPECTION=true or -demo.
import { writeFileSync } from 'node:fs';

const answer = await fetch(new URL('/schema.graphqls', process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql'));
if (!answer.ok) throw new Error(`the schema is not served: ${answer.status}`);
writeFileSync('schema.graphql', await answer.text());
