import leven from 'leven';

/** The names that are written most like the wanted one, nearest first. */
export function nearestNames(wanted: string, names: Iterable<string>, count = 3): string[] {
  return [...names].sort((a, b) => leven(wanted, a) - leven(wanted, b)).slice(0, count);
}

/** The name that was most likely meant: one with a typo or two, or one of which only the start was typed. */
export function meantName(wanted: string, names: Iterable<string>): string | undefined {
  const [nearest] = nearestNames(wanted, names, 1);
  if (nearest !== undefined && leven(wanted, nearest) <= Math.max(1, wanted.length / 3)) {
    return nearest;
  }
  return [...names].find((name) => name.startsWith(wanted) || wanted.startsWith(`${name}-`));
}
