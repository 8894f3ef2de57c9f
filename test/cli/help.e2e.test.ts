import { resolve } from 'node:path';
import { Config } from '@oclif/core';
import { describe, expect, it } from 'vitest';
import VgrHelp from '../../src/cli/help.js';

const config = await Config.load({ root: resolve('.') });
const COMMANDS = config.commands.map(({ id }) => id).filter((id) => !/^(auto|help)/.test(id));

class HeldHelp extends VgrHelp {
  readonly lines: string[] = [];

  protected override log(...texts: string[]): void {
    this.lines.push(...texts.join(' ').split('\n'));
  }
}

async function helpOf(...argv: string[]): Promise<string[]> {
  const help = new HeldHelp(config);
  await help.showHelp(argv);
  return help.lines;
}

describe('help', () => {
  it.each(COMMANDS)('-h of %s fits a screen, examples first', async (id) => {
    const lines = await helpOf(...id.split(':'), '-h');
    expect(lines.length).toBeLessThanOrEqual(24);
    for (const line of lines.slice(0, -3)) expect(line.length).toBeLessThanOrEqual(80);
    expect(lines[2]).toMatch(/^ {2}.*vgr /);
  });

  it('of refine is short of 110 lines, and has the large refiner apart', async () => {
    const whole = await helpOf('refine', '--help');
    expect(whole.length).toBeLessThanOrEqual(111);
    expect(whole.join('\n')).not.toMatch(/<value>|\[env: |--vlm-rpm/);
    const large = (await helpOf('refine', '--vlm')).join('\n');
    expect(large).toContain('--vlm-rpm=N');
    expect(large).toContain('--vlm-protocol=');
    expect(large).not.toContain('--queries');
  });
});
