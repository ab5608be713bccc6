import { ERRORS, type ErrorCode, HoldpointError } from '../../domain/errors.ts';
import { type Row, V4_ERRORS, type V4Code } from './error-table.ts';

/** What GitLab's framework adds to two of its answers. */
const DESCRIPTIONS: Partial<Record<V4Code, string>> = {
  token_over: 'Token is expired. You can either do re-authorization or token refresh.',
  insufficient_scope: 'The request requires higher privileges than provided by the access token.',
};

/** An error as GitLab would answer it; its text is a row of the table. */
export class V4Error extends Error {
  readonly code: V4Code;
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  constructor(code: V4Code, values: Readonly<Record<string, string | number>> = {}, options?: { cause?: unknown }) {
    const { status, member, text }: Row = V4_ERRORS[code];
    const filled = text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''));
    super(filled, options);
    this.name = 'V4Error';
    this.code = code;
    this.status = status;
    const description = DESCRIPTIONS[code];
    this.body =
      member === 'messages'
        ? { message: [filled] }
        : code === 'rate_limited'
          ? { message: { error: filled } }
          : {
              [member]: filled,
              ...(description === undefined ? {} : { error_description: description }),
              ...(values.scope === undefined ? {} : { scope: values.scope }),
            };
  }
}

/** What is left of an error of the hub that no route has given words of GitLab's: never more than its status says. */
export function v4Error(error: HoldpointError): V4Error {
  const cause = { cause: error };
  if (error.code === 'token_expired') return new V4Error('token_over', {}, cause);
  switch (ERRORS[error.code].status) {
    case 401:
      return new V4Error('unauthorized', {}, cause);
    case 403:
      return new V4Error('forbidden_because', { reason: error.message }, cause);
    case 404:
      return new V4Error('not_found', {}, cause);
    case 409:
      // What is refused for another reason says so: sending it again would not help.
      return error.code === 'hold_conflict'
        ? new V4Error('changed_meanwhile', {}, cause)
        : new V4Error('forbidden_because', { reason: error.message }, cause);
    case 413:
      return new V4Error('too_large', {}, cause);
    case 400:
    case 422:
      return new V4Error('invalid', { reason: error.message }, cause);
    case 429:
      return new V4Error('rate_limited', {}, cause);
    case 502:
    case 503:
      return new V4Error('unavailable', {}, cause);
    default:
      return new V4Error('internal', {}, cause);
  }
}

/** Runs a verb; errors of these codes get the words of GitLab's that stand beside them, filled with `values` and the reason. */
export async function asGitlab<T>(
  words: Partial<Record<ErrorCode, V4Code>>,
  work: () => Promise<T>,
  values: Readonly<Record<string, string | number>> = {},
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = error instanceof HoldpointError ? words[error.code] : undefined;
    if (!(error instanceof HoldpointError) || code === undefined) throw error;
    throw new V4Error(code, { reason: error.message, ...values }, { cause: error });
  }
}
