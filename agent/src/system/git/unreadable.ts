/** What a repository has cannot be told, for good: in words that may be shown, with nothing of a credential in them. */
export class Unreadable extends Error {}
