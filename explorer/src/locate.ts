import { parseTree, type Node } from 'jsonc-parser';
import type { Path } from './explain';

/** Span is a piece of the answer's text, in characters from its start. */
export interface Span {
  offset: number;
  length: number;
}

function child(node: Node, name: string): Node | undefined {
  return node.children?.find((property) => property.children?.[0]?.value === name)?.children?.[1];
}

function walk(node: Node | undefined, path: Path, at: number, found: Node[]): void {
  if (!node) return;
  if (at === path.length) {
    found.push(node);
    return;
  }
  const step = path[at]!;
  if (node.type === 'array') {
    const elements = node.children ?? [];
    if (typeof step === 'number') walk(elements[step], path, at + 1, found);
    else for (const element of elements) walk(element, path, step === '*' ? at + 1 : at, found);
  } else if (node.type === 'object') {
    walk(child(node, String(step)), path, at + 1, found);
  }
}

/** spansOf finds the fields that paths lead to, names included. A path without an index at a list means every element. */
function spansOf(data: Node | undefined, paths: Path[], limit: number): Span[] {
  const found: Node[] = [];
  for (const path of paths) {
    if (found.length >= limit) break;
    walk(data, path, 0, found);
  }
  return found.slice(0, limit).map((node) => {
    const from = node.parent?.type === 'property' ? node.parent : node;
    return { offset: from.offset, length: node.offset + node.length - from.offset };
  });
}

export const end = (span: Span): number => span.offset + span.length;

const between = (from: number, to: number): Span => ({ offset: from, length: to - from });

/** without takes the spans of others that lie within a span out of it. Others are in the order of the text. */
function without(span: Span, others: Span[]): Span[] {
  const pieces: Span[] = [];
  let from = span.offset;
  for (const other of others) {
    if (other.offset < from || end(other) > end(span)) continue;
    if (other.offset > from) pieces.push(between(from, other.offset));
    from = end(other);
  }
  if (from < end(span)) pieces.push(between(from, end(span)));
  return pieces;
}

// Each line has its own mark, so that none covers the indentation. A rest of a line with only brackets and commas has no
// mark.
function lines(text: string, span: Span): Span[] {
  const found: Span[] = [];
  for (let from = span.offset; from < end(span); ) {
    const newline = text.indexOf('\n', from);
    const to = newline < 0 || newline > end(span) ? end(span) : newline;
    const line = text.slice(from, to);
    if (/[^\s{}[\],]/.test(line)) {
      const indent = line.length - line.trimStart().length;
      const trail = line.length - line.replace(/[\s,]+$/, '').length;
      found.push(between(from + indent, to - trail));
    }
    from = to + 1;
  }
  return found;
}

/** Marks are the fields that were looked for, and the pieces of lines that show them. */
export interface Marks {
  fields: number;
  pieces: Span[];
}

/**
 * mark finds in the text of an answer the fields that paths lead to, at most limit of them, less those below them that
 * others lead to.
 */
export function mark(text: string, paths: Path[], others: Path[], limit: number): Marks {
  const root = parseTree(text);
  const data = root && child(root, 'data');
  const spans = spansOf(data, paths, limit);
  const own = new Set(spans.map((span) => span.offset));
  const foreign = spansOf(data, others, Infinity).filter((span) => !own.has(span.offset));
  foreign.sort((a, b) => a.offset - b.offset || b.length - a.length);
  return { fields: spans.length, pieces: spans.flatMap((span) => without(span, foreign)).flatMap((piece) => lines(text, piece)) };
}

/** extensionsLine is the line of the answer's extensions, from 1; undefined if it has none. */
export function extensionsLine(text: string): number | undefined {
  // The answer is written with an indentation of two: nothing else begins a line so.
  const at = text.startsWith('{\n  "extensions": {') ? 2 : text.indexOf('\n  "extensions": {') + 1;
  if (at <= 0) return undefined;
  let line = 1;
  for (let i = text.indexOf('\n'); i >= 0 && i < at; i = text.indexOf('\n', i + 1)) line++;
  return line;
}

/** show writes a path for people: lists as [0], or as nothing where the path names no element. */
export function show(path: Path): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
}
