import { useSyncExternalStore } from 'react';

/** Credential is an API key or a bearer token of the caller. */
export interface Credential {
  kind: 'key' | 'token';
  secret: string;
}

interface State {
  credential?: Credential;
  /** refused is set once the server required a credential, or rejected this one. */
  refused: boolean;
}

// The session storage of a tab ends with it, and no other tab reads it.
const kept = 'learngraph:credential';

let state: State = { credential: recall(), refused: false };
const listeners = new Set<() => void>();

function recall(): Credential | undefined {
  try {
    return JSON.parse(sessionStorage.getItem(kept) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

function change(next: State) {
  state = next;
  listeners.forEach((listener) => listener());
}

function listen(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export const useCredential = (): State => useSyncExternalStore(listen, () => state);

/** give uses a credential from now on, and stores it for this tab if keep is set; undefined removes it. */
export function give(credential: Credential | undefined, keep: boolean): void {
  try {
    if (credential && keep) sessionStorage.setItem(kept, JSON.stringify(credential));
    else sessionStorage.removeItem(kept);
  } catch {
    // A browser without storage: the page has it for as long as it is open.
  }
  change({ credential, refused: false });
}

export const isKept = (): boolean => recall() !== undefined;

/** noteRefusal takes down that the server answered 401. */
export function noteRefusal(): void {
  if (!state.refused) change({ ...state, refused: true });
}

/** changed waits for another credential. */
export function changed(): Promise<void> {
  const before = state.credential;
  return new Promise((resolve) => {
    const stop = listen(() => {
      if (state.credential === before) return;
      stop();
      resolve();
    });
  });
}

/** credentialHeaders are the headers that carry the credential. */
export function credentialHeaders(): Record<string, string> {
  const { credential } = state;
  if (!credential) return {};
  return credential.kind === 'key' ? { 'X-API-Key': credential.secret } : { Authorization: `Bearer ${credential.secret}` };
}
