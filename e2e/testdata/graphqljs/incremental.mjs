// Reads {"schema": SDL, "cases": [{"query", "variables", "data", "errors", "v02", "v01"}]} and compares the payloads that the program
// sends with those that graphql-js makes of the same operation and data. data is the whole answer with each null where a field
// failed, errors are the paths of these fields, v02 and v01 are payloads. Fields answer with what data has at their response key.
// Prints for each case what differs, or null.
//
// When payloads go out, and which of them go out together, is not compared, nor what follows from that: fields that several @defers
// have are delivered with the first of them that ends, and one that begins later and has no others is not announced. Nor is a @stream
// without elements left compared, which graphql-js announces, since it does not know how long an iterable is.
import {readFileSync} from 'node:fs';
import {buildSchema, experimentalExecuteIncrementally, legacyExecuteIncrementally, parse} from 'graphql17';

const {schema: sdl, cases} = JSON.parse(readFileSync(0, 'utf8'));
const schema = buildSchema(sdl);
const typeKey = 't__'; // the response key under which data has the name of each object's type

const pathOf = (path) => (path ? [...pathOf(path.prev), path.key] : []);

/** The value at a path, where a failed element of a list is an error. */
const resolverOf = (errors) => {
  const failed = new Set(errors.map((path) => JSON.stringify(path)));
  const mark = (value, path) => {
    if (failed.has(JSON.stringify(path))) return new Error('failed');
    return Array.isArray(value) ? value.map((v, i) => mark(v, [...path, i])) : value;
  };
  return (source, _args, _context, info) => {
    const value = mark(source[info.path.key], pathOf(info.path));
    if (value instanceof Error) throw value;
    return value;
  };
};

const payloadsOf = async (run, {query, variables, data, errors}) => {
  const result = await run({
    schema, document: parse(query), variableValues: variables, rootValue: data,
    fieldResolver: resolverOf(errors ?? []), typeResolver: (value) => value[typeKey],
  });
  if (!result.initialResult) return [result];
  const payloads = [result.initialResult];
  for await (const payload of result.subsequentResults) payloads.push(payload);
  return JSON.parse(JSON.stringify(payloads));
};

/** A set of what was delivered, whose members have no order and no time: each with the paths of its errors. */
class Deliveries {
  entries = new Map();
  problems = [];
  streams = [];

  add(kind, path, label, data, errors = []) {
    const key = [kind, JSON.stringify(path), label ?? '', JSON.stringify(data ?? null)].join(' ');
    this.entries.set(key, [...(this.entries.get(key) ?? []), errors.map((e) => JSON.stringify(e.path))]);
  }

  /** Elements of one list, which may come in several payloads. */
  elements(belongs, path, label, items, errors = []) {
    let s = this.streams.find(belongs);
    if (!s) this.streams.push(s = {path, label, items: [], errors: []});
    s.items.push(...items);
    s.errors.push(...errors);
    return s;
  }

  finish() {
    for (const {path, label, items, errors} of this.streams) {
      if (items.length > 0) this.add('elements', path, label, items, errors);
    }
    return this;
  }
}

const at = (data, path) => path.reduce((value, step) => value?.[step], data);

const deduplicated = ([first, ...later], whole) => {
  const all = new Deliveries();
  all.add('first', [], '', first.data, first.errors);
  const pending = new Map();
  const announce = (payload) => {
    for (const p of payload.pending ?? []) {
      if (typeof p.id !== 'string' || pending.has(p.id)) all.problems.push(`the id ${p.id} is announced again, or no string`);
      pending.set(p.id, p);
    }
  };
  announce(first);
  for (const payload of later) {
    announce(payload);
    for (const {id, subPath = [], data, items, errors} of payload.incremental ?? []) {
      const p = pending.get(id);
      if (!p) {
        all.problems.push(`data for the unknown id ${id}`);
      } else if (items) {
        all.elements((s) => s.id === id, p.path, p.label, items, errors).id = id;
      } else {
        all.add('data', [...p.path, ...subPath], '', data, errors);
      }
      if (p) p.used = true;
    }
    for (const {id, errors} of payload.completed ?? []) {
      const p = pending.get(id);
      if (!p || p.completed) all.problems.push(`${id} ends twice, or unannounced`);
      else p.completed = errors ?? [];
    }
    if (payload.hasNext !== (payload !== later.at(-1))) all.problems.push('hasNext is wrong');
  }
  for (const p of pending.values()) {
    if (!p.completed) all.problems.push(`${p.id} does not end`);
    else if (p.completed.length > 0) all.add('failed', p.path, p.label, null, p.completed);
    else if (p.used || !Array.isArray(at(whole, p.path))) all.add('ended', p.path, p.label, null);
  }
  return all.finish();
};

const branching = ([first, ...later]) => {
  const all = new Deliveries();
  all.add('first', [], '', first.data, first.errors);
  for (const payload of later) {
    for (const {path, label, data, items, errors} of payload.incremental ?? []) {
      if (items) {
        // Two lists may have one path and one label: a list goes on where its elements end.
        const [list, first] = [JSON.stringify(path.slice(0, -1)), path.at(-1)];
        const s = all.elements((s) => s.list === list && s.label === label && s.next === first, path.slice(0, -1), label, items, errors);
        Object.assign(s, {list, next: first + items.length});
      } else if (data) {
        all.add('data', path, label, data, errors);
      } else {
        all.add(items === null ? 'failed list' : 'failed', path, label, null, errors);
      }
    }
    if (payload.hasNext !== (payload !== later.at(-1))) all.problems.push('hasNext is wrong');
  }
  return all.finish();
};

/** Whether another @defer around a path or below it ended too, which may have delivered what both have. */
const isShared = (key, all) => {
  const [kind, path] = key.split(' ');
  const around = (a, b) => b.startsWith(a);
  const inner = (text) => text.slice(0, -1);
  return kind === 'ended' && [...all.entries].some(([other, {length}]) => {
    const [otherKind, at] = other.split(' ');
    return otherKind === 'ended' && (other !== key || length > 1) && (around(inner(at), inner(path)) || around(inner(path), inner(at)));
  });
};

/** What differs. graphql-js gives the first error of those that make one null, the program gives all. */
const difference = (got, want) => {
  if (got.problems.length > 0) return got.problems.join('; ');
  for (const [key, errors] of want.entries) {
    const other = got.entries.get(key);
    if (other?.length !== errors.length && isShared(key, want)) continue;
    if (!other) return `lacks ${key}`;
    if (other.length !== errors.length) return `${other.length} of ${errors.length} times ${key}`;
    const flat = other.flat();
    const lacking = errors.flat().find((path) => !flat.includes(path));
    if (lacking) return `lacks the error at ${lacking} of ${key}, has ${flat}`;
    if (errors.flat().length === 0 && flat.length > 0) return `has the error ${flat} with ${key}`;
  }
  const more = [...got.entries.keys()].find((key) => !want.entries.has(key) && !isShared(key, got));
  return more ? `has ${more}` : null;
};

const findings = [];
for (const c of cases) {
  for (const [format, read, run] of [['v02', deduplicated, experimentalExecuteIncrementally], ['v01', branching, legacyExecuteIncrementally]]) {
    if (!c[format]) continue;
    const reference = await payloadsOf(run, c);
    const problem = difference(read(c[format], c.data), read(reference, c.data));
    const detail = problem && `${problem}\nsent ${c[format].map((p) => JSON.stringify(p)).join('\n     ')}\nwant ${reference.map((p) => JSON.stringify(p)).join('\n     ')}`;
    findings.push({Name: `${format}: ${c.query} ${JSON.stringify(c.variables)}`, Problem: detail});
  }
}
process.stdout.write(JSON.stringify(findings));
