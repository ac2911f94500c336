import { useEffect, useRef, useState } from 'react';
import { useGraphiQL } from '@graphiql/react';
import type { Path } from './explain';
import { end, extensionsLine, mark } from './locate';

// More marks than this slow the editor down and no longer point anywhere.
const maxMarks = 500;

/** useMarks marks the fields that paths lead to in the answer, less those of others, brings the first into view, and counts them. */
export function useMarks(paths: Path[] | undefined, others: Path[]): number {
  const editor = useGraphiQL((state) => state.responseEditor);
  const marks = useRef<{ clear(): void }>(undefined);
  const [marked, setMarked] = useState(0);
  useEffect(() => {
    marks.current?.clear();
    marks.current = undefined;
    const model = editor?.getModel();
    if (!editor || !model || !paths?.length) {
      setMarked(0);
      return;
    }
    // The text is read with line feeds, as the offsets are counted.
    const { fields, pieces } = mark(model.getValue(), paths, others, maxMarks);
    const ranges = pieces.map((piece) => {
      const from = model.getPositionAt(piece.offset);
      const to = model.getPositionAt(end(piece));
      return { startLineNumber: from.lineNumber, startColumn: from.column, endLineNumber: to.lineNumber, endColumn: to.column };
    });
    marks.current = editor.createDecorationsCollection(
      ranges.map((range) => ({ range, options: { inlineClassName: 'lg-mark', linesDecorationsClassName: 'lg-mark-edge' } })),
    );
    if (ranges[0]) editor.revealLineNearTop(ranges[0].startLineNumber);
    setMarked(fields);
  }, [editor, paths, others]);
  return marked;
}

/** useFoldedExtensions folds the extensions of each answer away: the panel draws them. */
export function useFoldedExtensions(response: string | null | undefined): void {
  const editor = useGraphiQL((state) => state.responseEditor);
  useEffect(() => {
    if (!editor || !response) return;
    const line = extensionsLine(response);
    if (line !== undefined) editor.trigger('explorer', 'editor.fold', { selectionLines: [line - 1] });
  }, [editor, response]);
}

/** useQuietSchema hides GraphiQL's error about a missing schema from the answer, whose request did not ask for the schema. */
export function useQuietSchema(response: string | null | undefined): string | undefined {
  const fetchError = useGraphiQL((state) => state.fetchError);
  const editor = useGraphiQL((state) => state.responseEditor);
  useEffect(() => {
    if (fetchError && editor) editor.setValue(response ?? '');
    // An answer that comes later is GraphiQL's to show.
  }, [fetchError, editor]);
  return fetchError ?? undefined;
}
