import type { Call, Fact, Stale } from './explain';
import { age, bytes, count, milliseconds, plural } from './units';

/** isFailed reports whether a call brought nothing that could be used. */
export const isFailed = (call: Call): boolean => call.status === 0 || call.status >= 400;

/** status is how a call ended, in words. */
export const status = (call: Call): string => (call.status === 0 ? 'no answer' : `status ${call.status}`);

/** remarks returns the unusual properties of a call, in short. */
export function remarks(call: Call): string[] {
  const words = [];
  if (isFailed(call)) words.push(call.status === 0 ? '✕ no answer' : `✕ ${call.status}`);
  if (call.retries > 0) words.push(call.retries === 1 ? '1 retry' : `${count(call.retries)} retries`);
  if (call.coalesced) words.push('shared');
  return words;
}

/** details are all facts about a call but its parameters, by name. */
export function details(call: Call): [string, string][] {
  const list: [string, string][] = [
    ['On the wire', milliseconds(call.durationMs)],
    ['Waited for the budget', milliseconds(call.waitMs)],
    ['Status', call.status === 0 ? 'no answer' : String(call.status)],
    ['Received', bytes(call.bytes)],
    ['Batch', plural(call.batchSize, 'key')],
    ['Retries', count(call.retries)],
  ];
  if (call.coalesced) list.push(['Shared', 'another operation made it']);
  return list;
}

const because: Record<string, string> = {
  refreshing: 'being refreshed',
  failed: 'the backend failed',
  budget: 'the call budget is spent',
  slow: 'the backend is slow',
  asked: 'the request allowed it',
};

/** ageing describes the age of stale facts and the reason for their use: "expired 3 min ago, being refreshed". */
export function ageing({ expiredSeconds, ageSeconds, reason }: Stale): string {
  const how = expiredSeconds > 0 ? `expired ${age(expiredSeconds)} ago` : `${age(ageSeconds)} old`;
  return `${how}, ${because[reason] ?? (reason || 'for an unknown reason')}`;
}

/** countsOf counts lookups by their verdict, in the order of verdicts. */
export function countsOf(facts: Fact[], verdicts: string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const fact of facts) counts.set(fact.verdict, (counts.get(fact.verdict) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => verdicts.indexOf(a) - verdicts.indexOf(b));
}
