import { useSyncExternalStore } from 'react';
import type { Plan } from './explain';
import type { Arrival } from './parts';
import type { Operation } from './request';

/** Payload is a part of an answer as it arrived. Its time counts from when the request was sent. */
export interface Payload extends Arrival {
  atMs: number;
}

/** Run is one operation that was sent, and its answer so far. */
export interface Run {
  operation: Operation;
  headers: Record<string, string>;
  state: 'running' | 'done' | 'stopped';
  /** text is the answer so far as the editor shows it, which finds the run of a tab. */
  text: string;
  status?: number;
  statusText?: string;
  answerHeaders: [string, string][];
  ms?: number;
  bytes: number;
  payloads: Payload[];
  /** stream is set where the answer came in parts. */
  stream: boolean;
  captureAsked: boolean;
  plan?: Plan;
}

// A page is open for days: old runs are dropped.
const most = 30;

let runs: readonly Run[] = [];
const listeners = new Set<() => void>();

function publish(next: readonly Run[]) {
  runs = next;
  listeners.forEach((listener) => listener());
}

function listen(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** begin stores a run, and returns a function that changes it. */
export function begin(start: Pick<Run, 'operation' | 'headers' | 'captureAsked'>): (change: Partial<Run>) => void {
  let run: Run = { ...start, state: 'running', text: '', answerHeaders: [], bytes: 0, payloads: [], stream: false };
  publish([run, ...runs].slice(0, most));
  return (change) => {
    const before = run;
    run = { ...run, ...change };
    publish(runs.map((r) => (r === before ? run : r)));
  };
}

/** useRun returns the run whose answer a text is; undefined where the page was loaded since. */
export function useRun(response: string | null | undefined): Run | undefined {
  return useSyncExternalStore(listen, () => (response ? runs.find((run) => run.text === response) : undefined));
}
