import { useState } from 'react';
import { copy } from './clipboard';
import type { Run } from './runs';
import { bytes, milliseconds, plural } from './units';

/** Status shows the HTTP status and headers of the last answer. */
export function Status({ run }: { run: Run }) {
  const [open, setOpen] = useState(false);
  const [copied, setCopied] = useState(false);
  const id = header(run, 'x-request-id');
  const copyId = async () => setCopied(await copy(id!));
  return (
    <div className="lg-status">
      <dl>
        {run.status !== undefined && <Item name="Status" value={`${run.status} ${run.statusText ?? ''}`.trim()} mark={run.status >= 400 ? '✕' : undefined} />}
        {run.ms !== undefined && <Item name="Time" value={milliseconds(run.ms)} />}
        <Item name="Size" value={bytes(run.bytes)} />
        {run.stream && <Item name="Payloads" value={`${run.payloads.length}${run.state === 'running' ? ' so far' : ''}`} />}
        {run.state === 'stopped' && <Item name="State" value="stopped" />}
        {id && (
          <div className="lg-request-id">
            <dt>Request</dt>
            <dd>
              <button type="button" className="lg-link" onClick={copyId} title="Copy the request id">
                {id}
              </button>
              {copied && <span role="status"> copied</span>}
            </dd>
          </div>
        )}
      </dl>
      {run.answerHeaders.length > 0 && (
        <button type="button" className="lg-link" aria-expanded={open} aria-controls="lg-headers" onClick={() => setOpen(!open)}>
          <span aria-hidden="true">{open ? '▾' : '▸'}</span> {plural(run.answerHeaders.length, 'header')}
        </button>
      )}
      <div id="lg-headers" className="lg-scroll" hidden={!open} tabIndex={open ? 0 : undefined} role="region" aria-label="Response headers">
        <table>
          <tbody>
            {run.answerHeaders.map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{value}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {run.captureAsked && run.state === 'done' && <Captured file={header(run, 'x-learngraph-capture')} />}
    </div>
  );
}

const header = (run: Run, name: string): string | undefined => run.answerHeaders.find(([n]) => n === name)?.[1];

function Item({ name, value, mark }: { name: string; value: string; mark?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {mark && <span aria-hidden="true">{mark} </span>}
        {value}
      </dd>
    </div>
  );
}

function Captured({ file }: { file: string | undefined }) {
  return (
    <p className="lg-captured" role="status">
      {file ? (
        <>
          Captured as <code>{file}</code>: <code>learngraph replay</code> replays it.
        </>
      ) : (
        <>
          Not captured. A server captures into the folder of its setting <code>CAPTURE_DIR</code>, for callers who may explain.
        </>
      )}
    </p>
  );
}
