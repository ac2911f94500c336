/** A day or a moment in ISO 8601, as the backend wrote it. The mark keeps other strings out. */
export type DateText = string & { readonly __scalar?: 'Date' };

/** Any JSON value. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** The members of a JSON object, none where the value is no object. */
export function members(value: Json | null | undefined): { [key: string]: Json } {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {};
}
