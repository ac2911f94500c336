import { CombinedGraphQLErrors, type ErrorLike } from '@apollo/client';

/** What the person who looks at the page can be told of a code; the others have no better words than the server's. */
const words: { [code: string]: string } = {
  UNAUTHENTICATED: 'You are not signed in.',
  FORBIDDEN: 'You may not see this.',
  RATE_LIMITED: 'There are too many requests. Try again in a moment.',
  BACKEND_UNAVAILABLE: 'A part of this page cannot be reached at the moment.',
  BACKEND_TIMEOUT: 'A part of this page took too long.',
};

export function Problem({ error, retry }: { error: ErrorLike; retry: () => void }) {
  const said = CombinedGraphQLErrors.is(error)
    ? [...new Set(error.errors.map((e) => words[String(e.extensions?.code)] ?? e.message))].join(' ')
    : 'The server cannot be reached.';
  return (
    <p className="problem" role="alert">
      {said} <button type="button" onClick={retry}>Try again</button>
    </p>
  );
}
