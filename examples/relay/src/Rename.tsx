import { type FormEvent, useState } from 'react';
import { graphql, useFragment, useMutation } from 'react-relay';
import type { RenameMutation } from './__generated__/RenameMutation.graphql';
import type { Rename_user$key } from './__generated__/Rename_user.graphql';
import { members } from './scalars';

export function Rename({ user }: { user: Rename_user$key }) {
  const [mistake, setMistake] = useState<string>();
  const person = useFragment(graphql`fragment Rename_user on User { id name metadata }`, user);
  const [rename, saving] = useMutation<RenameMutation>(graphql`
    mutation RenameMutation($input: UpdateUserInput!) @raw_response_type {
      updateUser(input: $input) {
        user { id name metadata }
        userErrors { code message }
      }
    }
  `);

  function save(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    setMistake(undefined);
    const name = String(new FormData(event.currentTarget).get('name')).trim();
    // The backend may replace the metadata or merge it: all of it is sent.
    const metadata = { ...members(person.metadata), name };
    rename({
      variables: { input: { by: { id: person.id }, metadata } },
      // The new name is shown at once. What the server answers takes its place: where it refuses, the old name is back.
      optimisticResponse: { updateUser: { user: { id: person.id, name, metadata }, userErrors: [] } },
      onCompleted: ({ updateUser }) => setMistake(updateUser ? updateUser.userErrors.map(words).join(' ') : 'The name could not be saved.'),
      onError: () => setMistake('The server cannot be reached.'),
    });
  }

  return (
    <form onSubmit={save}>
      <input name="name" aria-label="Name" defaultValue={person.name ?? ''} required pattern=".*\S.*" />
      <button type="submit" disabled={saving}>Save</button>
      {mistake && <p className="problem" role="alert">{mistake}</p>}
    </form>
  );
}

const words = ({ code, message }: { code: string; message: string }): string =>
  code === 'NOT_FOUND' ? 'This person no longer exists.' : message;
