import { asVgrError } from '../../formats/fault.js';
import type { Chat } from './chat.js';
import type { VlmMode } from './conversation.js';

const COUNT =
  'Write the whole numbers from 1 to 9 in order, separated by spaces, and nothing else.';
const BEGUN = '1 2 3 4';

/**
 * Finds out whether a server goes on with an assistant's message: it is asked to count, with the first four numbers as the
 * message begun. One that goes on begins with 5; one that takes a new turn begins with 1; one that does not know the field
 * refuses.
 * @throws VgrError where the server cannot be asked at all
 */
export async function detectMode(chat: Chat): Promise<VlmMode> {
  try {
    const { text } = await chat({
      messages: [
        { role: 'user', content: COUNT },
        { role: 'assistant', content: BEGUN },
      ],
      maxTokens: 16,
      continues: true,
    });
    return /^\D*5/.test(text) ? 'continue' : 'multi-turn';
  } catch (thrown) {
    if (asVgrError(thrown).code !== 'REFINEMENT_FAILED') throw thrown;
    return 'multi-turn';
  }
}
