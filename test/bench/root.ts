/** The project's top folder, with a slash at the end: the compiled benchmarks lie elsewhere. */
export const ROOT: string = process.env.HOLDPOINT_BENCH_ROOT ?? `${process.cwd()}/`;
