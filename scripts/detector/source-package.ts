import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { GraphModelFiles } from './centernet.js';

/** A graph model of an installed npm package. */
export interface PackageSource {
  readonly package: string;
  readonly version: string;
  /** The model's JSON; its weights lie beside it as `.bin`. */
  readonly path: string;
}

/** Where an npm package is installed for this folder; undefined where it is not. */
export function packageFolder(name: string): string | undefined {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? [];
  return folders.map((folder) => join(folder, name)).find((folder) => existsSync(folder));
}

/**
 * Reads the model's files out of `node_modules`.
 * @throws {Error} when the package is missing or of another version
 */
export function readPackagedModel({
  package: name,
  version,
  path,
}: PackageSource): GraphModelFiles {
  const root = packageFolder(name);
  if (root === undefined) {
    throw new Error(`${name} is not installed; hint: npm ci --prefix scripts/detector`);
  }
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  if (manifest.version !== version) {
    throw new Error(`${name}: the card asks for ${version}, ${manifest.version} is installed`);
  }
  return {
    json: readFileSync(join(root, path), 'utf8'),
    weights: readFileSync(join(root, path.replace(/\.json$/, '.bin'))),
  };
}
