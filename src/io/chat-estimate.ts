import type { ChatReply, ChatRequest } from '../refinement/vlm/chat.js';
import type { TokenUse } from './chat-usage.js';

const CHARACTERS_PER_TOKEN = 4;
/** Of a picture at the default size: one for each patch of 28 by 28 pixels. */
const TOKENS_PER_PICTURE = 1300;

/** What a request took, where the server does not count. */
export function estimatedUse(request: ChatRequest, { text }: ChatReply): TokenUse {
  return {
    prompt: estimatedPrompt(request),
    completion: Math.ceil(text.length / CHARACTERS_PER_TOKEN),
  };
}

/** Tokens of a request's messages. */
export function estimatedPrompt({ messages }: ChatRequest): number {
  let tokens = 0;
  for (const { content } of messages) {
    const parts =
      typeof content === 'string' ? [{ type: 'text', text: content } as const] : content;
    for (const part of parts) {
      tokens +=
        part.type === 'text'
          ? Math.ceil(part.text.length / CHARACTERS_PER_TOKEN)
          : TOKENS_PER_PICTURE;
    }
  }
  return tokens;
}
