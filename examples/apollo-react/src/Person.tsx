import { useMutation } from '@apollo/client/react';
import { type FormEvent, useState } from 'react';
import { graphql } from './gql';
import type { CredentialsOfPersonFragment, PersonFieldsFragment } from './gql/graphql';
import { Problem } from './Problem';
import { dayOf, members } from './scalars';

graphql(`
  fragment PersonFields on User {
    id
    name
    metadata
  }
`);

graphql(`
  fragment CredentialsOfPerson on User {
    credentials(first: 5) {
      nodes { id type status validUntil }
    }
  }
`);

const renameDocument = graphql(`
  mutation Rename($input: UpdateUserInput!) {
    updateUser(input: $input) {
      user { ...PersonFields }
      userErrors { code message path }
    }
  }
`);

type Props = { person: PersonFieldsFragment & Partial<CredentialsOfPersonFragment>; arriving: boolean };

export function Person({ person, arriving }: Props) {
  const [editing, setEditing] = useState(false);
  const [mistake, setMistake] = useState<string>();
  const [rename, { error, reset }] = useMutation(renameDocument);

  async function save(name: string) {
    setEditing(false);
    setMistake(undefined);
    // The backend may replace the metadata or merge it: all of it is sent.
    const metadata = { ...members(person.metadata), name };
    const { data } = await rename({
      variables: { input: { by: { id: person.id }, metadata } },
      // The new name is shown at once. What the server answers takes its place: where it refuses, the old name is back.
      optimisticResponse: {
        __typename: 'Mutation',
        updateUser: {
          __typename: 'UpdateUserPayload',
          user: { __typename: 'User', id: person.id, name, metadata },
          userErrors: [],
        },
      },
    });
    setMistake(data?.updateUser?.userErrors.map((e) => (e.code === 'NOT_FOUND' ? 'this person no longer exists' : e.message)).join(', ') || undefined);
  }

  const department = members(person.metadata).department;
  return (
    <li className="person">
      <span className="initials" aria-hidden="true">{initials(person.name)}</span>
      <div className="who">
        {editing ? (
          <NameForm name={person.name ?? ''} save={(name) => void save(name).catch(() => undefined)} cancel={() => setEditing(false)} />
        ) : (
          <span className="name">
            {person.name ?? 'Unnamed'}
            <button type="button" className="quiet" aria-label={`Rename ${person.name ?? 'this person'}`} onClick={() => setEditing(true)}>Rename</button>
          </span>
        )}
        {typeof department === 'string' && <span className="detail">{department}</span>}
        {mistake && <p className="problem" role="alert">Not renamed: {mistake}. <button type="button" onClick={() => setMistake(undefined)}>Close</button></p>}
        {error && <Problem error={error} retry={() => { reset(); setEditing(true); }} />}
      </div>
      <Credentials credentials={person.credentials} arriving={arriving} />
    </li>
  );
}

function NameForm({ name, save, cancel }: { name: string; save: (name: string) => void; cancel: () => void }) {
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    save(String(new FormData(event.currentTarget).get('name')).trim());
  }
  return (
    <form onSubmit={submit} onKeyDown={(e) => e.key === 'Escape' && cancel()}>
      <input name="name" aria-label="Name" defaultValue={name} required pattern=".*\S.*" autoFocus />
      <button type="submit">Save</button>
      <button type="button" className="quiet" onClick={cancel}>Cancel</button>
    </form>
  );
}

type CredentialsProps = { credentials: CredentialsOfPersonFragment['credentials'] | undefined; arriving: boolean };

/** Undefined are credentials that did not arrive yet, null those of a person without an identity. */
function Credentials({ credentials, arriving }: CredentialsProps) {
  if (credentials === undefined) return <span className={arriving ? 'credentials skeleton' : 'credentials'} aria-label="Credentials are loading" role="status" />;
  const list = credentials?.nodes.flatMap((c) => (c ? [c] : [])) ?? [];
  if (list.length === 0) return <span className="credentials none">No credentials</span>;
  return (
    <ul className="credentials">
      {list.map((c) => (
        <li key={c.id} data-status={c.status ?? 'unknown'} title={c.validUntil ? `valid until ${dayOf(c.validUntil)}` : undefined}>
          {kind(c.type)}{c.status && `, ${c.status}`}
        </li>
      ))}
    </ul>
  );
}

/** The last part of a document type, such as mDL of org.iso.18013.5.1.mDL, or the name of a credential type in words. */
function kind(type: string | null): string {
  if (!type) return 'Credential';
  if (type.includes('.')) return type.slice(type.lastIndexOf('.') + 1);
  return type.replace(/([a-z])([A-Z])/g, (_, end: string, start: string) => `${end} ${start.toLowerCase()}`);
}

function initials(name: string | null): string {
  const words = (name ?? '?').split(/\s+/).filter(Boolean);
  return [words[0], words.length > 1 ? words.at(-1) : ''].map((w) => w?.[0] ?? '').join('').toUpperCase();
}
