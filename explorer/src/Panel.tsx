import { useEffect, useMemo, useRef, useState } from 'react';
import { pick, tryParseJSONC, useGraphiQL } from '@graphiql/react';
import { readAnswer, readPlan, type Answer, type Explain, type Fact, type Fault, type Path, type Stale } from './explain';
import { locate, show } from './locate';
import { PlanView, type PlanState } from './PlanView';
import { fetchPlan } from './request';
import { age, backendName, bytes, count, milliseconds, plural, toneOf, verdicts } from './units';
import { Waterfall } from './Waterfall';

// More marks than this slow the editor down and no longer point anywhere.
const maxMarks = 500;

/** Panel shows what the answer of the active tab cost: its backend calls, and where each fact came from. */
export function Panel() {
  const { tabs, activeTabIndex, isFetching } = useGraphiQL(pick('tabs', 'activeTabIndex', 'isFetching'));
  const tab = tabs[activeTabIndex];
  const response = tab?.response;
  const answer = useMemo(() => readAnswer(response), [response]);
  const [selected, setSelected] = useState<number>();
  const [open, setOpen] = useState(true);
  const [plan, makePlan, dropPlan] = usePlan(tab?.id);
  useEffect(() => setSelected(undefined), [response]);
  const paths = selected === undefined ? undefined : answer?.explain?.calls[selected]?.paths;
  const marked = useMarks(paths);

  return (
    <section className="lg-panel" aria-labelledby="lg-panel-title">
      <header className="lg-panel-head">
        <h2 id="lg-panel-title">
          <button type="button" className="lg-fold" aria-expanded={open} aria-controls="lg-panel-body" onClick={() => setOpen(!open)}>
            <span aria-hidden="true">{open ? '▾' : '▸'}</span> Backend calls
          </button>
        </h2>
        <button type="button" className="lg-button" onClick={makePlan} disabled={plan?.state === 'asking'}>
          Plan
        </button>
      </header>
      <div id="lg-panel-body" className="lg-panel-body" hidden={!open} aria-busy={isFetching}>
        {plan && <PlanView plan={plan} onClose={dropPlan} />}
        {isFetching ? (
          <p className="lg-empty">Running…</p>
        ) : answer ? (
          <AnswerView answer={answer} selected={selected} marked={marked} onSelect={setSelected} />
        ) : (
          <p className="lg-empty">
            {response
              ? 'The answer is not JSON, so there is nothing to draw.'
              : 'Run the operation to see the backend calls that it makes. Plan says beforehand what it would call.'}
          </p>
        )}
        <p className="lg-licences">
          <a href="./assets/LICENSES.txt" target="_blank" rel="noreferrer">
            Licences of what this page is built from
          </a>
        </p>
      </div>
    </section>
  );
}

/** usePlan keeps the plan of the active tab, and asks the server for one without running anything. */
function usePlan(tab: string | undefined): [PlanState | undefined, () => void, () => void] {
  const { queryEditor, variableEditor, headerEditor, operationName } = useGraphiQL(
    pick('queryEditor', 'variableEditor', 'headerEditor', 'operationName'),
  );
  const [plans, setPlans] = useState<Record<string, PlanState | undefined>>({});
  const id = tab ?? '';
  const put = (plan: PlanState | undefined) => setPlans((before) => ({ ...before, [id]: plan }));
  const make = async () => {
    const query = queryEditor?.getValue() ?? '';
    let variables, headers;
    try {
      variables = tryParseJSONC(variableEditor?.getValue());
      headers = tryParseJSONC(headerEditor?.getValue());
    } catch {
      put({ state: 'fault', message: 'The variables or the headers are not JSON.' });
      return;
    }
    put({ state: 'asking' });
    const answer = await fetchPlan({ query, variables, operationName }, (headers ?? {}) as Record<string, string>);
    const plan = 'fault' in answer ? undefined : readPlan(answer.body);
    put(plan ? { state: 'made', plan } : { state: 'fault', message: 'fault' in answer ? answer.fault : 'The answer holds no plan.' });
  };
  return [plans[id], () => void make(), () => put(undefined)];
}

/** useMarks marks the fields that paths lead to in the answer, brings the first into view, and counts them. */
function useMarks(paths: Path[] | undefined): number {
  const editor = useGraphiQL((state) => state.responseEditor);
  const marks = useRef<{ clear(): void }>(undefined);
  const [marked, setMarked] = useState(0);
  useEffect(() => {
    marks.current?.clear();
    marks.current = undefined;
    const model = editor?.getModel();
    if (!editor || !model || !paths?.length) {
      setMarked(0);
      return;
    }
    // The text is read with line feeds, as the offsets are counted.
    const spans = locate(model.getValue(), paths, maxMarks);
    const ranges = spans.map(({ offset, length }) => {
      const from = model.getPositionAt(offset);
      const to = model.getPositionAt(offset + length);
      return { startLineNumber: from.lineNumber, startColumn: from.column, endLineNumber: to.lineNumber, endColumn: to.column };
    });
    marks.current = editor.createDecorationsCollection(
      ranges.map((range) => ({ range, options: { className: 'lg-mark', linesDecorationsClassName: 'lg-mark-edge', isWholeLine: false } })),
    );
    if (ranges[0]) editor.revealLineNearTop(ranges[0].startLineNumber);
    setMarked(ranges.length);
  }, [editor, paths]);
  return marked;
}

interface AnswerProps {
  answer: Answer;
  selected: number | undefined;
  marked: number;
  onSelect: (call: number | undefined) => void;
}

function AnswerView({ answer, selected, marked, onSelect }: AnswerProps) {
  const { explain, faults, stale } = answer;
  const call = selected === undefined ? undefined : explain?.calls[selected];
  return (
    <>
      {faults.length > 0 && <Faults faults={faults} />}
      {stale.length > 0 && <StaleNotice stale={stale} />}
      <Totals answer={answer} />
      {!explain && !answer.ran && <p className="lg-empty">Nothing was run, and no backend called.</p>}
      {!explain && answer.ran && (
        <p className="lg-empty">
          Explain is off on this server, so it does not say which backend calls it made. It is allowed with the setting{' '}
          <code>EXPLAIN</code>.
        </p>
      )}
      {explain && explain.calls.length === 0 && (
        <p className="lg-empty">
          {explain.facts.length > 0
            ? 'No backend was called: everything was known already.'
            : 'No backend was called: the operation needed nothing from one.'}
        </p>
      )}
      {explain && explain.calls.length > 0 && (
        <Waterfall calls={explain.calls} facts={explain.facts} selected={selected} onSelect={onSelect} />
      )}
      {call && <Served paths={call.paths} marked={marked} route={call.route} />}
      {explain && explain.facts.length > 0 && <Facts facts={explain.facts} />}
    </>
  );
}

function Faults({ faults }: { faults: Fault[] }) {
  return (
    <div className="lg-notice lg-notice-error" role="alert">
      <h3>{plural(faults.length, 'error')} in this answer</h3>
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

const reasons: Record<string, string> = {
  refreshing: 'it is being refreshed',
  failed: 'the backend failed',
  budget: 'the call budget is spent',
  slow: 'the backend is slow',
  asked: 'the request allowed it',
};

function StaleNotice({ stale }: { stale: Stale[] }) {
  return (
    <div className="lg-notice lg-notice-stale" role="status">
      <h3>Part of this answer is stale</h3>
      <ul>
        {stale.map((s, i) => (
          <li key={i}>
            <b>{backendName(s.backend)}</b>: {age(s.ageSeconds)} old, because {reasons[s.reason] ?? (s.reason || 'of a reason not given')}
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
  if (callsNaive === undefined) return [count(callsMade), plural(callsMade, 'backend call').replace(/^\S+ /, '')];
  return [count(callsMade), `made; a naive server makes ${count(callsNaive)}`];
}

/** unbroken keeps a number and its unit on one line. */
const unbroken = (quantity: string): string => quantity.replace(' ', '\u00a0');

function Totals({ answer }: { answer: Answer }) {
  const { explain, cost } = answer;
  const tiles: [string, string, string][] = [];
  if (explain) {
    tiles.push(['Calls', ...callsTotal(explain)]);
    if (explain.bytesReceived !== undefined && explain.bytesSent !== undefined) {
      tiles.push(['Bytes', `${unbroken(bytes(explain.bytesReceived))} →\u00a0${unbroken(bytes(explain.bytesSent))}`, 'received from backends, sent to you']);
    }
  }
  const paid = cost?.actual ?? cost?.requested;
  if (cost && paid !== undefined) {
    const limit = cost.maximum === undefined ? '' : ` of ${count(cost.maximum)}`;
    const left = cost.available === undefined ? 'points' : `points, ${count(cost.available)} left`;
    tiles.push(['Cost', `${count(paid)}${limit}`, left]);
  }
  const seconds = oldest(answer);
  if (seconds !== undefined) {
    tiles.push(['Oldest fact', age(seconds), answer.stale.length > 0 ? 'stale' : 'within its freshness']);
  }
  if (tiles.length === 0) return null;
  return (
    <dl className="lg-totals">
      {tiles.map(([name, value, note]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <strong>{value}</strong>
            <span className="lg-quiet">{note}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Served({ paths, marked, route }: { paths: Path[]; marked: number; route: string }) {
  const shown = paths.slice(0, 30);
  return (
    <div className="lg-served" role="status" aria-label={`Fields served by ${route}`}>
      <h3>{paths.length === 0 ? 'This call served no field of the answer' : `Fields served by ${route}`}</h3>
      {paths.length > 0 && (
        <>
          <ul>
            {shown.map((path, i) => (
              <li key={i}>
                <code>{show(path)}</code>
              </li>
            ))}
          </ul>
          <p className="lg-quiet">
            {paths.length > shown.length && `and ${count(paths.length - shown.length)} more; `}
            {marked > 0 ? `${plural(marked, 'place')} marked in the answer` : 'not in the answer: null, or cut off'}
          </p>
        </>
      )}
    </div>
  );
}

function Facts({ facts }: { facts: Fact[] }) {
  const counts = new Map<string, number>();
  for (const fact of facts) counts.set(fact.verdict, (counts.get(fact.verdict) ?? 0) + 1);
  const order = [...counts].sort(([a], [b]) => verdicts.indexOf(a) - verdicts.indexOf(b));
  return (
    <section className="lg-facts" aria-label="Where the facts came from">
      <h3>{plural(facts.length, 'fact')} used</h3>
      <div className="lg-fact-ticks" aria-hidden="true">
        {order.flatMap(([verdict]) =>
          facts
            .filter((fact) => fact.verdict === verdict)
            .slice(0, 200)
            .map((_, i) => <i key={`${verdict}${i}`} data-verdict={toneOf(verdict)} />),
        )}
      </div>
      <ul className="lg-legend">
        {order.map(([verdict, n]) => (
          <li key={verdict}>
            <i data-verdict={toneOf(verdict)} aria-hidden="true" /> {verdict || 'no verdict'} {count(n)}
          </li>
        ))}
      </ul>
      <details>
        <summary>Each fact</summary>
        <div className="lg-scroll" tabIndex={0} role="region" aria-label="Table of facts">
          <table>
            <thead>
              <tr>
                <th scope="col">Backend</th>
                <th scope="col">Key digest</th>
                <th scope="col">Verdict</th>
                <th scope="col">Found at</th>
                <th scope="col">Age</th>
              </tr>
            </thead>
            <tbody>
              {facts.slice(0, 200).map((fact, i) => (
                <tr key={i}>
                  <td>{backendName(fact.backend)}</td>
                  <td>
                    <code>{fact.key}</code>
                  </td>
                  <td>
                    {fact.verdict}
                    {fact.reason && ` (${fact.reason})`}
                  </td>
                  <td>{milliseconds(fact.atMs)}</td>
                  <td>{age(fact.ageSeconds)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        {facts.length > 200 && <p className="lg-quiet">and {count(facts.length - 200)} more</p>}
      </details>
    </section>
  );
}
