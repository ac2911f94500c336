const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

export const count = (n: number): string => whole.format(n);

/** plural returns "1 call", "2 calls". */
export const plural = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? '' : 's'}`;

export function bytes(n: number): string {
  if (n < 1000) return `${count(n)} B`;
  if (n < 1e6) return `${tenth.format(n / 1e3)} kB`;
  return `${tenth.format(n / 1e6)} MB`;
}

export function milliseconds(n: number): string {
  if (n >= 10_000) return `${tenth.format(n / 1000)} s`;
  return `${(n < 10 ? tenth : whole).format(n)} ms`;
}

export function age(seconds: number): string {
  if (seconds < 60) return `${count(Math.round(seconds))} s`;
  if (seconds < 3600) return `${count(Math.round(seconds / 60))} min`;
  return `${tenth.format(seconds / 3600)} h`;
}

/** ticks returns at most four round values from 0 up to end: more would not fit a phone. */
export function ticks(end: number): number[] {
  const rough = end / 3;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * magnitude).find((n) => n >= rough) ?? rough;
  const values = [];
  for (let i = 0; i * step <= end; i++) values.push(i * step);
  return values;
}

const names: Record<string, string> = {
  thoughtindustries: 'Thought Industries',
  coassemble: 'Coassemble',
  mattr: 'MATTR',
};

const tags: Record<string, string> = { thoughtindustries: 'TI', coassemble: 'CO', mattr: 'MA' };

/** verdicts of the cache, in the order from the dearest to the cheapest. */
export const verdicts = ['call', 'coalesced', 'revalidated', 'stale', 'redis', 'memory'];

/** shapeOf is the verdict as the style sheet draws it. */
export const shapeOf = (verdict: string): string => (verdicts.includes(verdict) ? verdict : 'other');

/** toneOf is the backend as the style sheet colours it. */
export const toneOf = (backend: string): string => (backend in names ? backend : 'other');

/** tagOf is a backend in two letters. */
export const tagOf = (backend: string): string => tags[backend] ?? (backend.slice(0, 2).toUpperCase() || '??');

export const backendName = (id: string): string => names[id] ?? (id || 'unknown backend');
