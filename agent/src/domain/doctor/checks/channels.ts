import { answer, fail, ok } from '../finding.ts';
import type { Check } from '../observation.ts';
import { given } from '../words.ts';

export const channels: Check = {
  id: 'channels',
  title: 'Channels',
  means:
    'Who can help is told through the channels of notify. Nothing is sent: a connection is made as for a message (of web hooks and chats no further than TLS, of mail up to the sign-in) and closed again.',
  agent: false,
  notOfHub: null,
  look: (look) =>
    given(look.channels, (list) =>
      answer(
        list.map(({ name, problem }) =>
          problem === null
            ? ok(`channel ${name} is reached`)
            : fail(
                `channel ${name}: ${problem}`,
                'look at its entry in notify; what could not be sent waits ("holdpoint notifications")',
              ),
        ),
        () => ok('no channels are defined: nobody is told anything, people look at the page'),
      ),
    ),
};
