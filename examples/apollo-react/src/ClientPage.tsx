import { useQuery } from '@apollo/client/react';
import { graphql } from './gql';
import type { ClientPageQuery } from './gql/graphql';
import { Person } from './Person';
import { Problem } from './Problem';
import { dayOf } from './scalars';
import { Seats } from './Seats';

// Credentials are of a backend that is slower than the others: the page is there before them.
const clientPageDocument = graphql(`
  query ClientPage($id: ID!, $after: String) {
    client(by: { id: $id }) {
      id
      name
      slug
      licenseEndDate
      seatsUsedCount
      seatsLimit
      learningPaths(first: 0) { totalCount }
      courses(first: 6, status: [published]) {
        totalCount
        nodes { sourceId title priceInCents courseStartDate }
      }
      users(first: 20, after: $after) {
        pageInfo { hasNextPage endCursor }
        edges {
          cursor
          node {
            id
            ...PersonFields
            ...CredentialsOfPerson @defer(label: "credentials")
          }
        }
      }
    }
  }
`);

export function ClientPage({ id }: { id: string }) {
  const { data, error, loading, refetch, fetchMore } = useQuery(clientPageDocument, {
    variables: { id },
    // A backend that fails nulls its own fields: the rest is shown, with what is missing.
    errorPolicy: 'all',
  });
  const client = data?.client;
  if (!client) {
    if (loading) return <Waiting />;
    return (
      <article>
        <Back />
        {error ? <Problem error={error} retry={() => void refetch()} /> : <p className="none">This client no longer exists.</p>}
      </article>
    );
  }
  const people = client.users?.edges.flatMap(({ node }) => (node ? [node] : [])) ?? [];
  const more = client.users?.pageInfo;
  return (
    <article>
      <Back />
      <header className="title">
        <h2>{client.name ?? 'Unnamed'}</h2>
        {client.slug && <code>{client.slug}</code>}
      </header>
      {error && <Problem error={error} retry={() => void refetch()} />}
      <Figures client={client} />
      <section aria-labelledby="people">
        <h3 id="people">People</h3>
        <ul className="people">
          {people.map((person) => <Person key={person.id} person={person} arriving={loading} />)}
          {people.length === 0 && <li className="none">No one yet.</li>}
        </ul>
        {more?.hasNextPage && <button type="button" onClick={() => void fetchMore({ variables: { after: more.endCursor } })}>More people</button>}
      </section>
      <Courses courses={client.courses} />
    </article>
  );
}

type Client = NonNullable<ClientPageQuery['client']>;

function Figures({ client }: { client: Client }) {
  return (
    <dl className="figures">
      <div><dt>Seats</dt><dd><Seats used={client.seatsUsedCount} limit={client.seatsLimit} /></dd></div>
      <div><dt>License until</dt><dd>{client.licenseEndDate ? dayOf(client.licenseEndDate) : '–'}</dd></div>
      <div><dt>Courses</dt><dd>{client.courses?.totalCount ?? '–'}</dd></div>
      <div><dt>Learning paths</dt><dd>{client.learningPaths?.totalCount ?? '–'}</dd></div>
    </dl>
  );
}

const price = new Intl.NumberFormat('en-GB', { style: 'currency', currency: 'USD', currencyDisplay: 'narrowSymbol' });

function Courses({ courses }: { courses: Client['courses'] }) {
  if (!courses) return null;
  return (
    <section aria-labelledby="courses">
      <h3 id="courses">Courses</h3>
      <ul className="courses">
        {courses.nodes.map((course) => course && (
          <li key={course.sourceId}>
            <span className="name">{course.title}</span>
            <span className="detail">{course.courseStartDate && `from ${dayOf(course.courseStartDate)}`}</span>
            <b>{course.priceInCents !== null && price.format(course.priceInCents / 100)}</b>
          </li>
        ))}
      </ul>
      {courses.totalCount > courses.nodes.length && <p className="rest">and {courses.totalCount - courses.nodes.length} more</p>}
    </section>
  );
}

const Back = () => <a className="back" href="#/">← All clients</a>;

function Waiting() {
  return (
    <article aria-busy="true">
      <Back />
      <div className="skeleton heading" />
      <div className="skeleton figures" />
      {Array.from({ length: 4 }, (_, i) => <div key={i} className="skeleton row" />)}
    </article>
  );
}
