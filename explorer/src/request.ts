import type { Fetcher } from '@graphiql/toolkit';

// Relative to the page, so that a proxy may serve both below a path of its own.
const endpoint = new URL('graphql', document.baseURI);
const planEndpoint = new URL('graphql/plan', document.baseURI);

export interface Operation {
  query: string;
  variables?: unknown;
  operationName?: string | null;
}

type Headers = Record<string, string>;

/** post sends an operation and gives the status and text of the answer; it throws only when no answer came. */
async function post(url: URL, operation: Operation, headers: Headers) {
  const response = await fetch(url, {
    method: 'POST',
    credentials: 'same-origin',
    headers: {
      Accept: 'application/graphql-response+json, application/json;q=0.9',
      'Content-Type': 'application/json',
      ...headers,
    },
    body: JSON.stringify(operation),
  });
  return { status: response.status, text: await response.text() };
}

/** failure is an answer in GraphQL's shape for what is no GraphQL answer, so that it is shown like any other error. */
function failure(message: string) {
  return { errors: [{ message }] } as never;
}

export const unreachable = 'The server could not be reached. Is it still running?';

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** sentence takes what the server says out of an answer that may be JSON or plain text. */
export function sentence(text: string): string {
  const body = parse(text) as { errors?: { message?: unknown }[]; message?: unknown } | undefined;
  const said = body?.errors?.[0]?.message ?? body?.message;
  if (typeof said === 'string') return said;
  return body === undefined ? text.trim().slice(0, 300) : '';
}

/** fetcher runs operations for GraphiQL and asks for the explain view, which the server gives only where it is allowed. */
export const fetcher: Fetcher = async (operation, options) => {
  const explain: Headers = operation.operationName === 'IntrospectionQuery' ? {} : { 'X-Learngraph-Explain': '1' };
  let answer;
  try {
    answer = await post(endpoint, operation, { ...explain, ...options?.headers });
  } catch {
    return failure(unreachable);
  }
  const body = parse(answer.text);
  if (typeof body === 'object' && body !== null) return body as never;
  const said = sentence(answer.text);
  return failure(`The server answered ${answer.status} without a GraphQL result${said ? `: ${said}` : '.'}`);
};

export type PlanAnswer = { body: unknown } | { fault: string };

/** fetchPlan asks what an operation would call. A fault is a sentence for people. */
export async function fetchPlan(operation: Operation, headers: Headers): Promise<PlanAnswer> {
  let answer;
  try {
    answer = await post(planEndpoint, operation, headers);
  } catch {
    return { fault: unreachable };
  }
  const said = sentence(answer.text);
  if (answer.status === 404) {
    return { fault: `This server makes no plans${said ? `; it says: ${said}` : '.'}` };
  }
  const body = parse(answer.text);
  if (answer.status >= 400 || typeof body !== 'object' || body === null) {
    return { fault: said || `The server answered ${answer.status} without a plan.` };
  }
  if ('errors' in body) return { fault: said || 'The server made no plan of this operation.' };
  return { body };
}
