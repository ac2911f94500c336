import { list, members, text, toPath, type Members, type Path } from './explain';

interface Pending {
  path: Path;
  label: string;
}

/** Arrival is the content of a payload: the paths of the answer in it, and the labels of the parts that it completed. */
export interface Arrival {
  paths: Path[];
  labels: string[];
  errors: number;
}

const isObject = (v: unknown): v is Members => typeof v === 'object' && v !== null && !Array.isArray(v);

/** mergeInto adds the members of b to a; both are parsed JSON. */
function mergeInto(a: unknown, b: unknown): unknown {
  if (Array.isArray(a) && Array.isArray(b)) {
    b.forEach((element, i) => (a[i] = mergeInto(a[i], element)));
    return a;
  }
  if (!isObject(a) || !isObject(b)) return b;
  for (const [name, value] of Object.entries(b)) a[name] = mergeInto(a[name], value);
  return a;
}

/** Assembly puts the payloads of an answer in parts together, as incrementalSpec=v0.2 has them. */
export class Assembly {
  /** whole is the answer so far, without the members about its delivery. */
  whole: Members = {};
  #pending = new Map<string, Pending>();

  /** add merges a payload. */
  add(payload: unknown): Arrival {
    const part = members(payload);
    const arrival: Arrival = { paths: [], labels: [], errors: 0 };
    if ('data' in part) {
      this.whole.data = part.data;
      arrival.paths.push(...Object.keys(members(part.data)).map((name) => [name]));
    }
    for (const p of list(part.pending).map(members)) {
      this.#pending.set(text(p.id), { path: toPath(p.path), label: text(p.label) });
    }
    for (const piece of list(part.incremental)) this.#place(members(piece), arrival);
    for (const ended of list(part.completed).map(members)) {
      const label = this.#pending.get(text(ended.id))?.label;
      if (label && !arrival.labels.includes(label)) arrival.labels.push(label);
      this.#pending.delete(text(ended.id));
      this.#fail(ended.errors, arrival);
    }
    this.#fail(part.errors, arrival);
    if (part.extensions !== undefined) this.whole.extensions = mergeInto(this.whole.extensions, part.extensions);
    return arrival;
  }

  #fail(errors: unknown, arrival: Arrival) {
    const more = list(errors);
    if (more.length === 0) return;
    arrival.errors += more.length;
    this.whole.errors = [...list(this.whole.errors), ...more];
  }

  #place(piece: Members, arrival: Arrival) {
    const base = this.#pending.get(text(piece.id))?.path ?? toPath(piece.path);
    const path = [...base, ...toPath(piece.subPath)];
    const at = this.#find(path);
    if (Array.isArray(at) && Array.isArray(piece.items)) {
      for (const item of piece.items) {
        arrival.paths.push([...path, at.length]);
        at.push(item);
      }
    } else if (isObject(at) && isObject(piece.data)) {
      for (const name of Object.keys(piece.data)) arrival.paths.push([...path, name]);
      mergeInto(at, piece.data);
    }
    this.#fail(piece.errors, arrival);
  }

  #find(path: Path): unknown {
    let at = this.whole.data;
    for (const step of path) at = Array.isArray(at) ? at[Number(step)] : members(at)[String(step)];
    return at;
  }
}
