/** The event that ends a stream of the Chat Completions API, at the start of a line. */
const END_MARK = /(?:^|[\r\n])data: ?\[DONE\]/;
/** Bytes of the mark with the line end before it, which two pieces may share. */
const MARK_LENGTH = 13;

/** An event stream that remembers whether its end mark went by: the client library reads it and tells nobody. */
export function withEndMark(response: Response): {
  readonly marked: Response;
  readonly isDone: () => boolean;
} {
  let tail = '';
  let done = false;
  const body = response.body?.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (piece, controller) => {
        const text = tail + Buffer.from(piece).toString('latin1');
        done ||= END_MARK.test(text);
        tail = text.slice(-MARK_LENGTH);
        controller.enqueue(piece);
      },
    }),
  );
  return { marked: new Response(body ?? null, response), isDone: () => done };
}
