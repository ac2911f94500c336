import type { Plan } from './explain';
import { show } from './locate';
import { backendName, count, plural } from './units';
import { Tag } from './Waterfall';

export type PlanState = { state: 'asking' } | { state: 'fault'; message: string } | { state: 'made'; plan: Plan };

/** PlanView shows the maximum cost and calls of an operation, or the reason why they are unknown. */
export function PlanView({ plan, onClose }: { plan: PlanState; onClose: () => void }) {
  return (
    <section className="lg-plan lg-notice" aria-label="Plan" role="status">
      <header>
        <h3>Plan</h3>
        <button type="button" className="lg-close" onClick={onClose} aria-label="Close the plan">
          ✕
        </button>
      </header>
      {plan.state === 'asking' && <p>Asking the server…</p>}
      {plan.state === 'fault' && <p>{plan.message}</p>}
      {plan.state === 'made' && <Made plan={plan.plan} />}
    </section>
  );
}

/** Warnings are the limits of the server that an operation can pass. */
export function Warnings({ of }: { of: string[] }) {
  return (
    <ul className="lg-warnings">
      {of.map((warning, i) => (
        <li key={i}>
          <b>⚠ Warning</b> {warning.slice(0, 1).toUpperCase() + warning.slice(1)}.
        </li>
      ))}
    </ul>
  );
}

function Made({ plan: { cost, limit, calls, fields, warnings } }: { plan: Plan }) {
  const total = calls.reduce((sum, c) => sum + c.calls, 0);
  return (
    <>
      {warnings.length > 0 && <Warnings of={warnings} />}
      <p>
        {cost !== undefined && (
          <>
            Cost <strong>{count(cost)}</strong>
            {limit !== undefined && ` of ${count(limit)}`}.{' '}
          </>
        )}
        {calls.length === 0 ? 'No backend would be called.' : <>At most <strong>{plural(total, 'backend call')}</strong>:</>}
      </p>
      <ul className="lg-plan-calls">
        {calls.map((c) => (
          <li key={c.backend}>
            {backendName(c.backend)} <strong>{count(c.calls)}</strong>
          </li>
        ))}
      </ul>
      {fields.length > 0 && (
        <ul className="lg-plan-fields">
          {fields.map((f, i) => (
            <li key={i}>
              <Tag backend={f.backend} /> <code>{show(f.path)}</code> <strong>{count(f.calls)}</strong>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
