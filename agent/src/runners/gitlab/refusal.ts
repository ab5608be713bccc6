/** Thrown inside the payload reader only, and answered as a Reading: no secret of the payload stands in it. */
export class PayloadRefusal extends Error {
  readonly code: 'payload_refused' | 'variable_key_needed';
  readonly path: string;
  constructor(code: 'payload_refused' | 'variable_key_needed', path: string, reason: string) {
    super(reason);
    this.name = 'PayloadRefusal';
    this.code = code;
    this.path = path;
  }
}
