import type { Answer, Explain, Fault, Stale } from './explain';
import { LookupsView } from './Lookups';
import { show } from './locate';
import type { Run } from './runs';
import { age, backendName, bytes, count, plural } from './units';
import { Waterfall, type Selection } from './Waterfall';
import { ageing } from './words';

interface AnswerProps {
  answer: Answer;
  run: Run | undefined;
  selected: Selection | undefined;
  marked: number;
  onSelect: (selection: Selection | undefined) => void;
}

/** AnswerView shows the cost and the backend calls of an answer. */
export function AnswerView({ answer, run, selected, marked, onSelect }: AnswerProps) {
  const { explain, faults, stale } = answer;
  const payloads = run?.stream ? run.payloads : [];
  const drawn = (explain && explain.calls.length > 0) || payloads.length > 0;
  return (
    <>
      {faults.length > 0 && <Faults faults={faults} />}
      {stale.length > 0 && <StaleNotice stale={stale} />}
      <Totals answer={answer} />
      <Unexplained answer={answer} run={run} />
      {drawn && (
        <Waterfall
          calls={explain?.calls ?? []}
          facts={explain?.facts ?? []}
          payloads={payloads}
          selected={selected}
          marked={marked}
          onSelect={onSelect}
        />
      )}
      {explain && explain.facts.length > 0 && <LookupsView facts={explain.facts} />}
    </>
  );
}

/** Unexplained shows the reason why there is no call to draw. */
function Unexplained({ answer: { explain, ran }, run }: { answer: Answer; run: Run | undefined }) {
  if (explain) {
    if (explain.calls.length > 0) return null;
    return (
      <p className="lg-empty">
        {explain.facts.length > 0
          ? 'No backend was called: all data was cached.'
          : 'No backend was called: the operation needs no data.'}
      </p>
    );
  }
  if (!ran) return <p className="lg-empty">Nothing was run, and no backend was called.</p>;
  if (run?.stream && run.state !== 'done') {
    return <p className="lg-empty">{run.state === 'stopped' ? 'Stopped: only the last payload has the calls.' : 'The calls are drawn when the last payload has arrived.'}</p>;
  }
  return (
    <p className="lg-empty">
      This server does not list its backend calls. The setting <code>EXPLAIN</code> enables that.
    </p>
  );
}

function Faults({ faults }: { faults: Fault[] }) {
  return (
    <div className="lg-notice lg-notice-error" role="alert">
      <h3>
        <span aria-hidden="true">✕ </span>
        {plural(faults.length, 'error')} in this answer
      </h3>
      <ul>
        {faults.slice(0, 10).map((fault, i) => (
          <li key={i}>
            {fault.code && <code>{fault.code}</code>} {fault.backend && <b>{backendName(fault.backend)}: </b>}
            {fault.message}
            {fault.path.length > 0 && <span className="lg-quiet"> at {show(fault.path)}</span>}
            {fault.retryAfter !== undefined && <span className="lg-quiet"> (try again in {age(fault.retryAfter)})</span>}
          </li>
        ))}
      </ul>
      {faults.length > 10 && <p>and {count(faults.length - 10)} more</p>}
    </div>
  );
}

function StaleNotice({ stale }: { stale: Stale[] }) {
  return (
    <div className="lg-notice lg-notice-stale" role="status">
      <h3>Part of this answer is stale</h3>
      <ul>
        {stale.map((s, i) => (
          <li key={i}>
            <b>{backendName(s.backend)}</b>: {ageing(s)}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** oldest is the age of the oldest fact in seconds; undefined where no fact has an age. */
function oldest(answer: Answer): number | undefined {
  const ages = [...(answer.explain?.facts ?? []), ...answer.stale].map((fact) => fact.ageSeconds);
  return ages.length > 0 ? ages.reduce((a, b) => Math.max(a, b)) : undefined;
}

function callsTotal({ callsMade, callsNaive }: Explain): [string, string] {
  if (callsNaive === undefined) return [count(callsMade), 'made'];
  return [count(callsMade), `made; a naive server makes ${count(callsNaive)}`];
}

/** unbroken keeps a number and its unit on one line. */
const unbroken = (quantity: string): string => quantity.replace(' ', '\u00a0');

function Totals({ answer }: { answer: Answer }) {
  const { explain, cost } = answer;
  const items: [string, string, string][] = [];
  if (explain) {
    items.push(['Calls', ...callsTotal(explain)]);
    if (explain.bytesReceived !== undefined && explain.bytesSent !== undefined) {
      items.push(['Bytes', `${unbroken(bytes(explain.bytesReceived))} →\u00a0${unbroken(bytes(explain.bytesSent))}`, 'from backends → to you']);
    }
  }
  const paid = cost?.actual ?? cost?.requested;
  if (cost && paid !== undefined) {
    const limit = cost.maximum === undefined ? '' : ` of ${count(cost.maximum)}`;
    items.push(['Cost', `${count(paid)}${limit}`, cost.available === undefined ? 'points' : `points, ${count(cost.available)} left`]);
  }
  const seconds = oldest(answer);
  if (seconds !== undefined) items.push(['Oldest lookup', age(seconds), answer.stale.length > 0 ? 'stale' : 'fresh']);
  if (items.length === 0) return null;
  return (
    <dl className="lg-totals">
      {items.map(([name, value, note]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <strong>{value}</strong> <span className="lg-quiet">{note}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}
