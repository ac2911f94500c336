import { graphql, usePaginationFragment } from 'react-relay';
import type { CredentialsPageQuery } from './__generated__/CredentialsPageQuery.graphql';
import type { Credentials_user$key } from './__generated__/Credentials_user.graphql';
import { dayOf } from './scalars';

// The other pages are read by the global id of the person, with node(id:). A backend that fails nulls its own fields alone:
// here that is an error, not a person without credentials.
export function Credentials({ user }: { user: Credentials_user$key }) {
  const { data, hasNext, isLoadingNext, loadNext } = usePaginationFragment<CredentialsPageQuery, Credentials_user$key>(
    graphql`
      fragment Credentials_user on User
      @throwOnFieldError
      @refetchable(queryName: "CredentialsPageQuery")
      @argumentDefinitions(first: { type: "Int", defaultValue: 1 }, after: { type: "String" }) {
        credentials(first: $first, after: $after) @connection(key: "Credentials_credentials") {
          edges { node { id type status validUntil } }
        }
      }
    `,
    user,
  );
  const list = data.credentials?.edges.flatMap(({ node }) => (node ? [node] : [])) ?? [];
  if (list.length === 0) return <p className="none">No credentials</p>;
  return (
    <>
      <ul className="credentials">
        {list.map((c) => (
          <li key={c.id} data-status={c.status ?? 'unknown'}>
            {c.type ?? 'Credential'}{c.status && `, ${c.status}`}{c.validUntil && ` until ${dayOf(c.validUntil)}`}
          </li>
        ))}
      </ul>
      {hasNext && <button type="button" disabled={isLoadingNext} onClick={() => loadNext(5)}>More credentials</button>}
    </>
  );
}
