/** Call is one call to a backend. Times are milliseconds since the operation began, bytes those that were received. */
export interface Call {
  backend: string;
  route: string;
  startMs: number;
  durationMs: number;
  status: number;
  bytes: number;
  retries: number;
  coalesced: boolean;
  batchSize: number;
  /** waitMs passed before startMs, until the budget allowed the call. */
  waitMs: number;
  parameters: Parameter[];
  paths: Path[];
}

/** Parameter is an argument of a call: its value, or a digest if the caller may not see the value. */
export interface Parameter {
  name: string;
  value?: string;
  digest?: string;
}

/** Path leads to a field of the answer. Lists may be left out of it: then it means the field in every element. */
export type Path = (string | number)[];

/** Fact is one record that the operation used, with its origin and time, in the form of a call's times. */
export interface Fact {
  backend: string;
  key: string;
  verdict: string;
  atMs: number;
  ageSeconds: number;
  reason: string;
}

export interface Explain {
  calls: Call[];
  facts: Fact[];
  callsMade: number;
  callsNaive?: number;
  bytesReceived?: number;
  bytesSent?: number;
}

export interface Cost {
  requested?: number;
  actual?: number;
  maximum?: number;
  available?: number;
}

export interface Stale {
  backend: string;
  ageSeconds: number;
  /** expiredSeconds is the time since the fact was fresh; 0 if the request demanded a fresher one. */
  expiredSeconds: number;
  reason: string;
}

export interface Fault {
  message: string;
  code: string;
  backend: string;
  retryAfter?: number;
  path: Path;
}

/** Answer is the part of a GraphQL answer that the panel shows. Explain is missing if the server does not explain. */
export interface Answer {
  /** ran is false where the server refused the operation before anything was executed. */
  ran: boolean;
  explain?: Explain;
  cost?: Cost;
  stale: Stale[];
  faults: Fault[];
}

export type Members = Record<string, unknown>;

export const members = (v: unknown): Members => (typeof v === 'object' && v !== null ? (v as Members) : {});
export const list = (v: unknown): unknown[] => (Array.isArray(v) ? v : []);
export const text = (v: unknown): string => (typeof v === 'string' ? v : '');
export const number = (v: unknown): number | undefined => (typeof v === 'number' && Number.isFinite(v) ? v : undefined);

/** toPath reads a path written as a list or as names and indexes joined by dots. */
export function toPath(v: unknown): Path {
  if (Array.isArray(v)) return v.filter((s) => typeof s === 'string' || typeof s === 'number');
  return text(v)
    .split(/[.[\]/]+/)
    .filter((s) => s !== '')
    .map((s) => (/^\d+$/.test(s) ? Number(s) : s));
}

function toParameter(v: unknown): Parameter {
  const m = members(v);
  // A value that is empty is left out, and no digest takes its place.
  return { name: text(m.name), value: 'digest' in m ? undefined : text(m.value), digest: text(m.digest) || undefined };
}

function toCall(v: unknown): Call {
  const m = members(v);
  return {
    backend: text(m.backend),
    route: text(m.route),
    startMs: Math.max(0, number(m.startMs) ?? 0),
    durationMs: Math.max(0, number(m.durationMs) ?? 0),
    status: number(m.status) ?? 0,
    bytes: number(m.bytes) ?? 0,
    retries: number(m.retries) ?? 0,
    coalesced: m.coalesced === true || (number(m.coalesced) ?? 0) > 0,
    batchSize: number(m.batchSize) ?? 0,
    waitMs: Math.max(0, number(m.waitMs) ?? 0),
    parameters: list(m.parameters).map(toParameter),
    paths: list(m.paths).map(toPath),
  };
}

function toFact(v: unknown): Fact {
  const m = members(v);
  return {
    backend: text(m.backend),
    key: text(m.key),
    verdict: text(m.verdict),
    atMs: Math.max(0, number(m.atMs) ?? 0),
    ageSeconds: number(m.ageSeconds) ?? 0,
    reason: text(m.reason),
  };
}

function toExplain(v: unknown): Explain | undefined {
  if (typeof v !== 'object' || v === null) return undefined;
  const m = members(v);
  const calls = list(m.calls).map(toCall).sort((a, b) => a.startMs - b.startMs);
  return {
    calls,
    facts: list(m.facts).map(toFact),
    callsMade: number(m.callsMade) ?? calls.length,
    callsNaive: number(m.callsNaive),
    bytesReceived: number(m.bytesReceived),
    bytesSent: number(m.bytesSent),
  };
}

/** toCost reads the cost of an operation; undefined where the server does not count it. */
export function toCost(v: unknown): Cost | undefined {
  if (typeof v !== 'object' || v === null) return undefined;
  const m = members(v);
  const throttle = members(m.throttleStatus);
  return {
    requested: number(m.requestedQueryCost),
    actual: number(m.actualQueryCost),
    maximum: number(throttle.maximumAvailable),
    available: number(throttle.currentlyAvailable),
  };
}

function toStale(v: unknown): Stale {
  const m = members(v);
  return { backend: text(m.backend), ageSeconds: number(m.ageSeconds) ?? 0, expiredSeconds: number(m.expiredSeconds) ?? 0, reason: text(m.reason) };
}

function toFault(v: unknown): Fault {
  const m = members(v);
  const extensions = members(m.extensions);
  return {
    message: text(m.message) || 'an error without a message',
    code: text(extensions.code),
    backend: text(extensions.backend),
    retryAfter: number(extensions.retryAfter),
    path: toPath(m.path),
  };
}

/** readAnswer returns the part of a GraphQL answer that the panel shows; undefined if it is not a GraphQL answer. */
export function readAnswer(response: string | null | undefined): Answer | undefined {
  if (!response) return undefined;
  let body: unknown;
  try {
    body = JSON.parse(response);
  } catch {
    return undefined;
  }
  const extensions = members(members(body).extensions);
  return {
    ran: 'data' in members(body),
    explain: toExplain(extensions.explain),
    cost: toCost(extensions.cost),
    stale: list(members(extensions.freshness).stale).map(toStale),
    faults: list(members(body).errors).map(toFault),
  };
}

/** Plan is the maximum number of calls of an operation, by backend and by field. */
export interface Plan {
  cost?: number;
  /** limit is the maximum cost of an operation; undefined if there is none. */
  limit?: number;
  calls: { backend: string; calls: number }[];
  fields: { path: Path; backend: string; calls: number }[];
  /** warnings name the limits of the server that the operation can exceed. */
  warnings: string[];
}

function toPlannedField(v: unknown): Plan['fields'][number] {
  const m = members(v);
  return { path: toPath(m.path), backend: text(m.backend), calls: number(m.calls) ?? 0 };
}

/** readPlan returns data.plan of the plan path's answer; undefined if it has none. */
export function readPlan(body: unknown): Plan | undefined {
  const { plan } = members(members(body).data);
  if (typeof plan !== 'object' || plan === null) return undefined;
  const m = members(plan);
  return {
    cost: toCost(m.cost)?.requested,
    limit: number(m.limit) || undefined,
    calls: Object.entries(members(m.calls)).map(([backend, n]) => ({ backend, calls: number(n) ?? 0 })),
    fields: list(m.fields).map(toPlannedField),
    warnings: list(m.warnings).map(text).filter((warning) => warning !== ''),
  };
}
