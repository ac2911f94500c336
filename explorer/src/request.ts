import type { Fetcher, FetcherOpts, FetcherParams, Observable } from '@graphiql/toolkit';
import { formatResult } from '@graphiql/toolkit';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { parse as parseDocument } from 'graphql';
import { meros } from 'meros/browser';
import { changed, credentialHeaders, noteRefusal } from './credentials';
import { members, readPlan, type Members } from './explain';
import { Assembly } from './parts';
import { begin, type Run } from './runs';

// Relative to the page, so that a proxy may serve both below a path of its own.
const endpoint = new URL('graphql', document.baseURI);
const planEndpoint = new URL('graphql/plan', document.baseURI);

export interface Operation {
  query: string;
  variables?: unknown;
  operationName?: string | null;
}

type Headers = Record<string, string>;

const plain = 'application/graphql-response+json, application/json;q=0.9';
const inParts = `multipart/mixed;incrementalSpec=v0.2, application/graphql-response+json;q=0.9, application/json;q=0.8`;
const events = 'text/event-stream, application/graphql-response+json;q=0.9';

function post(url: URL, operation: Operation, headers: Headers, signal?: AbortSignal): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    credentials: 'same-origin',
    signal,
    headers: { Accept: plain, 'Content-Type': 'application/json', ...credentialHeaders(), ...headers },
    body: JSON.stringify(operation),
  });
}

/** failure returns an answer in GraphQL's shape for a failure without one, so that it is shown like any other error. */
const failure = (message: string): Members => ({ errors: [{ message }] });

export const unreachable = 'The server could not be reached. Is it still running?';

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** sentence returns the message in an answer that may be JSON or plain text. */
export function sentence(text: string): string {
  const body = parse(text) as { errors?: { message?: unknown }[]; message?: unknown } | undefined;
  const said = body?.errors?.[0]?.message ?? body?.message;
  if (typeof said === 'string') return said;
  return body === undefined ? text.trim().slice(0, 300) : '';
}

/** wants has the options of the next run that are not in the editors. */
interface Wants {
  fresh?: boolean;
  capture?: boolean;
}

let next: Wants = {};

/** runNext sets the options of the next run. */
export const runNext = (wants: Wants): void => void (next = wants);

/** fetcher runs operations for GraphiQL and requests the explain view, which the server sends only to callers who may have it. */
export const fetcher: Fetcher = (operation, options) => {
  if (operation.operationName === 'IntrospectionQuery') return introspect(operation, options?.headers ?? {});
  const wants = next;
  next = {};
  return run(operation, options, wants) as Observable<never>;
};

/**
 * introspect asks for the schema. Where the server wants a credential first it is asked again once there is one: the
 * reader has asked for nothing so far, and gets no error.
 */
async function introspect(operation: FetcherParams, headers: Headers): Promise<never> {
  for (;;) {
    const other = changed();
    let response;
    try {
      response = await post(endpoint, operation, headers);
    } catch {
      return failure(unreachable) as never;
    }
    if (response.status !== 401) return members(parse(await response.text())) as never;
    noteRefusal();
    await other;
  }
}

/** run sends an operation; who subscribes gets the whole answer so far whenever more of it came. */
function run(operation: Operation, options: FetcherOpts | undefined, wants: Wants): Observable<unknown> {
  const headers: Headers = { 'X-Learngraph-Explain': '1', ...options?.headers };
  if (wants.fresh) headers['Cache-Control'] = 'no-cache';
  if (wants.capture) headers['X-Learngraph-Capture'] = '1';
  // A capture compares the answer with that of a replay, in one piece.
  headers.Accept ??= wants.capture ? plain : isSubscription(operation) ? events : inParts;
  return {
    subscribe(observer) {
      const { next: show, complete } = observer as { next(answer: unknown): void; complete(): void };
      const aborter = new AbortController();
      const change = begin({ operation, headers: options?.headers ?? {}, captureAsked: wants.capture ?? false });
      void new Receiver(change, show)
        .receive(operation, headers, aborter.signal)
        .then((answer) => planAfter(answer, operation, options?.headers ?? {}, change))
        .finally(complete);
      return { unsubscribe: () => (aborter.abort(), change({ state: 'stopped' })) };
    },
  };
}

function isSubscription({ query, operationName }: Operation): boolean {
  try {
    const operations = parseDocument(query).definitions.filter((d) => d.kind === 'OperationDefinition');
    const one = operations.find((o) => o.name?.value === operationName) ?? operations[0];
    return one?.operation === 'subscription';
  } catch {
    return false;
  }
}

/** planAfter asks what an operation that was run could call at most: the panel warns of what passes the server's limits. */
async function planAfter(answer: Members, operation: Operation, headers: Headers, change: (change: Partial<Run>) => void) {
  if (members(answer.extensions).explain === undefined) return;
  const planned = await fetchPlan(operation, headers);
  if ('body' in planned) change({ plan: readPlan(planned.body) });
}

/** Receiver reads one answer, in whatever form it comes. */
class Receiver {
  #sent = performance.now();
  #bytes = 0;
  #payloads: Run['payloads'] = [];
  #answer: Members = {};

  constructor(
    private readonly change: (change: Partial<Run>) => void,
    private readonly show: (answer: unknown) => void,
  ) {}

  /** receive returns the whole answer. */
  async receive(operation: Operation, headers: Headers, signal: AbortSignal): Promise<Members> {
    try {
      const response = await post(endpoint, operation, headers, signal);
      if (response.status === 401) noteRefusal();
      this.change({ status: response.status, statusText: response.statusText, answerHeaders: [...response.headers] });
      await this.#read(this.#counted(response));
    } catch {
      // A stopped run shows the payloads that have arrived.
      if (signal.aborted) return this.#answer;
      this.#put(this.#payloads.length > 0 ? { ...this.#answer, ...failure('The connection ended before the end of the answer.') } : failure(unreachable));
    }
    this.change({ state: 'done', ms: this.#ms() });
    return this.#answer;
  }

  #ms = () => performance.now() - this.#sent;

  /** #counted counts the bytes of a body as it is read. */
  #counted(response: Response): Response {
    const count = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, out) => {
        this.#bytes += chunk.byteLength;
        out.enqueue(chunk);
      },
    });
    return new Response(response.body?.pipeThrough(count), { status: response.status, headers: response.headers });
  }

  async #read(response: Response) {
    const type = response.headers.get('Content-Type') ?? '';
    if (type.startsWith('multipart/mixed')) return this.#readParts(response);
    if (type.startsWith('text/event-stream')) return this.#readEvents(response);
    const text = await response.text();
    const body = parse(text);
    const said = sentence(text);
    this.#put(
      typeof body === 'object' && body !== null
        ? (body as Members)
        : failure(`The server answered ${response.status} without a GraphQL result${said ? `: ${said}` : '.'}`),
    );
  }

  async #readParts(response: Response) {
    const whole = new Assembly();
    this.change({ stream: true });
    const parts = await meros<unknown>(response);
    if (parts instanceof Response) return;
    for await (const part of parts) this.#add(whole, part.json ? part.body : failure('A part of the answer is not JSON.'));
  }

  /** #readEvents reads server-sent events: parts of one answer, or one answer after the other. */
  async #readEvents(response: Response) {
    let whole = new Assembly();
    this.change({ stream: true });
    const reader = response.body!.pipeThrough(new TextDecoderStream() as never).pipeThrough(new EventSourceParserStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || value.event === 'complete') return;
      if (value.event !== 'next') continue;
      const payload = members(parse(value.data));
      if ('data' in payload) whole = new Assembly();
      this.#add(whole, payload);
    }
  }

  #add(whole: Assembly, payload: unknown) {
    this.#payloads = [...this.#payloads, { atMs: this.#ms(), ...whole.add(payload) }];
    this.#put({ ...whole.whole });
  }

  #put(answer: Members) {
    this.#answer = answer;
    this.change({ text: formatResult(answer), bytes: this.#bytes, ms: this.#ms(), payloads: this.#payloads });
    this.show(answer);
  }
}

export type PlanAnswer = { body: unknown } | { fault: string };

/** fetchPlan requests the plan of an operation. A fault is a sentence for people. */
export async function fetchPlan(operation: Operation, headers: Headers): Promise<PlanAnswer> {
  let response, text;
  try {
    response = await post(planEndpoint, operation, headers);
    text = await response.text();
  } catch {
    return { fault: unreachable };
  }
  if (response.status === 401) noteRefusal();
  const said = sentence(text);
  if (response.status === 404) {
    return { fault: `This server has no plans${said ? `: ${said}` : '.'}` };
  }
  const body = parse(text);
  if (response.status >= 400 || typeof body !== 'object' || body === null) {
    return { fault: said || `The server answered ${response.status} without a plan.` };
  }
  if ('errors' in body) return { fault: said || 'The server returned no plan for this operation.' };
  return { body };
}

/** fetchSchema returns the schema that a server with INTROSPECTION sends; undefined if it sends none. */
export async function fetchSchema(): Promise<string | undefined> {
  try {
    const response = await fetch(new URL('schema.graphqls', document.baseURI), { headers: credentialHeaders() });
    return response.ok ? await response.text() : undefined;
  } catch {
    return undefined;
  }
}
