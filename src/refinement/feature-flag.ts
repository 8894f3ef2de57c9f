/** A condition as a number of a feature row. */
export const flag = (holds: boolean): number => (holds ? 1 : 0);
