/** Shared is the content of a link. It has no headers, which may contain a key. */
export interface Shared {
  query: string;
  variables?: string;
  operationName?: string;
}

/** linkTo returns the address of this page with an operation in its fragment, which browsers send to no server. */
export function linkTo({ query, variables, operationName }: Shared): string {
  const fragment = new URLSearchParams({ query });
  if (variables?.trim()) fragment.set('variables', variables);
  if (operationName) fragment.set('operationName', operationName);
  return `${location.origin}${location.pathname}#${fragment}`;
}

/** takeShared reads the operation out of the page's address and removes it there: from then on the tab is the copy. */
export function takeShared(): Shared | undefined {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const query = fragment.get('query');
  if (!query) return undefined;
  history.replaceState(null, '', location.pathname + location.search);
  return {
    query,
    variables: fragment.get('variables') ?? undefined,
    operationName: fragment.get('operationName') ?? undefined,
  };
}
