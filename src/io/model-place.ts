import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * The folder of the user's own models: `VGR_MODELS_DIR`, else `vgr/models` where the system keeps data of programs
 * (`XDG_DATA_HOME`, by default `~/.local/share`; `LOCALAPPDATA` on Windows). It need not be there.
 */
export function modelsFolder(): string {
  const { VGR_MODELS_DIR, XDG_DATA_HOME, LOCALAPPDATA } = process.env;
  if (VGR_MODELS_DIR) return VGR_MODELS_DIR;
  const data = process.platform === 'win32' ? LOCALAPPDATA : XDG_DATA_HOME;
  // The XDG specification has relative paths ignored.
  const root = data && isAbsolute(data) ? data : join(homedir(), '.local', 'share');
  return join(root, 'vgr', 'models');
}
