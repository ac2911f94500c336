import type { Learngraph } from './learngraph.js';
import { members, moment } from './scalars.js';

const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' });

/** A line for each client of a search, and one for each of its users. */
export async function* report(learngraph: Learngraph, query?: string): AsyncGenerator<string> {
  for await (const client of learngraph.clients(query)) {
    const end = client.licenseEndDate ? `license until ${day.format(moment(client.licenseEndDate))}` : 'no end of license';
    yield `${client.name ?? 'unnamed'}: ${client.seatsUsedCount ?? 0} of ${client.seatsLimit ?? 0} seats, ${end}`;
    for await (const user of learngraph.users(client.id)) {
      yield `  ${user.name ?? 'unnamed'}, ${members(user.metadata).department ?? 'no department'}`;
    }
  }
}
