// Writes what the compiler reads: the schema of a server with INTROSPECTION=true or -demo, and once a manifest without documents.
import { existsSync, writeFileSync } from 'node:fs';

const answer = await fetch(new URL('/schema.graphqls', process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql'));
if (!answer.ok) throw new Error(`the schema is not served: ${answer.status}`);
writeFileSync('schema.graphql', await answer.text());
if (!existsSync('documents.json')) writeFileSync('documents.json', '{}');
