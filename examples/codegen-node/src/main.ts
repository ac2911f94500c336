import { Learngraph } from './learngraph.js';
import { report } from './report.js';

const learngraph = new Learngraph(process.env.LEARNGRAPH_URL ?? 'http://127.0.0.1:8080/graphql', process.env.LEARNGRAPH_API_KEY);
for await (const line of report(learngraph, process.argv[2])) console.log(line);
