import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  GRIDS,
  normalisedQuery,
  type PromptFacts,
  piterPrompt,
  twoStagePrompt,
} from '../../src/vlm/prompt.js';
import { templatePrompt } from '../../src/vlm/prompt-template.js';

const FACTS: PromptFacts = {
  query: 'the left lion',
  picture: { width: 644, height: 476 },
  grid: GRIDS['qwen2.5-vl'],
};

describe('a query', () => {
  it.each([
    ['The left lion.', 'the left lion'],
    [' "Who is it?!" ', 'who is it'],
    ['St. Bernard', 'st. bernard'],
    ['...', ''],
  ])('%j is asked as %j', (query, asked) => {
    expect(normalisedQuery(query)).toBe(asked);
  });

  it('is normalised once and for all', () => {
    fc.assert(
      fc.property(fc.string(), (query) => {
        const once = normalisedQuery(query);
        expect(normalisedQuery(once)).toBe(once);
      }),
    );
  });
});

describe('the prompts', () => {
  it('of two stages tell the expression, the call and the pixels', () => {
    const prompt = twoStagePrompt(FACTS);
    expect(prompt).toContain('"the left lion"');
    expect(prompt).toContain('<function>get_extra_ref_result()</function>');
    expect(prompt).toContain('644 wide and 476 high');
  });

  it('tell the scale of models that know no pixels', () => {
    expect(twoStagePrompt({ ...FACTS, grid: GRIDS['qwen3-vl'] })).toContain('from 0 to 1000');
  });

  it('of one turn tell what the tools found, and that it may be wrong', () => {
    const tools = '{"reftool_1": "[]"}';
    const prompt = piterPrompt({ ...FACTS, tools });
    expect(prompt).toContain(tools);
    expect(prompt).toMatch(/may be wrong/);
    expect(prompt).not.toContain('get_extra_ref_result');
  });
});

describe('a template', () => {
  it('is given the expression, as the upstream files expect it', () => {
    const write = templatePrompt('{{ content | trim }} \nCall ```f()```.\n', 'p.jinja');
    expect(write(FACTS)).toBe('the left lion \nCall ```f()```.');
  });

  it('is given the boxes of the tools and the size of the picture', () => {
    const text = '{% if tools %}{{ tools }} {% endif %}{{ content }} {{ width }}x{{ height }}';
    const write = templatePrompt(text, 'p.jinja');
    expect(write({ ...FACTS, tools: '[]' })).toBe('[] the left lion 644x476');
    expect(write(FACTS)).toBe('the left lion 644x476');
  });

  it.each([
    [
      'the line ends of another system',
      '\ufeff{{ content }}\r\nfind it\r\n',
      'the left lion\nfind it',
    ],
    [
      'lines of blocks, as Jinja keeps them',
      '{% if width %}\n  {{ content }}\n{% endif %}',
      '\n  the left lion\n',
    ],
    ['filters that change the expression', '{{ content | title }}', 'The Left Lion'],
    [
      'ranges',
      '{% for i in range(3, 0, -1) %}{{ i }}{% endfor %} {{ content }}',
      '321 the left lion',
    ],
    ['what is not given, as nothing', '{{ content }}{{ nothing }}', 'the left lion'],
  ])('may have %s', (_name, text, prompt) => {
    expect(templatePrompt(text, 'p.jinja')(FACTS)).toBe(prompt);
  });

  it('does not read the expression as a template', () => {
    const write = templatePrompt('{{ content }}', 'p.jinja');
    expect(write({ ...FACTS, query: '{{ width }}' })).toBe('{{ width }}');
  });

  it.each([
    ['for i in range(1000000000)', 'a range of more than'],
    ['for i in range(9, 10, 0)', 'a range of more than'],
    ['for i in range(10000) %}{% for j in range(10000) %}{% endfor', 'does not end'],
    [
      'for i in range(9999) %}{% for j in range(9) %}{{ content }}{% endfor %}{% endfor %}{% for i in []',
      'does not end',
    ],
  ])('is refused where it does not end: %s', (loop, message) => {
    const text = `{{ content }}{% ${loop} %}{% endfor %}`;
    expect(() => templatePrompt(text, 'p.jinja')).toThrowError(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining(message),
      }),
    );
  });

  it.each([
    ...['no variable', '{{ content', '{% for %}{{ content }}', '{{ content | nofilter }}'],
    ...['{{ content }}{{ f() }}', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}{{ content }}'],
    ...['{{ content }}{{ raise_exception("no") }}', '{{ content }}{{ strftime_now("%H") }}'],
    '{% set s = namespace(v=content) %}{% for i in range(60) %}{% set s.v = s.v ~ s.v %}{% endfor %}{{ s.v }}',
  ])('is refused where it is none: %s', (text) => {
    expect(() => templatePrompt(text, 'p.jinja')).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    );
  });
});
