// Reads {"schema": SDL, "requests": [{"query", "variables"}]} and writes for each request, in order, what graphql-js makes of
// it: {"invalid": true}, or the response of its executor with the paths of the errors alone. Each field of the query type
// answers with its arguments.
import {readFileSync} from 'node:fs';
import {buildSchema, execute, parse, validate} from 'graphql';

const {schema: sdl, requests} = JSON.parse(readFileSync(0, 'utf8'));
const schema = buildSchema(sdl);
for (const field of Object.values(schema.getQueryType().getFields())) {
  field.resolve = (_, args) => ({args});
}

// JSON has no infinity.
const spoken = (_, value) => (value === Infinity ? 'Infinity' : value);

const answer = ({query, variables}) => {
  const document = parse(query);
  const refusals = validate(schema, document);
  if (refusals.length > 0) return {invalid: true, messages: refusals.map((e) => e.message)};
  const {data, errors = []} = execute({schema, document, variableValues: variables});
  return {data, errors: errors.map((e) => ({path: e.path ?? null, message: e.message}))};
};

process.stdout.write(JSON.stringify(requests.map(answer), spoken));
