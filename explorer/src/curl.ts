import type { Call, Parameter } from './explain';

// The shell that runs the command inserts the server's settings: no secret is in the page.
const servers: Record<string, { base: string; authorization: string }> = {
  thoughtindustries: { base: '$THOUGHTINDUSTRIES_URL', authorization: 'Bearer $THOUGHTINDUSTRIES_API_KEY' },
  coassemble: { base: '${COASSEMBLE_URL:-https://api.coassemble.com/api}', authorization: '$COASSEMBLE_AUTHORIZATION' },
  mattr: { base: '$MATTR_URL', authorization: 'Bearer $MATTR_TOKEN' },
};

const unknown = { base: '$BACKEND_URL', authorization: '$BACKEND_AUTHORIZATION' };

/** variable is the placeholder for a value that this caller may not see: userId is $USER_ID. */
const variable = (name: string): string => `$${name.replace(/\W/g, '_').replace(/([a-z])([A-Z])/g, '$1_$2').toUpperCase()}`;

const inUrl = ({ name, value }: Parameter): string =>
  value === undefined ? variable(name) : encodeURIComponent(value).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** inBody is the value of a member: explain shows a text without its quotes, and everything else as JSON. */
function inBody({ name, value }: Parameter): unknown {
  if (value === undefined) return variable(name);
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === 'object' ? parsed : value;
  } catch {
    return value;
  }
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** curl writes a call as a command for a shell, with placeholders for the server's settings and for hidden values. */
export function curl(call: Call): string {
  const { base, authorization } = servers[call.backend] ?? unknown;
  const [method = 'GET', route = ''] = call.route.split(' ');
  const rest = [...call.parameters];
  const path = route.replace(/\{(\w+)\}/g, (_, name: string) => {
    const i = rest.findIndex((p) => p.name === name);
    return i < 0 ? variable(name) : inUrl(rest.splice(i, 1)[0]!);
  });
  const lines = [];
  if (method === 'GET' || method === 'DELETE') {
    const query = rest.map((p) => `${encodeURIComponent(p.name)}=${inUrl(p)}`).join('&');
    lines.push(`curl -sS${method === 'GET' ? '' : ` -X ${method}`} "${base}${path}${query && `?${query}`}"`, `-H "Authorization: ${authorization}"`);
  } else {
    const body = Object.fromEntries(rest.map((p) => [p.name, inBody(p)]));
    lines.push(`curl -sS -X ${method} "${base}${path}"`, `-H "Authorization: ${authorization}"`, `-H 'Content-Type: application/json'`);
    lines.push(`-d ${quoted(JSON.stringify(body))}`);
  }
  return lines.join(' \\\n  ');
}
