// Answers in parts, as Relay takes them. The server writes the format of 2022 (deferSpec=20220824), which Relay reads once each part
// names its place and says with `is_final` whether more follow.

/** What a fetch function sends as `Accept`. */
export const accept = 'multipart/mixed;deferSpec=20220824, application/graphql-response+json';

/**
 * The answers that Relay is given of a response, each as soon as it is there.
 * @param {Response} response
 * @returns {AsyncGenerator<any>}
 */
export async function* answers(response) {
  const [, boundary] = /boundary="([^"]+)"/.exec(response.headers.get('Content-Type') ?? '') ?? [];
  if (!boundary || !response.body) {
    yield await response.json();
    return;
  }
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  const end = `\r\n--${boundary}`;
  let text = '\r\n'; // before the first boundary too
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    for (let at = text.indexOf(end); at >= 0; at = text.indexOf(end)) {
      const body = text.slice(0, at).split('\r\n\r\n')[1];
      text = text.slice(at + end.length);
      if (body) yield answersOf(JSON.parse(body));
    }
  }
}

/** @param {any} payload */
function answersOf({ incremental, hasNext, extensions, ...first }) {
  const list = incremental ? incremental.flatMap(answersTo) : [first];
  list[list.length - 1].extensions = { ...extensions, is_final: !hasNext };
  return list;
}

/**
 * A list comes with several elements at once; Relay takes each by itself, at its index.
 * @param {any} part
 */
function answersTo({ items, path, ...part }) {
  if (!items) return [{ data: null, ...part, path }];
  const list = path.slice(0, -1);
  return items.map((/** @type {any} */ data, /** @type {number} */ i) => ({ ...part, data, path: [...list, path.at(-1) + i] }));
}
