/** The host could not do its part; the message is one line for the job log, without secret and stack. */
export class ExecutorFailure extends Error {
  override readonly name = 'ExecutorFailure';
}
