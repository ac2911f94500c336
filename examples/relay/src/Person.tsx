import { Suspense, useState } from 'react';
import { graphql, useFragment, useLazyLoadQuery } from 'react-relay';
import type { PersonQuery } from './__generated__/PersonQuery.graphql';
import type { Person_user$key } from './__generated__/Person_user.graphql';
import { Boundary, type Attempt } from './Boundary';
import { Credentials } from './Credentials';
import { Rename } from './Rename';
import { members } from './scalars';

export function Person({ user }: { user: Person_user$key }) {
  const [open, setOpen] = useState(false);
  const person = useFragment(
    graphql`
      fragment Person_user on User {
        id
        name
        metadata
        ...Rename_user
      }
    `,
    user,
  );
  const { department } = members(person.metadata);
  return (
    <li>
      <button type="button" className="person" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span className="name">{person.name ?? 'Unnamed'}</span>
        <span className="detail">{typeof department === 'string' ? department : ''}</span>
      </button>
      {open && (
        <div className="more">
          <Rename user={person} />
          <Boundary>
            {(attempt) => (
              <Suspense fallback={<p className="skeleton row" role="status" aria-label="Credentials are loading" />}>
                <Details id={person.id} attempt={attempt} />
              </Suspense>
            )}
          </Boundary>
        </div>
      )}
    </li>
  );
}

/** What only an open person asks for. */
function Details({ id, attempt }: { id: string; attempt: Attempt }) {
  const { user } = useLazyLoadQuery<PersonQuery>(
    graphql`
      query PersonQuery($id: ID!) @throwOnFieldError {
        user(by: { id: $id }) { ...Credentials_user }
      }
    `,
    { id },
    attempt,
  );
  return user ? <Credentials user={user} /> : <p className="none">This person no longer exists.</p>;
}
