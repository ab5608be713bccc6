import { canonicalJson } from '../../../../src/domain/canonical-json.ts';
import type { JsonObject } from '../../../../src/domain/json.ts';
import { ShownLines } from '../../ui/shown.tsx';

/** The digest as it was computed here, whole: nobody compares a prefix (T36). */
export function Digest({ digest, configuration }: { readonly digest: string; readonly configuration: JsonObject }) {
  return (
    <section aria-labelledby="digest-title" class="box">
      <h2 id="digest-title">Digest</h2>
      <p class="digest">
        <code>{digest}</code>
      </p>
      <p class="quiet">
        Computed in this browser from the configuration shown here. An approve sends this one; the hub takes it only for
        this very configuration.
      </p>
      <details>
        <summary>The whole configuration, as it is hashed</summary>
        <Canonical configuration={configuration} />
      </details>
    </section>
  );
}

/** More is no reading any more; the command line prints all of it. */
const MAX_CHARACTERS = 200_000;

function Canonical({ configuration }: { readonly configuration: JsonObject }) {
  const text = canonicalJson(configuration);
  return (
    <>
      <pre class="canonical">
        <ShownLines text={text.slice(0, MAX_CHARACTERS)} />
      </pre>
      {text.length > MAX_CHARACTERS && (
        <p class="quiet">
          The first {MAX_CHARACTERS} of {text.length} characters. All of it: <code>holdpoint holds show --json</code>
        </p>
      )}
    </>
  );
}
