/**
 * An error response with its words where the client library looks for them, under `error`: vLLM and SGLang put them at the top,
 * FastAPI under `detail`. All other responses as they are.
 */
export async function withErrorWords(response: Response): Promise<Response> {
  if (response.status < 400) return response;
  const text = await response.text();
  const { status, headers } = response;
  return new Response(JSON.stringify(told(text)) ?? text, { status, headers });
}

/** Undefined where the text is to stay as it is. */
function told(text: string): { readonly error: object } | undefined {
  const value = parsed(text);
  if (typeof value !== 'object' || value === null || 'error' in value) return undefined;
  const { message, detail, code } = value as Record<string, unknown>;
  const words = typeof message === 'string' ? message : detail;
  if (words === undefined || words === null) return undefined;
  return { error: { message: typeof words === 'string' ? words : JSON.stringify(words), code } };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
