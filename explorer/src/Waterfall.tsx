import { useEffect, useRef, useState, type CSSProperties, type ReactNode } from 'react';
import { CallDetail, GroupDetail, PayloadDetail } from './Detail';
import type { Call, Fact } from './explain';
import { group, telling, type Group } from './groups';
import type { Payload } from './runs';
import { backendName, count, milliseconds, plural, shapeOf, tagOf, ticks, toneOf } from './units';
import { isFailed, remarks, status } from './words';

// More marks than this on one line are one bar.
const maxFacts = 500;

/** Selection is the source of the marks in the answer: the calls of one line, or a payload. */
export type Selection = { line: string; calls: number[] } | { line: string; payload: number };

interface WaterfallProps {
  calls: Call[];
  facts: Fact[];
  payloads: Payload[];
  selected: Selection | undefined;
  marked: number;
  onSelect: (selection: Selection | undefined) => void;
}

type Line = (name: string) => { selected: boolean; select: (selection: Selection) => void };

/** useLines returns the state of each line: choosing a selected line again clears the selection. */
function useLines(selected: Selection | undefined, onSelect: WaterfallProps['onSelect']): Line {
  return (name) => ({
    selected: selected?.line === name,
    select: (selection) => onSelect(selected?.line === name ? undefined : selection),
  });
}

const at = (from: number, end: number) => `${(100 * from) / end}%`;

/** Waterfall draws calls as bars on one time axis, with cache hits and the arrival of payloads. */
export function Waterfall({ calls, facts, payloads, selected, marked, onSelect }: WaterfallProps) {
  const line = useLines(selected, onSelect);
  const times = [...calls.map((c) => c.startMs + c.durationMs), ...facts.map((f) => f.atMs), ...payloads.map((p) => p.atMs)];
  const end = times.reduce((last, time) => Math.max(last, time), 0) || 1;
  const backends = [...new Set([...calls, ...facts].map(({ backend }) => backend))];
  const groups = group(calls);
  return (
    <section className="lg-waterfall" aria-label="Waterfall of backend calls">
      <ul className="lg-legend">
        {backends.map((backend) => (
          <li key={backend}>
            <Tag backend={backend} /> {backendName(backend)}
          </li>
        ))}
      </ul>
      <div className="lg-grid">
        <Axis end={end} />
        {payloads.length > 0 && <Payloads payloads={payloads} end={end} line={line} />}
        {selected && 'payload' in selected && payloads[selected.payload] && (
          <Shown>
            <PayloadDetail payload={payloads[selected.payload]!} number={selected.payload + 1} of={payloads.length} marked={marked} />
          </Shown>
        )}
        {facts.length > 0 && <Lookups facts={facts} end={end} />}
        <ol className="lg-calls">
          {groups.map((g) =>
            g.calls.length === 1 ? (
              <li key={g.key}>
                <CallLine call={calls[g.calls[0]!]!} index={g.calls[0]!} end={end} line={line} marked={marked} />
              </li>
            ) : (
              <GroupLines key={g.key} group={g} calls={calls} end={end} line={line} marked={marked} />
            ),
          )}
        </ol>
        <Lines end={end} payloads={payloads} />
      </div>
    </section>
  );
}

export function Tag({ backend }: { backend: string }) {
  return (
    <span className="lg-tag" data-backend={toneOf(backend)} title={backendName(backend)}>
      {tagOf(backend)}
    </span>
  );
}

function Axis({ end }: { end: number }) {
  return (
    <div className="lg-axis lg-columns" aria-hidden="true">
      <div>
        {ticks(end).map((t) => (
          <span key={t} data-late={t / end > 0.8} style={{ '--at': at(t, end) } as CSSProperties}>
            {milliseconds(t)}
          </span>
        ))}
      </div>
    </div>
  );
}

/** Lines lead the eye from the axis, and from each payload, down through the calls. */
function Lines({ end, payloads }: { end: number; payloads: Payload[] }) {
  return (
    <div className="lg-lines lg-columns" aria-hidden="true">
      <div>
        {ticks(end).map((t) => (
          <s key={t} style={{ '--at': at(t, end) } as CSSProperties} />
        ))}
        {payloads.slice(0, 50).map((p, i) => (
          <u key={i} style={{ '--at': at(p.atMs, end) } as CSSProperties} />
        ))}
      </div>
    </div>
  );
}

function Payloads({ payloads, end, line }: { payloads: Payload[]; end: number; line: Line }) {
  return (
    <div className="lg-payloads lg-columns" role="group" aria-label="Payloads by when they arrived">
      <span className="lg-known-name">{plural(payloads.length, 'payload')}</span>
      <span className="lg-track">
        {payloads.map((payload, i) => {
          const { selected, select } = line(`payload ${i}`);
          return (
            <button
              key={i}
              type="button"
              className="lg-payload"
              aria-pressed={selected}
              aria-label={`Payload ${i + 1} of ${payloads.length}, at ${milliseconds(payload.atMs)}, ${plural(payload.paths.length, 'field')}`}
              title={`Payload ${i + 1} at ${milliseconds(payload.atMs)}`}
              style={{ '--at': at(payload.atMs, end) } as CSSProperties}
              data-small={payloads.length > 20}
              onClick={() => select({ line: `payload ${i}`, payload: i })}
            >
              {payloads.length > 20 ? '' : i + 1}
            </button>
          );
        })}
      </span>
    </div>
  );
}

function Lookups({ facts, end }: { facts: Fact[]; end: number }) {
  return (
    <div className="lg-known lg-columns" aria-hidden="true">
      <span className="lg-known-name">{plural(facts.length, 'cache lookup')}</span>
      <span className="lg-track">
        {facts.slice(0, maxFacts).map((fact, i) => (
          <i key={i} data-verdict={shapeOf(fact.verdict)} data-backend={toneOf(fact.backend)} style={{ '--at': at(fact.atMs, end) } as CSSProperties} />
        ))}
      </span>
    </div>
  );
}

/** Route writes a route so that its last part stays where room is short. */
function Route({ route }: { route: string }) {
  const cut = route.lastIndexOf('/');
  return (
    <span className="lg-call-route" title={route}>
      <span>{route.slice(0, cut)}</span>
      <span>{route.slice(cut)}</span>
    </span>
  );
}

function spoken(call: Call): string {
  const times = `started at ${milliseconds(call.startMs)}, took ${milliseconds(call.durationMs)}`;
  const words = [status(call), ...remarks(call).filter((remark) => !remark.startsWith('✕'))];
  return `${backendName(call.backend)}, ${call.route}, ${times}, ${words.join(', ')}, serves ${plural(call.paths.length, 'path')}`;
}

interface LineProps {
  end: number;
  line: Line;
  marked: number;
}

function CallLine({ call, index, end, line, marked, among }: LineProps & { call: Call; index: number; among?: Call[] }) {
  const { selected, select } = line(`call ${index}`);
  return (
    <>
      <button
        type="button"
        className="lg-call lg-columns"
        aria-pressed={selected}
        aria-label={spoken(call)}
        data-backend={toneOf(call.backend)}
        data-failed={isFailed(call)}
        onClick={() => select({ line: `call ${index}`, calls: [index] })}
      >
        <span className="lg-call-name">
          {among ? <span className="lg-call-telling">{telling(call, among) || `call ${index + 1}`}</span> : <NameOf {...call} />}
          <Remarks of={remarks(call)} />
        </span>
        <span className="lg-track">
          <Bar call={call} end={end} />
        </span>
        <span className="lg-call-time">{milliseconds(call.durationMs)}</span>
      </button>
      {selected && (
        <Shown>
          <CallDetail call={call} marked={marked} />
        </Shown>
      )}
    </>
  );
}

function NameOf({ backend, route }: { backend: string; route: string }) {
  return (
    <>
      <Tag backend={backend} />
      <Route route={route} />
    </>
  );
}

function Remarks({ of }: { of: string[] }) {
  return of.length > 0 && <span className="lg-remarks">{of.join(' · ')}</span>;
}

function Bar({ call, end }: { call: Call; end: number }) {
  const style = {
    '--start': at(call.startMs, end),
    '--length': at(call.durationMs, end),
    '--wait': at(Math.min(call.waitMs, call.startMs), end),
  } as CSSProperties;
  return (
    <>
      {call.waitMs > 0 && <span className="lg-wait" style={style} />}
      <span className="lg-bar" data-failed={isFailed(call)} style={style} />
    </>
  );
}

function GroupLines({ group: g, calls, end, line, marked }: LineProps & { group: Group; calls: Call[] }) {
  const [open, setOpen] = useState(false);
  const own = g.calls.map((i) => calls[i]!);
  const { selected, select } = line(`group ${g.key}`);
  const from = own.reduce((first, c) => Math.min(first, c.startMs), Infinity);
  const to = own.reduce((last, c) => Math.max(last, c.startMs + c.durationMs), 0);
  const failures = own.filter(isFailed).length;
  const title = `${count(own.length)} calls, ${backendName(g.backend)}, ${g.route}, from ${milliseconds(from)} to ${milliseconds(to)}`;
  return (
    <li>
      <button type="button" className="lg-unfold" aria-expanded={open} aria-label={`Each of the ${own.length} calls to ${g.route}`} onClick={() => setOpen(!open)}>
        {open ? '▾' : '▸'}
      </button>
      <button
        type="button"
        className="lg-call lg-group lg-columns"
        aria-pressed={selected}
        aria-label={failures > 0 ? `${title}, ${failures} failed` : title}
        data-backend={toneOf(g.backend)}
        data-failed={failures > 0}
        onClick={() => select({ line: `group ${g.key}`, calls: g.calls })}
      >
        <span className="lg-call-name">
          <NameOf {...g} />
          <span className="lg-times">× {count(own.length)}</span>
          <Remarks of={failures > 0 ? [`✕ ${count(failures)} failed`] : []} />
        </span>
        <span className="lg-track">
          {own.map((call, i) => (
            <Bar key={i} call={call} end={end} />
          ))}
        </span>
        <span className="lg-call-time">{milliseconds(to - from)}</span>
      </button>
      {selected && (
        <Shown>
          <GroupDetail calls={own} marked={marked} />
        </Shown>
      )}
      {open && (
        <ol>
          {g.calls.map((i) => (
            <li key={i}>
              <CallLine call={calls[i]!} index={i} end={end} line={line} marked={marked} among={own} />
            </li>
          ))}
        </ol>
      )}
    </li>
  );
}

/** Shown is the detail of the line above it, brought into view. */
function Shown({ children }: { children: ReactNode }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => void ref.current?.scrollIntoView({ block: 'nearest' }), []);
  return (
    <div ref={ref} className="lg-detail">
      {children}
    </div>
  );
}
