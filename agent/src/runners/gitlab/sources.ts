import type { JobSources } from '../../ports/ci-server.ts';
import { checkoutProblem } from './checkout.ts';
import { type Form, withoutUserInfo } from './form.ts';
import { namedImages, WHY_UNTOLD } from './image-references.ts';
import { registryLogins } from './registry-logins.ts';

/** Path of the repository's address: which host it is on is the agent's own setting, and no payload's (T47). */
function repositoryPath(repoUrl: string): string | null {
  try {
    const { protocol, pathname, search, hash } = new URL(withoutUserInfo(repoUrl));
    const isPlain = /^https?:$/.test(protocol) && search === '' && hash === '' && pathname !== '/';
    return isPlain ? pathname : null;
  } catch {
    return null;
  }
}

/**
 * Where a job takes what it runs with from. `clean`: takes out of a text what is secret for certain, and nothing that whoever
 * starts a pipeline may have typed: a line of a script must not vanish behind a variable (T57).
 */
export function sourcesOf(form: Form, clean: (text: string) => string): JobSources {
  const { fields, groups } = form;
  const holdsSecret = (text: string): boolean => {
    try {
      return clean(text) !== text;
    } catch {
      // Too long to be searched.
      return true;
    }
  };
  return {
    repository: repositoryPath(fields.repoUrl),
    commit: fields.sha,
    checkoutProblem: checkoutProblem(groups),
    images: namedImages(form.payload, groups).map((image) =>
      image.reference !== null && holdsSecret(image.reference)
        ? { ...image, reference: null, unresolved: WHY_UNTOLD.hidden }
        : image,
    ),
    registries: registryLogins(form.payload),
    holdsSecret,
  };
}
