import { useState } from 'react';
import { copy } from './clipboard';
import { curl } from './curl';
import type { Call, Path } from './explain';
import { show } from './locate';
import type { Payload } from './runs';
import { backendName, bytes, count, milliseconds, plural } from './units';
import { details } from './words';

// More of a list than this is no longer read.
const most = 30;

/** CallDetail shows the details of one call. */
export function CallDetail({ call, marked }: { call: Call; marked: number }) {
  return (
    <>
      <p>
        <b>{backendName(call.backend)}</b> <code>{call.route}</code>
      </p>
      <Items of={details(call)} />
      {call.parameters.length > 0 && (
        <>
          <h3>Parameters</h3>
          <dl className="lg-parameters">
            {call.parameters.map(({ name, value, digest }, i) => (
              <div key={i}>
                <dt>
                  <code>{name}</code>
                </dt>
                <dd>
                  {digest === undefined ? (
                    <code>{value}</code>
                  ) : (
                    <span title="This caller may not see the value; equal values have equal digests.">
                      digest <code>{digest}</code>
                    </span>
                  )}
                </dd>
              </div>
            ))}
          </dl>
        </>
      )}
      <Curl call={call} />
      <Served paths={call.paths} marked={marked} title="Served" nothing="This call served no field of the answer." />
    </>
  );
}

/** GroupDetail sums up equal calls. */
export function GroupDetail({ calls, marked }: { calls: Call[]; marked: number }) {
  const times = calls.map((call) => call.durationMs);
  const sum = (of: (call: Call) => number) => calls.reduce((total, call) => total + of(call), 0);
  const items: [string, string][] = [
    ['Each on the wire', `${milliseconds(Math.min(...times))} to ${milliseconds(Math.max(...times))}`],
    ['Waited for the budget', `${milliseconds(Math.max(...calls.map((call) => call.waitMs)))} at most`],
    ['Received', bytes(sum((call) => call.bytes))],
    ['Keys', count(sum((call) => call.batchSize))],
    ['Retries', count(sum((call) => call.retries))],
  ];
  const first = calls[0]!;
  return (
    <>
      <p>
        <b>{backendName(first.backend)}</b> <code>{first.route}</code> × {count(calls.length)}
      </p>
      <Items of={items} />
      <Served paths={calls.flatMap((call) => call.paths)} marked={marked} title="Served" nothing="These calls served no field of the answer." />
    </>
  );
}

/** PayloadDetail shows the content of a payload. */
export function PayloadDetail({ payload, number, of, marked }: { payload: Payload; number: number; of: number; marked: number }) {
  const labels = payload.labels.length > 0 ? `, with all of ${payload.labels.map((label) => `“${label}”`).join(', ')}` : '';
  return (
    <>
      <p>
        <b>
          Payload {number} of {of}
        </b>{' '}
        arrived {milliseconds(payload.atMs)} after the request was sent{labels}
        {payload.errors > 0 && `; ${plural(payload.errors, 'error')}`}
      </p>
      <Served paths={payload.paths} marked={marked} title="Came with it" nothing="It has no field: it ends the answer." />
    </>
  );
}

function Items({ of }: { of: [string, string][] }) {
  return (
    <dl className="lg-items">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

// As many places of one field are listed one by one.
const fewPlaces = 3;

/** condense lists each place once, and a field that is in many elements of a list without their numbers. */
function condense(paths: Path[]): { path: string; times: number }[] {
  const fields = new Map<string, Set<string>>();
  for (const path of paths) {
    const field = show(path.filter((step) => typeof step === 'string'));
    fields.set(field, (fields.get(field) ?? new Set()).add(show(path)));
  }
  return [...fields].flatMap(([field, places]) =>
    places.size > fewPlaces ? [{ path: field, times: places.size }] : [...places].map((path) => ({ path, times: 1 })),
  );
}

function Served({ paths, marked, title, nothing }: { paths: Path[]; marked: number; title: string; nothing: string }) {
  if (paths.length === 0) return <p className="lg-served">{nothing}</p>;
  const places = condense(paths);
  const shown = places.slice(0, most);
  return (
    <div className="lg-served">
      <h3>
        {title}{' '}
        <span className="lg-quiet" role="status">
          {marked > 0 ? `${plural(marked, 'place')} marked in the answer` : 'not in the answer: null, or cut off'}
        </span>
      </h3>
      <ul>
        {shown.map((place) => (
          <li key={place.path}>
            <code>{place.path}</code>
            {place.times > 1 && ` × ${count(place.times)}`}
          </li>
        ))}
        {places.length > shown.length && <li className="lg-more">and {count(places.length - shown.length)} more</li>}
      </ul>
    </div>
  );
}

function Curl({ call }: { call: Call }) {
  const [said, setSaid] = useState<string>();
  const command = curl(call);
  const click = async () => setSaid((await copy(command)) ? 'Copied' : 'Copy it here');
  return (
    <div className="lg-curl">
      <button type="button" className="lg-button" onClick={click}>
        Copy as curl
      </button>
      {said && (
        <>
          <span role="status" className="lg-quiet">
            {said}
          </span>
          <pre tabIndex={0}>{command}</pre>
        </>
      )}
    </div>
  );
}
