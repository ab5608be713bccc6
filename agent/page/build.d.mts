import type { InlineConfig } from 'vite';

/** Options of vite for a build of the page into a folder. */
export function pageBuild(outDir: string): InlineConfig;
