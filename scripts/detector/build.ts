/**
 * Makes the embedded detector's weights from the npm package that its card names. With `--write-card` the card's sha256 and
 * size follow the result; without it a difference is an error.
 */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseModelCard } from '../../src/formats/model-card.js';
import { convertCenternet } from './centernet.js';
import { readPackagedModel } from './source-package.js';

const CARD = fileURLToPath(new URL('../../models/centernet/card.json', import.meta.url));

function build(mayWriteCard: boolean): string {
  const text = readFileSync(CARD, 'utf8');
  const parsed = parseModelCard(JSON.parse(text));
  if (!parsed.ok) throw new Error(`${CARD}: ${JSON.stringify(parsed.errors)}`);
  const { file, name, sha256, source } = parsed.card;
  if (!('package' in source)) throw new Error(`${CARD}: expected an npm package as source`);

  const bytes = convertCenternet(readPackagedModel(source), `${source.package}@${source.version}`);
  const made = createHash('sha256').update(bytes).digest('hex');
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
  const target = join(dirname(CARD), file);
  writeFileSync(`${target}.tmp`, bytes);
  renameSync(`${target}.tmp`, target);
  return `models/${name}/${file}: ${bytes.length} bytes, sha256 ${made}`;
}

try {
  console.log(build(process.argv.includes('--write-card')));
} catch (error) {
  console.error(`scripts/detector/build.ts: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
