import type { CSSProperties } from 'react';
import type { Call, Fact } from './explain';
import { backendName, bytes, milliseconds, plural, ticks, toneOf } from './units';

// More marks than this on one line are one bar.
const maxFacts = 500;

interface WaterfallProps {
  calls: Call[];
  facts: Fact[];
  selected: number | undefined;
  onSelect: (call: number | undefined) => void;
}

const palette = ['thoughtindustries', 'coassemble', 'mattr'];
const tone = (backend: string) => (palette.includes(backend) ? backend : 'other');
const failed = (call: Call) => call.status === 0 || call.status >= 400;

/** remarks are the facts about a call that are worth a word. */
function remarks(call: Call): string[] {
  const words = [call.status === 0 ? 'no answer' : `status ${call.status}`, bytes(call.bytes)];
  if (call.batchSize > 0) words.push(`batch of ${call.batchSize}`);
  if (call.retries > 0) words.push(call.retries === 1 ? '1 retry' : `${call.retries} retries`);
  if (call.coalesced) words.push('shared with another request');
  return words;
}

function spoken(call: Call): string {
  const times = `started at ${milliseconds(call.startMs)}, took ${milliseconds(call.durationMs)}`;
  return `${backendName(call.backend)}, ${call.route}, ${times}, ${remarks(call).join(', ')}, serves ${plural(call.paths.length, 'path')}`;
}

/** Waterfall draws what was known, and calls as bars, on one time axis. A bar is a button that selects its call, or lets go of it. */
export function Waterfall({ calls, facts, selected, onSelect }: WaterfallProps) {
  const ends = [...calls.map((call) => call.startMs + call.durationMs), ...facts.map((fact) => fact.atMs)];
  const end = ends.reduce((last, at) => Math.max(last, at), 0) || 1;
  const backends = [...new Set(calls.map((call) => call.backend))];
  return (
    <section className="lg-waterfall" aria-label="Waterfall of backend calls">
      <ul className="lg-legend">
        {backends.map((backend) => (
          <li key={backend}>
            <i data-backend={tone(backend)} aria-hidden="true" /> {backendName(backend)}
          </li>
        ))}
      </ul>
      <div className="lg-axis" aria-hidden="true">
        <div>
          {ticks(end).map((t) => (
            <span key={t} data-late={t / end > 0.8} style={{ '--at': `${(100 * t) / end}%` } as CSSProperties}>
              {milliseconds(t)}
            </span>
          ))}
        </div>
      </div>
      {facts.length > 0 && (
        <div className="lg-known" aria-hidden="true">
          <span className="lg-quiet">{plural(facts.length, 'fact')} found, by verdict</span>
          <span className="lg-call-track">
            {facts.slice(0, maxFacts).map((fact, i) => (
              <i key={i} data-verdict={toneOf(fact.verdict)} style={{ '--at': `${(100 * fact.atMs) / end}%` } as CSSProperties} />
            ))}
          </span>
        </div>
      )}
      <ol>
        {calls.map((call, i) => (
          <li key={i}>
            <button
              type="button"
              className="lg-call"
              aria-pressed={selected === i}
              aria-label={spoken(call)}
              data-backend={tone(call.backend)}
              data-failed={failed(call)}
              onClick={() => onSelect(selected === i ? undefined : i)}
            >
              <span className="lg-call-name">
                <span className="lg-call-route">{call.route}</span>
                <span className="lg-quiet">{remarks(call).join(' · ')}</span>
              </span>
              <span className="lg-call-track">
                <span
                  className="lg-bar"
                  style={
                    {
                      '--start': `${(100 * call.startMs) / end}%`,
                      '--length': `${(100 * call.durationMs) / end}%`,
                    } as CSSProperties
                  }
                />
              </span>
              <span className="lg-call-time">{milliseconds(call.durationMs)}</span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}
