import { useId, useState, type FormEvent } from 'react';
import { give, isKept, useCredential, type Credential } from './credentials';

/** SignIn is the form for the caller's credential. */
export function SignIn({ onDone }: { onDone: () => void }) {
  const { credential, refused } = useCredential();
  const [kind, setKind] = useState<Credential['kind']>(credential?.kind ?? 'key');
  const [secret, setSecret] = useState('');
  const [keep, setKeep] = useState(isKept);
  const id = useId();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (secret.trim() === '') return;
    give({ kind, secret: secret.trim() }, keep);
    setSecret('');
    onDone();
  };
  const forget = () => {
    give(undefined, false);
    onDone();
  };
  return (
    <form className="lg-sign-in lg-notice" aria-label="Key or token" onSubmit={submit} autoComplete="off">
      <p>
        {refused && credential
          ? `The server does not accept this ${kind === 'key' ? 'key' : 'token'}.`
          : 'Sent only with the requests of this page.'}
      </p>
      <div className="lg-sign-in-row">
        <select value={kind} aria-label="Kind" onChange={(event) => setKind(event.target.value as Credential['kind'])}>
          <option value="key">API key</option>
          <option value="token">Bearer token</option>
        </select>
        <input
          id={`${id}-secret`}
          type="password"
          aria-label={kind === 'key' ? 'API key' : 'Bearer token'}
          placeholder={kind === 'key' ? 'X-API-Key' : 'Authorization: Bearer …'}
          autoComplete="off"
          spellCheck={false}
          value={secret}
          onChange={(event) => setSecret(event.target.value)}
        />
        <button type="submit" className="lg-button lg-primary" disabled={secret.trim() === ''}>
          Use it
        </button>
      </div>
      <div className="lg-sign-in-row">
        <label>
          <input type="checkbox" checked={keep} onChange={(event) => setKeep(event.target.checked)} /> Keep it for this tab
        </label>
        {credential && (
          <button type="button" className="lg-link" onClick={forget}>
            Forget it
          </button>
        )}
      </div>
    </form>
  );
}
