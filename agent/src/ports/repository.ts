import type { FilesRead } from '../domain/covered-files.ts';

/** One commit of one repository, and what of it is wanted. */
export interface RepositoryQuestion {
  /** `http:` or `https:`, without user info; the credential goes there and nowhere else. */
  readonly url: string;
  readonly username: string;
  readonly password: string;
  /** PEM of the authority of the server's certificate, where the system does not know it. */
  readonly ca: string | null;
  /** 40 or 64 hex digits. */
  readonly commit: string;
  readonly patterns: readonly string[];
}

/** Reads files of a repository without running anything of it. Never rejects: what cannot be read is an answer. */
export interface Repository {
  read(question: RepositoryQuestion): Promise<FilesRead>;
}
