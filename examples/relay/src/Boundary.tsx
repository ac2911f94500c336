import { Component, type ReactNode } from 'react';
import type { FetchPolicy } from 'relay-runtime';

/** How a query below a boundary is asked: from the network once what is in the store has failed. */
export type Attempt = { fetchKey: number; fetchPolicy: FetchPolicy };

type Props = { children: (attempt: Attempt) => ReactNode };
type State = { failed: boolean; attempt: Attempt };

/** Shows what could not be read in its own place, with a button that reads it again. */
export class Boundary extends Component<Props, State> {
  state: State = { failed: false, attempt: { fetchKey: 0, fetchPolicy: 'store-or-network' } };

  static getDerivedStateFromError = (): Partial<State> => ({ failed: true });

  retry = () => this.setState(({ attempt }) => ({
    failed: false,
    attempt: { fetchKey: attempt.fetchKey + 1, fetchPolicy: 'network-only' },
  }));

  render() {
    if (!this.state.failed) return this.props.children(this.state.attempt);
    return (
      <p className="problem" role="alert">
        This part cannot be read at the moment. <button type="button" onClick={this.retry}>Try again</button>
      </p>
    );
  }
}
