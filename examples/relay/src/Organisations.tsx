import { graphql, useFragment } from 'react-relay';
import type { Organisations_query$key } from './__generated__/Organisations_query.graphql';

type Props = { query: Organisations_query$key; choose: (sourceId: string | null) => void };

export function Organisations({ query, choose }: Props) {
  const { embedClients } = useFragment(
    graphql`
      fragment Organisations_query on Query {
        embedClients(first: 25) {
          nodes { id sourceId client { name } }
        }
      }
    `,
    query,
  );
  return (
    <select aria-label="Organisation" onChange={(e) => choose(e.target.value || null)}>
      <option value="">All organisations</option>
      {embedClients?.nodes.map((c) => c && <option key={c.id} value={c.sourceId}>{c.client?.name ?? c.sourceId}</option>)}
    </select>
  );
}
