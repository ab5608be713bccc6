/** A reason of the hub without whom to ask, where that is told by name at the head of the page. */
export const shortReason = (reason: string | null): string | null => reason?.replace(/: ask [^:;]*$/, '') ?? null;
