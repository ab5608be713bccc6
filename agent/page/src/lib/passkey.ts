import { ask } from './ask.ts';

/** True where the browser makes passkeys for this page. */
export const canAdd = (): boolean => window.isSecureContext && 'credentials' in navigator;

/** Has the device make a passkey for this page, and the hub keep it. It counts for nothing until somebody else confirms it. */
export async function addPasskey(name: string): Promise<void> {
  const options = await ask<{ readonly challenge: string }>('POST', 'passkeys/challenge', {});
  const { startRegistration } = await import('@simplewebauthn/browser');
  const optionsJSON = options as unknown as Parameters<typeof startRegistration>[0]['optionsJSON'];
  const response = await startRegistration({ optionsJSON });
  await ask('POST', 'passkeys', { challenge: options.challenge, response, name });
}
