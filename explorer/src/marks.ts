import { useEffect, useState } from 'react';
import { useGraphiQL } from '@graphiql/react';
import type { Path } from './explain';
import { end, extensionsLine, mark } from './locate';

// More marks than this slow the editor down and no longer point anywhere.
const maxMarks = 500;

/**
 * useMarks marks the fields that paths lead to in the answer, less those of others, and counts them. The first of them
 * stays in view where the editor's height changes: the panel below it grows after a selection.
 */
export function useMarks(paths: Path[] | undefined, others: Path[]): number {
  const editor = useGraphiQL((state) => state.responseEditor);
  const [marked, setMarked] = useState(0);
  useEffect(() => {
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
    const marks = editor.createDecorationsCollection(
      ranges.map((range) => ({ range, options: { inlineClassName: 'lg-mark', linesDecorationsClassName: 'lg-mark-edge' } })),
    );
    const first = ranges[0]?.startLineNumber;
    const reveal = () => first && editor.revealLineNearTop(first);
    // A fold that ends after this brings the cursor into view.
    if (first) editor.setPosition({ lineNumber: first, column: 1 });
    reveal();
    const layouts = editor.onDidLayoutChange(reveal);
    setMarked(fields);
    return () => {
      layouts.dispose();
      marks.clear();
    };
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
