import { useEffect, useMemo, useState } from 'react';
import { pick, tryParseJSONC, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { AnswerView } from './AnswerView';
import { useCredential } from './credentials';
import { readAnswer, readPlan, type Answer, type Path, type Plan } from './explain';
import { useFoldedExtensions, useMarks, useQuietSchema } from './marks';
import { PlanView, Warnings, type PlanState } from './PlanView';
import { propose, type Proposal } from './propose';
import { fetchPlan, runNext } from './request';
import { useRun, type Run } from './runs';
import { SignIn } from './SignIn';
import { Status } from './Status';
import { useOpen } from './tabs';
import { milliseconds } from './units';
import type { Selection } from './Waterfall';

/** Panel shows the cost of the active tab's answer: its backend calls, and the origins of its facts. */
export function Panel() {
  const { tabs, activeTabIndex, isFetching } = useGraphiQL(pick('tabs', 'activeTabIndex', 'isFetching'));
  const tab = tabs[activeTabIndex];
  const response = tab?.response;
  const answer = useMemo(() => readAnswer(response), [response]);
  const run = useRun(response);
  const [open, setOpen] = useState(true);
  const [plan, makePlan, dropPlan] = usePlan(tab?.id);
  const [selected, setSelected] = useSelection(response, run);
  const { paths, others } = useServed(answer, run, selected);
  const marked = useMarks(paths, others);
  useFoldedExtensions(response);

  return (
    <section className="lg-panel" aria-labelledby="lg-panel-title">
      <header className="lg-panel-head">
        <h2 id="lg-panel-title">
          <button type="button" className="lg-fold" aria-expanded={open} aria-controls="lg-panel-body" onClick={() => setOpen(!open)}>
            <span aria-hidden="true">{open ? '▾' : '▸'}</span> Backend calls
          </button>
        </h2>
        <Buttons answer={answer} run={run} planning={plan?.state === 'asking'} onPlan={makePlan} />
      </header>
      <div id="lg-panel-body" className="lg-panel-body" hidden={!open} aria-busy={isFetching}>
        <Welcome response={response} />
        {plan && <PlanView plan={plan} onClose={dropPlan} />}
        {run?.plan && run.plan.warnings.length > 0 && plan?.state !== 'made' && (
          <div className="lg-notice" role="status">
            <Warnings of={run.plan.warnings} />
          </div>
        )}
        {run && !isFetching && <Status run={run} />}
        {isFetching ? (
          <p className="lg-empty">Running…</p>
        ) : answer ? (
          <AnswerView answer={answer} run={run} selected={selected} marked={marked} onSelect={setSelected} />
        ) : (
          <p className="lg-empty">
            {response
              ? 'The answer is not JSON, so there is nothing to draw.'
              : 'Run the operation (Ctrl+Enter) to see its backend calls. Plan estimates them without a call.'}
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

/** useSelection clears the selection when another answer is shown; a selected payload stays while more arrive. */
function useSelection(response: string | null | undefined, run: Run | undefined) {
  const [selected, setSelected] = useState<Selection>();
  const operation = run?.operation ?? response;
  useEffect(() => setSelected(undefined), [operation]);
  return [selected, setSelected] as const;
}

const nowhere: Path[] = [];

/** useServed returns the paths of the selection in the answer, and those inside that other calls served. */
function useServed(answer: Answer | undefined, run: Run | undefined, selected: Selection | undefined) {
  return useMemo((): { paths: Path[] | undefined; others: Path[] } => {
    if (selected && 'payload' in selected) {
      const payloads = run?.payloads ?? [];
      const others = payloads.filter((_, i) => i !== selected.payload).flatMap((p) => p.paths);
      return { paths: payloads[selected.payload]?.paths, others };
    }
    const calls = answer?.explain?.calls ?? [];
    if (!selected || !calls[selected.calls[0]!]) return { paths: undefined, others: nowhere };
    const { backend } = calls[selected.calls[0]!]!;
    const others = calls.filter((_, i) => !selected.calls.includes(i)).flatMap((call) => call.paths);
    // Cached fields were served by no call; the plan names their backend.
    const known = run?.plan?.fields.filter((field) => field.backend !== backend).map((field) => field.path) ?? [];
    return { paths: selected.calls.flatMap((i) => calls[i]!.paths), others: [...others, ...known] };
  }, [answer, run?.plan, run?.payloads, selected]);
}

/** Welcome shows the obstacles before a first run: a missing credential, a schema that is not served. */
function Welcome({ response }: { response: string | null | undefined }) {
  const { credential, refused } = useCredential();
  const hidden = useQuietSchema(response);
  return (
    <>
      {refused && (
        <div>
          <h3>{credential ? 'The server rejects this key or token' : 'This server requires a key or token'}</h3>
          <SignIn onDone={() => undefined} />
        </div>
      )}
      {hidden && (
        <p className="lg-empty lg-no-schema">
          The server does not send its schema, so there are no docs and no completion. The setting <code>INTROSPECTION</code> enables it.
        </p>
      )}
    </>
  );
}

interface ButtonsProps {
  answer: Answer | undefined;
  run: Run | undefined;
  planning: boolean;
  onPlan: () => void;
}

function Buttons({ answer, run, planning, onPlan }: ButtonsProps) {
  const actions = useGraphiQLActions();
  const busy = useGraphiQL((state) => state.isFetching || state.subscription !== null);
  const runWith = (wants: Parameters<typeof runNext>[0]) => {
    runNext(wants);
    void actions.run();
  };
  return (
    <div className="lg-buttons" role="group" aria-label="What to do with the operation">
      <button type="button" className="lg-button" data-do="plan" onClick={onPlan} disabled={planning} title="What the operation would call at most, without running it">
        Plan
      </button>
      <button type="button" className="lg-button" data-do="fresh" onClick={() => runWith({ fresh: true })} disabled={busy} title="Run it with Cache-Control: no-cache, past every cache">
        Run fresh
      </button>
      <button type="button" className="lg-button" data-do="capture" onClick={() => runWith({ capture: true })} disabled={busy} title="Run it with X-Learngraph-Capture: 1, and keep all of it in a file for learngraph replay">
        Capture
      </button>
      <ProposeDefer answer={answer} run={run} />
    </div>
  );
}

/** ProposeDefer opens the last explained operation with @defer on the fields that delayed its answer. */
function ProposeDefer({ answer, run }: { answer: Answer | undefined; run: Run | undefined }) {
  const open = useOpen();
  const [said, setSaid] = useState<string>();
  const calls = answer?.explain?.calls ?? [];
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(undefined), 12_000);
    return () => clearTimeout(timer);
  }, [said]);
  const click = () => {
    const { operation } = run!;
    const proposal = propose(operation, calls);
    setSaid(proposal ? sentenceOf(proposal) : 'Nothing to defer: no part of the operation delayed the rest.');
    if (!proposal) return;
    const variables = operation.variables ? JSON.stringify(operation.variables, null, 2) : undefined;
    open({ query: proposal.query, variables, operationName: operation.operationName ?? undefined });
  };
  return (
    <>
      <button
        type="button"
        className="lg-button"
        data-do="defer"
        onClick={click}
        disabled={!run || calls.length === 0}
        title="The operation with @defer around what held its answer up, in a new tab"
      >
        Propose @defer
      </button>
      {said && (
        <p className="lg-said" role="status">
          {said}
        </p>
      )}
    </>
  );
}

function sentenceOf({ fields, first, whole }: Proposal): string {
  return `Proposed in a new tab: ${fields.map((field) => field.split('.').at(-1)).join(', ')} deferred. By the last run the first payload needs calls until ${milliseconds(first)}, the whole answer until ${milliseconds(whole)}.`;
}

/** usePlan returns the plan of the active tab, and a function that requests one without running the operation. */
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
    const plan: Plan | undefined = 'fault' in answer ? undefined : readPlan(answer.body);
    put(plan ? { state: 'made', plan } : { state: 'fault', message: 'fault' in answer ? answer.fault : 'The answer has no plan.' });
  };
  return [plans[id], () => void make(), () => put(undefined)];
}
