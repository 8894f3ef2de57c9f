import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** A path among the state that the system keeps for programs (`XDG_STATE_HOME`, by default `~/.local/state`). */
export function statePath(...parts: readonly string[]): string {
  const { XDG_STATE_HOME, LOCALAPPDATA } = process.env;
  const state = process.platform === 'win32' ? LOCALAPPDATA : XDG_STATE_HOME;
  const root = state && isAbsolute(state) ? state : join(homedir(), '.local', 'state');
  return join(root, 'vgr', ...parts);
}
