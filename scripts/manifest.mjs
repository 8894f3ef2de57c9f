// Writes oclif.manifest.json: with it, a start loads the one command that runs instead of all.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Plugin } from '@oclif/core';
import { ROOT } from './steps.mjs';

const file = join(ROOT, 'oclif.manifest.json');
rmSync(file, { force: true });
const plugin = new Plugin({
  root: ROOT,
  type: 'core',
  ignoreManifest: true,
  errorOnManifestCreate: true,
});
await plugin.load();
writeFileSync(file, `${JSON.stringify(plugin.manifest, null, 2)}\n`);
