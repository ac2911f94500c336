import { useSyncExternalStore } from 'react';
import { ClientList } from './ClientList';
import { ClientPage } from './ClientPage';

function subscribe(changed: () => void): () => void {
  addEventListener('hashchange', changed);
  return () => removeEventListener('hashchange', changed);
}

/** The id of the client in the address, such as #/clients/ID. */
function useClientInAddress(): string | null {
  const hash = useSyncExternalStore(subscribe, () => location.hash);
  const id = hash.match(/^#\/clients\/(.+)$/)?.[1];
  return id ? decodeURIComponent(id) : null;
}

export function App() {
  const id = useClientInAddress();
  return (
    <div className="app" data-open={id !== null}>
      <ClientList current={id} />
      <main className="page">
        {id ? (
          <ClientPage key={id} id={id} />
        ) : (
          <div className="empty">
            <h2>No client chosen</h2>
            <p>Choose one from the list to see its people, their credentials and its courses.</p>
          </div>
        )}
      </main>
    </div>
  );
}
