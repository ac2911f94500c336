import { useQuery } from '@apollo/client/react';
import { useEffect, useRef, useState } from 'react';
import { graphql } from './gql';
import type { ClientsQuery } from './gql/graphql';
import { Seats } from './Seats';
import { Problem } from './Problem';

const clientsDocument = graphql(`
  query Clients($first: Int!, $after: String, $query: String) {
    clients(first: $first, after: $after, query: $query) {
      totalCount
      pageInfo { hasNextPage endCursor }
      edges { cursor node { id name slug seatsUsedCount seatsLimit } }
    }
  }
`);

const pageSize = 12;

type Row = NonNullable<NonNullable<ClientsQuery['clients']>['edges'][number]['node']>;

export function ClientList({ current }: { current: string | null }) {
  const [text, setText] = useState('');
  const query = useSettled(text.trim());
  const { data, previousData, error, loading, fetchMore, refetch } = useQuery(clientsDocument, {
    variables: { first: pageSize, query: query || null },
  });
  const list = (data ?? previousData)?.clients;
  const rows = list?.edges.flatMap(({ node }) => (node ? [node] : [])) ?? [];
  const more = data?.clients?.pageInfo;
  return (
    <nav className="list" aria-label="Clients">
      <header>
        <h1>Clients</h1>
        <span className="count" aria-live="polite">{list?.totalCount ?? ''}</span>
        <input type="search" placeholder="Search by name" aria-label="Search clients" value={text} onChange={(e) => setText(e.target.value)} />
      </header>
      {error && <Problem error={error} retry={() => void refetch()} />}
      <ul aria-busy={loading}>
        {rows.map((row) => <ClientRow key={row.id} row={row} current={row.id === current} />)}
        {!list && loading && Array.from({ length: pageSize }, (_, i) => <li key={i} className="skeleton row" />)}
        {list && rows.length === 0 && <li className="none">No client has this name.</li>}
        {more?.hasNextPage && (
          <More key={more.endCursor} load={() => void fetchMore({ variables: { after: more.endCursor } })} />
        )}
      </ul>
    </nav>
  );
}

function ClientRow({ row, current }: { row: Row; current: boolean }) {
  return (
    <li>
      <a className="row" href={`#/clients/${encodeURIComponent(row.id)}`} aria-current={current ? 'page' : undefined}>
        <span className="name">{row.name ?? 'Unnamed'}</span>
        <Seats used={row.seatsUsedCount} limit={row.seatsLimit} unit=" seats" />
      </a>
    </li>
  );
}

/** The end of what is loaded: loads the next page as it comes into view, or is pressed. */
function More({ load }: { load: () => void }) {
  const end = useRef<HTMLLIElement>(null);
  const latest = useRef(load);
  useEffect(() => {
    latest.current = load;
  });
  useEffect(() => {
    const seen = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) latest.current();
    }, { rootMargin: '120px' });
    seen.observe(end.current!);
    return () => seen.disconnect();
  }, []);
  return <li ref={end} className="more"><button type="button" onClick={load}>Load more</button></li>;
}

/** A value that has not changed for a moment: a search is not sent for each key. */
function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), 200);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
