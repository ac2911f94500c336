/** A day or a moment in ISO 8601, as the backend wrote it. The mark keeps other strings out. */
export type DateText = string & { readonly __scalar?: 'Date' };

/** Any JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });

/** The day of a Date for people, its text where it cannot be read. */
export function dayOf(date: DateText): string {
  const moment = new Date(date);
  return Number.isNaN(moment.getTime()) ? date : day.format(moment);
}

/** The members of a JSON object, none where the value is no object. */
export function members(value: Json | null | undefined): { readonly [key: string]: Json } {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as { readonly [key: string]: Json }) : {};
}
