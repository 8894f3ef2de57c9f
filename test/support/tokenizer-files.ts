/** Tokenisers as the Hugging Face hub keeps them, with vocabularies of the tests' own. */

/** As BERT's: small letters, no accents, word pieces. Ids are the places of the words, after those of the special tokens. */
export function bertTokenizer(words: readonly string[]): object {
  const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]'];
  const vocab = Object.fromEntries([...special, ...words].map((word, id) => [word, id]));
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({ ...ADDED, id, content })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
      ],
      pair: [],
      special_tokens: {
        '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
        '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
      },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}

export const BERT_CONFIG = {
  tokenizer_class: 'BertTokenizer',
  do_lower_case: true,
  model_max_length: 512,
  pad_token: '[PAD]',
};

const ADDED = {
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
};

/** The letters that CLIP gives to bytes: printable ones are themselves, the others follow from 256 on. */
export function byteLetters(): string[] {
  const printable = [
    ...Array.from({ length: 94 }, (_, i) => i + 33),
    ...Array.from({ length: 12 }, (_, i) => i + 161),
    ...Array.from({ length: 82 }, (_, i) => i + 174),
  ];
  const letters: string[] = [];
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    letters[byte] = String.fromCodePoint(printable.includes(byte) ? byte : next++);
  }
  return letters;
}

/** CLIP's order of the single letters: printable bytes first. */
function letterOrder(): string[] {
  const letters = byteLetters();
  const own = letters.filter((letter, byte) => letter.codePointAt(0) === byte);
  return [...own, ...letters.filter((letter, byte) => letter.codePointAt(0) !== byte)];
}

/** CLIP's vocabulary of merges: letters, letters that end a word, merges, two special tokens. */
export function clipVocabulary(merges: readonly string[]): Record<string, number> {
  const letters = letterOrder();
  const tokens = [
    ...letters,
    ...letters.map((letter) => `${letter}</w>`),
    ...merges.map((merge) => merge.replace(' ', '')),
    '<|startoftext|>',
    '<|endoftext|>',
  ];
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}

/** As CLIP's. */
export function clipTokenizer(merges: readonly string[]): object {
  const vocab = clipVocabulary(merges);
  const start = vocab['<|startoftext|>']!;
  const end = vocab['<|endoftext|>']!;
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      { ...ADDED, normalized: true, id: start, content: '<|startoftext|>' },
      { ...ADDED, id: end, content: '<|endoftext|>' },
    ],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: {
            Regex: "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
          },
          behavior: 'Removed',
          invert: true,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: ['<|endoftext|>', end],
      cls: ['<|startoftext|>', start],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<|endoftext|>',
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      vocab,
      merges,
    },
  };
}

export const CLIP_CONFIG = {
  tokenizer_class: 'CLIPTokenizer',
  model_max_length: 16,
  pad_token: '!',
  bos_token: '<|startoftext|>',
  eos_token: '<|endoftext|>',
  unk_token: '<|endoftext|>',
};
