import type { Call } from './explain';

/** Group is the calls to one route of a backend, by their index. */
export interface Group {
  key: string;
  backend: string;
  route: string;
  calls: number[];
}

/** group puts equal calls together, where the first of them began. */
export function group(calls: Call[]): Group[] {
  const groups = new Map<string, Group>();
  calls.forEach(({ backend, route }, i) => {
    const key = `${backend} ${route}`;
    const g = groups.get(key) ?? { key, backend, route, calls: [] };
    g.calls.push(i);
    groups.set(key, g);
  });
  return [...groups.values()];
}

/** telling returns the parameters of a call that not all calls of its group share. */
export function telling(call: Call, others: Call[]): string {
  const differs = call.parameters.filter((p) => others.some((o) => valueOf(o, p.name) !== (p.value ?? p.digest)));
  return differs.map((p) => `${p.name}=${p.value ?? `#${p.digest ?? ''}`}`).join(' ');
}

function valueOf(call: Call, name: string): string | undefined {
  const p = call.parameters.find((parameter) => parameter.name === name);
  return p?.value ?? p?.digest;
}
