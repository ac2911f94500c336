// Reads {"schema": SDL, "documents": [text]} and writes for each document, in order, what graphql-js makes of it: its errors,
// and of one that is no document {"syntax": the error}; else the values of its strings and numbers as well.
import {readFileSync} from 'node:fs';
import {buildSchema, parse, validate, visit} from 'graphql';

const {schema: sdl, documents} = JSON.parse(readFileSync(0, 'utf8'));
const schema = buildSchema(sdl);

const plain = ({message, locations}) => ({message, locations});

const literals = (document) => {
  const list = [];
  const take = ({value}) => void list.push(value);
  visit(document, {IntValue: take, FloatValue: take, StringValue: take});
  return list;
};

const answer = (text) => {
  let document;
  try {
    document = parse(text);
  } catch (e) {
    return {syntax: plain(e)};
  }
  return {values: literals(document), errors: validate(schema, document, undefined, {maxErrors: 1000}).map(plain)};
};

process.stdout.write(JSON.stringify(documents.map(answer)));
