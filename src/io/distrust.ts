/** Whether the server could not show who it is; asking again would change nothing. */
export function isDistrust(thrown: unknown): boolean {
  const { code = '' } = thrown as NodeJS.ErrnoException;
  return /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|ALTNAME/.test(code);
}
