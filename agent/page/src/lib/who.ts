import { signal } from '@preact/signals';
import type { SessionView } from '../../../src/wire/session.ts';

/** Who is signed in; undefined until the hub has said so. */
export const session = signal<SessionView | undefined>(undefined);
