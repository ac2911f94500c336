import { useEffect, useState } from 'react';
import { useGraphiQL, useMonaco, type GraphiQLPlugin } from '@graphiql/react';
import { printSchema } from 'graphql';
import { fetchSchema } from './request';

/** useText returns the schema as text: the server's own, or one made from introspection if it serves none. */
function useText(): string | undefined {
  const schema = useGraphiQL((state) => state.schema);
  const [text, setText] = useState<string>();
  useEffect(() => {
    let here = true;
    void fetchSchema().then((served) => here && setText(served ?? (schema ? printSchema(schema) : undefined)));
    return () => void (here = false);
  }, [schema]);
  return text;
}

function Content() {
  const text = useText();
  const monaco = useMonaco((state) => state.monaco);
  const [coloured, setColoured] = useState<string>();
  useEffect(() => {
    let here = true;
    setColoured(undefined);
    if (monaco && text) void monaco.editor.colorize(text, 'graphql', { tabSize: 2 }).then((html) => here && setColoured(html));
    return () => void (here = false);
  }, [monaco, text]);
  return (
    <section className="lg-schema" aria-label="Schema">
      <header>
        <h2>Schema</h2>
        {text !== undefined && (
          <button type="button" className="lg-button" onClick={() => download(text)}>
            Download
          </button>
        )}
      </header>
      {text === undefined ? (
        <p className="lg-quiet">There is no schema to show: this server does not send it, or not without a key or token.</p>
      ) : coloured === undefined ? (
        <pre tabIndex={0}>{text}</pre>
      ) : (
        // The editor's own colours of the text, which it has escaped.
        <pre tabIndex={0} dangerouslySetInnerHTML={{ __html: coloured }} />
      )}
    </section>
  );
}

function download(text: string) {
  const address = URL.createObjectURL(new Blob([text], { type: 'application/graphql' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = 'schema.graphqls';
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

function Icon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d="M8 4H7a2 2 0 0 0-2 2v4a2 2 0 0 1-2 2 2 2 0 0 1 2 2v4a2 2 0 0 0 2 2h1M16 4h1a2 2 0 0 1 2 2v4a2 2 0 0 0 2 2 2 2 0 0 0-2 2v4a2 2 0 0 1-2 2h-1" />
      <path d="M10 10h4M10 14h4" />
    </svg>
  );
}

/** SCHEMA_PLUGIN shows the schema as text, and downloads it. */
export const SCHEMA_PLUGIN: GraphiQLPlugin = { title: 'Schema', icon: Icon, content: Content };
