import { Suspense } from 'react';
import { graphql, useLazyLoadQuery } from 'react-relay';
import type { AppQuery } from './__generated__/AppQuery.graphql';
import { Boundary, type Attempt } from './Boundary';
import { People } from './People';

export function App() {
  return (
    <main>
      <Boundary>
        {(attempt) => (
          <Suspense fallback={<Waiting />}>
            <Page attempt={attempt} />
          </Suspense>
        )}
      </Boundary>
    </main>
  );
}

function Page({ attempt }: { attempt: Attempt }) {
  const query = useLazyLoadQuery<AppQuery>(
    graphql`
      query AppQuery {
        ...People_query
        ...Organisations_query
      }
    `,
    {},
    attempt,
  );
  return <People query={query} />;
}

const Waiting = () => (
  <div aria-busy="true">
    <header><h1>People</h1></header>
    {Array.from({ length: 8 }, (_, i) => <div key={i} className="skeleton row" />)}
  </div>
);
