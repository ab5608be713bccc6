// How the page is built: names by content, nothing inline (the page's CSP allows nothing inline), no request to another host.
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));

/** Options of vite for a build into a folder. */
export function pageBuild(outDir) {
  return {
    configFile: false,
    root: here,
    base: '/',
    logLevel: 'warn',
    publicDir: false,
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir,
      emptyOutDir: true,
      target: 'es2023',
      assetsDir: 'assets',
      // A `data:` address would be content that the CSP has to let in.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      sourcemap: false,
      reportCompressedSize: false,
      // What only a view that is opened later needs is in a file of its own, and may be large.
      chunkSizeWarningLimit: 600,
    },
  };
}
