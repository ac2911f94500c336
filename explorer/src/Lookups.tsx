import type { Fact } from './explain';
import { age, backendName, count, milliseconds, shapeOf, toneOf, verdicts } from './units';
import { countsOf } from './words';

/** meanings of the verdicts, for who meets them for the first time. */
const meanings: Record<string, string> = {
  call: 'asked of the backend',
  coalesced: 'another operation was asking',
  revalidated: 'the backend confirmed it',
  stale: 'kept, past its time',
  redis: 'from Redis',
  memory: 'from memory',
};

/** LookupsView shows the origins of the facts: each verdict has a shape, a word and a count. */
export function LookupsView({ facts }: { facts: Fact[] }) {
  return (
    <section className="lg-facts" aria-label="Cache lookups">
      <details>
        <summary>
          <b>Cache lookups</b>
          <ul className="lg-legend">
            {countsOf(facts, verdicts).map(([verdict, n]) => (
              <li key={verdict} title={meanings[verdict]}>
                <i data-verdict={shapeOf(verdict)} aria-hidden="true" /> {verdict || 'no verdict'} {count(n)}
              </li>
            ))}
          </ul>
        </summary>
        <div className="lg-scroll" tabIndex={0} role="region" aria-label="Table of cache lookups">
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
                    <i data-verdict={shapeOf(fact.verdict)} data-backend={toneOf(fact.backend)} aria-hidden="true" /> {fact.verdict}
                    {meanings[fact.verdict] && <span className="lg-quiet"> {meanings[fact.verdict]}</span>}
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
