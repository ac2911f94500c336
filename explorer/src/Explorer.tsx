import { useEffect, useState } from 'react';
import { DropdownMenu, pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { GraphiQL } from 'graphiql';
import { copy } from './clipboard';
import { useCredential } from './credentials';
import { examples, type Example } from './examples';
import { Panel } from './Panel';
import { fetcher } from './request';
import { SCHEMA_PLUGIN } from './Schema';
import { linkTo, takeShared, type Shared } from './share';
import { SignIn } from './SignIn';
import { useOpen } from './tabs';

const shared = takeShared();
arrange();

/** arrange leaves the answer and its calls, side by side in a wide window, more room than the editor. GraphiQL keeps what is dragged. */
function arrange() {
  const key = 'graphiql:editorFlex';
  if (window.innerWidth >= 1700 && localStorage.getItem(key) === null) localStorage.setItem(key, '0.6');
}

const plugins = [HISTORY_PLUGIN, SCHEMA_PLUGIN];

/** Explorer is the page: GraphiQL with examples, links to operations, and the panel of backend calls. */
export function Explorer() {
  return (
    <GraphiQL
      fetcher={fetcher}
      plugins={plugins}
      inputValueDeprecation
      schemaDescription
      shouldPersistHeaders={false}
      defaultQuery={examples[0].query}
      initialQuery={shared?.query}
      initialVariables={shared?.variables}
      maxHistoryLength={50}
    >
      <GraphiQL.Logo>
        <Header />
      </GraphiQL.Logo>
      <GraphiQL.Footer>
        <Panel />
      </GraphiQL.Footer>
    </GraphiQL>
  );
}

/** useSharedLinks honours links: the operation's name of the one that opened the page, and any that follows. */
function useSharedLinks(open: (operation: Shared) => void) {
  const { setOperationName } = useGraphiQLActions();
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  useEffect(() => {
    if (queryEditor && shared?.operationName) setOperationName(shared.operationName);
  }, [queryEditor, setOperationName]);
  useEffect(() => {
    const follow = () => {
      const operation = takeShared();
      if (operation) open(operation);
    };
    window.addEventListener('hashchange', follow);
    return () => window.removeEventListener('hashchange', follow);
  });
}

const monospace = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace';

/**
 * useReadableEditors sets a font of the reader's system in the editors, and lets keyboard users leave them: Tab moves
 * on from the answer, which cannot be written, and Escape leaves the others.
 */
function useReadableEditors() {
  const editors = useGraphiQL(pick('queryEditor', 'variableEditor', 'headerEditor', 'responseEditor'));
  const { queryEditor, variableEditor, headerEditor, responseEditor } = editors;
  useEffect(() => {
    const writable = [
      [queryEditor, 'Operation'],
      [variableEditor, 'Variables'],
      [headerEditor, 'Headers'],
    ] as const;
    for (const [editor, name] of writable) {
      editor?.updateOptions({ fontFamily: monospace, fontSize: 14, ariaLabel: `${name}. Escape leaves the editor.` });
    }
    responseEditor?.updateOptions({ fontFamily: monospace, fontSize: 13, ariaLabel: 'Answer', tabFocusMode: true });
    const leaving = writable.map(([editor]) =>
      editor?.onKeyDown((event) => {
        const node = editor.getContainerDomNode();
        if (event.code !== 'Escape' || node.querySelector('.suggest-widget.visible, .find-widget.visible')) return;
        node.focus();
      }),
    );
    return () => leaving.forEach((listener) => listener?.dispose());
  }, [queryEditor, variableEditor, headerEditor, responseEditor]);
}

function Header() {
  const open = useOpen();
  useSharedLinks(open);
  useReadableEditors();
  return (
    <div className="lg-header">
      <h1 className="lg-brand">Learngraph</h1>
      <Examples onChoose={open} />
      <CopyLink />
      <Credential />
    </div>
  );
}

/** Credential is the button to the form while a credential is in use; if one is required, the panel has the form. */
function Credential() {
  const { credential, refused } = useCredential();
  const [open, setOpen] = useState(false);
  if (!credential || refused) return null;
  return (
    <>
      <button type="button" className="lg-button" aria-expanded={open} onClick={() => setOpen(!open)}>
        {credential.kind === 'key' ? 'Key' : 'Token'} <span aria-hidden="true">▾</span>
      </button>
      {open && (
        <div className="lg-popover">
          <SignIn onDone={() => setOpen(false)} />
        </div>
      )}
    </>
  );
}

function Examples({ onChoose }: { onChoose: (example: Example) => void }) {
  return (
    <DropdownMenu>
      <DropdownMenu.Button className="lg-button">
        Examples <span aria-hidden="true">▾</span>
      </DropdownMenu.Button>
      <DropdownMenu.Content align="end" className="lg-menu" aria-label="Example operations">
        {examples.map((example) => (
          <DropdownMenu.Item key={example.title} onSelect={() => onChoose(example)}>
            {example.title}
          </DropdownMenu.Item>
        ))}
      </DropdownMenu.Content>
    </DropdownMenu>
  );
}

function CopyLink() {
  const { queryEditor, variableEditor, operationName } = useGraphiQL(
    pick('queryEditor', 'variableEditor', 'operationName'),
  );
  const [said, setSaid] = useState('');
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(''), 4000);
    return () => clearTimeout(timer);
  }, [said]);
  const click = async () => {
    const link = linkTo({
      query: queryEditor?.getValue() ?? '',
      variables: variableEditor?.getValue(),
      operationName: operationName ?? undefined,
    });
    if (await copy(link)) {
      setSaid('Link copied');
      return;
    }
    history.replaceState(null, '', link);
    setSaid('Link is in the address bar');
  };
  return (
    <>
      <button type="button" className="lg-button" onClick={click}>
        Copy link
      </button>
      <span role="status" className="lg-toast" data-shown={said !== ''}>
        {said}
      </span>
    </>
  );
}
