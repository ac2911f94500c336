import { Environment, Network, Observable, RecordSource, Store, type FetchFunction, type RequestParameters, type Variables } from 'relay-runtime';
import { accept, answers } from './parts.mjs';

declare const __LEARNGRAPH_URL__: string;

/** The token of the person who signed in, for a server with AUTH=jwt; the demo needs none. */
const token = (): string | null => sessionStorage.getItem('token');

// The compiler put an id in the place of each document: the page holds no text of one and sends none. Queries go by GET, so that
// caches on the way can keep the answer.
function send({ id, operationKind }: RequestParameters, variables: Variables, force: boolean, signal: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { Accept: accept };
  const bearer = token();
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (operationKind === 'query') {
    const asked = new URLSearchParams({ documentId: id!, variables: JSON.stringify(variables) });
    return fetch(`${__LEARNGRAPH_URL__}?${asked}`, { headers, cache: force ? 'no-cache' : 'default', signal });
  }
  headers['Content-Type'] = 'application/json';
  return fetch(__LEARNGRAPH_URL__, { method: 'POST', headers, body: JSON.stringify({ documentId: id, variables }), signal });
}

// An operation with @defer or @stream has several answers. Who leaves it ends the request, and with it the calls of the server.
const ask: FetchFunction = (request, variables, { force }) =>
  Observable.create((sink) => {
    const leaving = new AbortController();
    (async () => {
      for await (const answer of answers(await send(request, variables, force === true, leaving.signal))) sink.next(answer);
      sink.complete();
    })().catch((error: Error) => {
      if (!leaving.signal.aborted) sink.error(error);
    });
    return () => leaving.abort();
  });

export const newEnvironment = (): Environment =>
  new Environment({ network: Network.create(ask), store: new Store(new RecordSource()) });
