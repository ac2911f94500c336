import { Kind, parse, print, visit, type ASTNode, type FieldNode, type FragmentDefinitionNode, type OperationDefinitionNode, type SelectionSetNode } from 'graphql';
import type { Call, Path } from './explain';
import type { Operation } from './request';

/** Proposal is an operation with @defer on the fields that delayed its answer, and the gain. Times are milliseconds. */
export interface Proposal {
  query: string;
  fields: string[];
  /** whole is when the last call ended, first when those of the first payload did. */
  whole: number;
  first: number;
}

// A fragment is worth a payload of its own if it holds the answer up by this part of its time.
const worth = 0.2;

const names = (path: Path): string[] => path.filter((step) => typeof step === 'string');

/** readyTimes is when the last call of each field ended, by the names on the way to it. */
function readyTimes(calls: Call[]): Map<string, number> {
  const ready = new Map<string, number>();
  for (const call of calls) {
    for (const path of call.paths) {
      const key = names(path).join('.');
      ready.set(key, Math.max(ready.get(key) ?? 0, call.startMs + call.durationMs));
    }
  }
  return ready;
}

/** Late is a field whose calls ended later than those of the fields above it. */
interface Late {
  key: string;
  by: number;
}

/** lateFields are the fields that held the answer up, the outermost first. */
function lateFields(ready: Map<string, number>): Late[] {
  const whole = Math.max(...ready.values());
  const keys = [...ready.keys()].sort((a, b) => a.split('.').length - b.split('.').length || ready.get(a)! - ready.get(b)!);
  const roots = keys.filter((key) => !keys.some((other) => key.startsWith(`${other}.`)));
  const earliest = Math.min(...roots.map((key) => ready.get(key)!));
  const late = keys.map((key): Late => {
    const above = keys.filter((other) => key.startsWith(`${other}.`)).map((other) => ready.get(other)!);
    return { key, by: ready.get(key)! - (above.length > 0 ? Math.max(...above) : earliest) };
  });
  const held = late.filter(({ by }) => by >= worth * whole);
  if (held.length > 0) return held;
  // No single step is long, but their sum may be.
  const next = late.filter(({ by, key }) => by > 0 && !roots.includes(key)).sort((a, b) => b.by - a.by)[0];
  return next ? [next] : [];
}

interface Found {
  node: FieldNode;
  key: string;
}

/** fieldsOf finds the fields of an operation by the names that they have in the answer; those deferred already are left out. */
function fieldsOf(operation: OperationDefinitionNode, fragments: Map<string, FragmentDefinitionNode>): Found[] {
  const found: Found[] = [];
  const within = (set: SelectionSetNode | undefined, path: string[], deferred: boolean, spread: string[]) => {
    for (const selection of set?.selections ?? []) {
      const later = deferred || (selection.directives ?? []).some((d) => d.name.value === 'defer');
      if (selection.kind === Kind.FIELD) {
        const key = [...path, (selection.alias ?? selection.name).value];
        if (!deferred) found.push({ node: selection, key: key.join('.') });
        within(selection.selectionSet, key, false, spread);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        within(selection.selectionSet, path, later, spread);
      } else if (!spread.includes(selection.name.value)) {
        within(fragments.get(selection.name.value)?.selectionSet, path, later, [...spread, selection.name.value]);
      }
    }
  };
  within(operation.selectionSet, [], false, []);
  return found;
}

/** wrap puts a field into a fragment that is deferred, indented as the text around it. */
function wrap(text: string, label: string, lineStart: string): string {
  const indent = /^\s*/.exec(lineStart)![0];
  return `... @defer(label: "${label}") {\n${indent}  ${text.replaceAll('\n', '\n  ')}\n${indent}}`;
}

function lineUpTo(text: string, at: number): string {
  return text.slice(text.lastIndexOf('\n', at - 1) + 1, at);
}

/** labelsOf are the labels that a document has already. */
function labelsOf(document: ASTNode): Set<string> {
  const labels = new Set<string>();
  visit(document, {
    Directive: ({ arguments: given }) => {
      for (const { name, value } of given ?? []) if (name.value === 'label' && value.kind === Kind.STRING) labels.add(value.value);
    },
  });
  return labels;
}

function unused(label: string, taken: Set<string>): string {
  let free = label;
  for (let n = 2; taken.has(free); n++) free = `${label}${n}`;
  taken.add(free);
  return free;
}

/**
 * propose puts @defer around the fields whose calls held an answer up, judged by the calls that were made for it; undefined
 * where nothing did.
 */
export function propose({ query: sent, operationName }: Operation, calls: Call[]): Proposal | undefined {
  // An operation in one line has no format to preserve.
  const query = sent.trim().includes('\n') ? sent : print(parse(sent));
  const document = parse(query);
  const operations = document.definitions.filter((d) => d.kind === Kind.OPERATION_DEFINITION);
  const operation = operations.find((o) => o.name?.value === operationName) ?? operations[0];
  const ready = readyTimes(calls);
  if (!operation || operation.operation === 'subscription' || ready.size === 0) return undefined;
  const fragments = new Map(document.definitions.filter((d) => d.kind === Kind.FRAGMENT_DEFINITION).map((f) => [f.name.value, f]));
  const fields = fieldsOf(operation, fragments);
  const late = lateFields(ready).flatMap(({ key }) => fields.filter((f) => f.key === key));
  // A mutation writes at its root, which cannot wait; a fragment that is spread twice is edited once.
  const chosen = [...new Map(late.filter((f) => operation.operation === 'query' || f.key.includes('.')).map((f) => [f.node, f])).values()];
  if (chosen.length === 0) return undefined;
  const deferred = (key: string) => chosen.some((f) => key === f.key || key.startsWith(`${f.key}.`));
  return {
    query: edit(query, chosen, labelsOf(document)),
    fields: chosen.map((f) => f.key),
    whole: Math.max(...ready.values()),
    first: Math.max(0, ...[...ready].filter(([key]) => !deferred(key)).map(([, at]) => at)),
  };
}

/** edit wraps the fields, the last of the text first, so that the places of the others stay: an inner one comes before its outer. */
function edit(query: string, fields: Found[], taken: Set<string>): string {
  const places = fields.map(({ node }) => ({ from: node.loc!.start, to: node.loc!.end, label: (node.alias ?? node.name).value }));
  places.sort((a, b) => b.from - a.from);
  let text = query;
  places.forEach((place, i) => {
    const wrapped = wrap(text.slice(place.from, place.to), unused(place.label, taken), lineUpTo(text, place.from));
    const grown = wrapped.length - (place.to - place.from);
    text = text.slice(0, place.from) + wrapped + text.slice(place.to);
    for (const outer of places.slice(i + 1)) if (outer.to >= place.to) outer.to += grown;
  });
  return text;
}
