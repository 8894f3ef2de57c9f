import { afterEach, beforeEach, expect, it, type MockInstance, vi } from 'vitest';
import { SignalInterruption } from '../../src/cli/interruption.js';

let kill: MockInstance<typeof process.kill>;
let exit: MockInstance<typeof process.exit>;
let interruption: SignalInterruption;
let deliver: (signal: NodeJS.Signals) => void;

beforeEach(() => {
  vi.useFakeTimers();
  // The ends of a run would be that of the tests.
  kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  exit = vi.spyOn(process, 'exit').mockReturnValue(undefined as never);
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const others = [...process.listeners('SIGINT'), ...process.listeners('SIGTERM')];
  interruption = new SignalInterruption(() => undefined);
  // The listeners of the test runner would end it.
  deliver = (signal) => {
    for (const listener of process.listeners(signal)) {
      if (!others.includes(listener)) listener(signal);
    }
  };
});

afterEach(() => {
  interruption.close();
  vi.clearAllTimers();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it('the first signal asks to end, then gives up what is slow, and ends the process within five seconds', async () => {
  expect(interruption.signal.aborted).toBe(false);
  deliver('SIGTERM');
  expect(interruption.signal.aborted).toBe(true);
  expect(interruption.exitCode).toBe(143);
  expect(interruption.overdue.aborted).toBe(false);
  const inTime = interruption.inTime(new Promise(() => undefined));
  await vi.advanceTimersByTimeAsync(4000);
  expect(interruption.overdue.aborted).toBe(true);
  expect(await inTime).toBe(false);
  expect(kill).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(900);
  expect(kill).toHaveBeenCalledExactlyOnceWith(process.pid, 'SIGTERM');
  // Process 1 of a container is not ended by its own signals.
  expect(exit).toHaveBeenCalledExactlyOnceWith(143);
});

it('the second signal ends the process at once, as the one that it is', () => {
  deliver('SIGTERM');
  expect(kill).not.toHaveBeenCalled();
  deliver('SIGINT');
  expect(kill).toHaveBeenCalledExactlyOnceWith(process.pid, 'SIGINT');
  expect(interruption.exitCode).toBe(130);
});
