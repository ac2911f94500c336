import { useTransition } from 'react';
import { graphql, usePaginationFragment } from 'react-relay';
import type { Organisations_query$key } from './__generated__/Organisations_query.graphql';
import type { PeoplePageQuery } from './__generated__/PeoplePageQuery.graphql';
import type { People_query$key } from './__generated__/People_query.graphql';
import { Organisations } from './Organisations';
import { Person } from './Person';

const pageSize = 10;

// The pages of one organisation are one list: the connection is kept under its arguments other than the page's.
export function People({ query }: { query: People_query$key & Organisations_query$key }) {
  const [choosing, startTransition] = useTransition();
  const { data, hasNext, isLoadingNext, loadNext, refetch } = usePaginationFragment<PeoplePageQuery, People_query$key>(
    graphql`
      fragment People_query on Query
      @refetchable(queryName: "PeoplePageQuery")
      @argumentDefinitions(
        first: { type: "Int", defaultValue: 10 }
        after: { type: "String" }
        organisation: { type: "String" }
      ) {
        users(first: $first, after: $after, clientIdentifier: $organisation) @connection(key: "People_users") {
          edges { node { id ...Person_user } }
        }
      }
    `,
    query,
  );
  const people = data.users?.edges.flatMap(({ node }) => (node ? [node] : [])) ?? [];
  // What is shown stays there until the people of the other organisation have come.
  const choose = (organisation: string | null) => startTransition(() => {
    refetch({ organisation }, { fetchPolicy: 'store-or-network' });
  });
  return (
    <>
      <header>
        <h1>People</h1>
        <Organisations query={query} choose={choose} />
      </header>
      <ul className="people" aria-busy={choosing || isLoadingNext}>
        {people.map((person) => <Person key={person.id} user={person} />)}
        {people.length === 0 && <li className="none">{data.users ? 'No one yet.' : 'The people cannot be read at the moment.'}</li>}
      </ul>
      {hasNext && <button type="button" disabled={isLoadingNext} onClick={() => loadNext(pageSize)}>More people</button>}
    </>
  );
}
