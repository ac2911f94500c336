import { applyEdits, format } from 'jsonc-parser';

// GraphiQL tidies variables and headers with Prettier's JavaScript parser and printer, half a megabyte for a little
// JSON. These two have their shape and let the JSON parser that is here anyway do the work.

interface Text {
  text: string;
}

export const parsers = {
  jsonc: {
    astFormat: 'jsonc-text',
    parse: (text: string): Text => ({ text }),
    locStart: () => 0,
    locEnd: (node: Text) => node.text.length,
  },
};

export const printers = {
  'jsonc-text': {
    print: ({ node: { text } }: { node: Text }) =>
      applyEdits(text, format(text, undefined, { insertSpaces: true, tabSize: 2 })).trim(),
  },
};
