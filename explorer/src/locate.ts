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

/**
 * locate finds the fields that paths lead to in the text of an answer, at most limit of them. A path without an index
 * at a list means the field in every element.
 */
export function locate(text: string, paths: Path[], limit: number): Span[] {
  const root = parseTree(text);
  const data = root && child(root, 'data');
  const found: Node[] = [];
  for (const path of paths) {
    if (found.length >= limit) break;
    walk(data, path[0] === 'data' && !child(data ?? { type: 'null', offset: 0, length: 0 }, 'data') ? path.slice(1) : path, 0, found);
  }
  return found.slice(0, limit).map((node) => {
    const from = node.parent?.type === 'property' ? node.parent : node;
    return { offset: from.offset, length: node.offset + node.length - from.offset };
  });
}

/** show writes a path for people: lists as [0], or as nothing where the path names no element. */
export function show(path: Path): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
}
