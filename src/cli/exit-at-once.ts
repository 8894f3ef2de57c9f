import { WASI } from 'node:wasi';

/** The compiler knows browsers' globals only together with all others of theirs. */
const { Memory } = (globalThis as unknown as WithWebAssembly).WebAssembly;
interface WithWebAssembly {
  readonly WebAssembly: { readonly Memory: new (size: { readonly initial: number }) => object };
}

/**
 * Ends the process with an exit code while threads are inside native code. `process.exit()` waits for them, maybe for ever; the
 * system's own `exit`, which Node reaches as `proc_exit` of WASI, does not.
 */
export function exitAtOnce(code: number): void {
  const wasi = new WASI({ version: 'preview1', returnOnExit: false });
  const { proc_exit: exit } = wasi.wasiImport as { readonly proc_exit: (code: number) => void };
  wasi.start({ exports: { memory: new Memory({ initial: 1 }), _start: () => exit(code) } });
}
