// The tree that is installed: the compiled program, its production packages, and the Node that they were built for. Everything in it comes
// from two lock files; nothing of the machine that builds stays in it, so that two builds are equal.
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PackageError, run } from './run.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
/** Packages with a part in C++, and what of them is needed to run. */
const NATIVE = {
  'better-sqlite3': ['LICENSE', 'package.json', 'lib', 'build/Release/better_sqlite3.node'],
  'node-pty': ['LICENSE', 'package.json', 'lib', 'build/Release/pty.node'],
};
/** Packages whose part in C++ is inside packages of its own, built for every Node: what is needed to run, and where the part lies. */
const PREBUILT = {
  koffi: [
    'LICENSE.txt',
    'package.json',
    'index.cjs',
    'index.js',
    ...['index.cjs', 'index.js', 'src/static.cjs', 'src/static.js'].map((name) => `src/koffi/${name}`),
  ],
  [`@koromix/koffi-linux-${process.arch}`]: ['package.json', 'index.js', `linux_${process.arch}/koffi.node`],
};
/** What only people who change a package read. */
const NOT_RUN =
  /\.(map|ts|mts|cts|tsx|markdown|yml|flow)$|^(\.github|\.vscode|\.husky|\.editorconfig|\.eslint.*|\.prettier.*|\.npmignore|\.taprc|\.package-lock\.json|\.nycrc)$/;

/** Debian's name of this machine's processor, and the package with its Node. */
export function architecture() {
  const names = { x64: 'amd64', arm64: 'arm64' };
  const debian = names[process.arch];
  if (process.platform !== 'linux' || debian === undefined) {
    throw new PackageError(
      `packages are built on Linux on ${Object.keys(names).join(' or ')}, not on ${process.platform} on ${process.arch}`,
    );
  }
  return { debian, node: `node-linux-${process.arch}` };
}

/** Lays the tree in `work/tree` and says which Node is in it. `dist` must have been built. */
export function layTree(root, work) {
  const tree = join(work, 'tree');
  const nodeFolder = join(work, 'node');
  for (const folder of [tree, nodeFolder]) mkdirSync(folder, { recursive: true });
  const { node: nodePackage } = architecture();

  for (const name of ['package.json', 'package-lock.json']) cpSync(join(here, 'node', name), join(nodeFolder, name));
  install(nodeFolder, []);
  const node = join(nodeFolder, 'node_modules', nodePackage);
  if (!existsSync(join(node, 'bin/node'))) throw new PackageError(`${nodePackage} has no bin/node in it`);
  const nodeVersion = JSON.parse(readFileSync(join(node, 'package.json'), 'utf8')).version;

  writeProduction(root, tree);
  install(tree, ['--ignore-scripts']);
  const sbom = run('npm', ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'], { cwd: tree });
  for (const [name, kept] of Object.entries(NATIVE)) {
    compile(join(tree, 'node_modules', name), node, work);
    keep(join(tree, 'node_modules', name), kept);
  }
  for (const [name, kept] of Object.entries(PREBUILT)) keep(join(tree, 'node_modules', name), kept);
  tidy(join(tree, 'node_modules'));
  tidyPackages(join(tree, 'node_modules'));
  rmSync(join(tree, 'package-lock.json'));
  for (const [name, kept] of [...Object.entries(NATIVE), ...Object.entries(PREBUILT).slice(1)])
    prove(join(tree, 'node_modules', name, kept.at(-1)), join(node, 'bin/node'));

  cpSync(join(root, 'dist'), join(tree, 'dist'), { recursive: true, filter: (path) => !path.endsWith('.map') });
  for (const name of ['policy', 'test/fixtures/gitlab'])
    cpSync(join(root, name), join(tree, name), { recursive: true });
  mkdirSync(join(tree, 'bin'));
  cpSync(join(node, 'bin/node'), join(tree, 'bin/node'));
  chmodSync(join(tree, 'bin/node'), 0o755);
  run('strip', ['--strip-unneeded', join(tree, 'bin/node')]);
  return { tree, nodeVersion, nodeLicense: join(node, 'LICENSE'), sbom: JSON.parse(sbom) };
}

/**
 * package.json and its lock without what only developers install. npm would leave that out by itself (--omit=dev), but its bill of materials
 * then lacks whatever developers' packages need as well.
 */
function writeProduction(root, tree) {
  const read = (name) => JSON.parse(readFileSync(join(root, name), 'utf8'));
  const { devDependencies: _, scripts: __, ...own } = read('package.json');
  const lock = read('package-lock.json');
  delete lock.packages[''].devDependencies;
  for (const [path, entry] of Object.entries(lock.packages)) if (entry.dev) delete lock.packages[path];
  put(join(tree, 'package.json'), `${JSON.stringify(own, null, 2)}\n`);
  put(join(tree, 'package-lock.json'), `${JSON.stringify(lock, null, 2)}\n`);
}

function install(folder, flags) {
  run('npm', ['ci', '--no-audit', '--no-fund', ...flags], { cwd: folder });
}

/** Builds a native package from its source against the headers of the Node that is brought along, and for it. */
function compile(folder, node, work) {
  // Paths of this machine would make two builds differ.
  const map = `-ffile-prefix-map=${work}=/build`;
  const own = { CFLAGS: map, CXXFLAGS: map, LDFLAGS: '-Wl,--build-id=none', PATH: `${node}/bin:${process.env.PATH}` };
  // What npm was told of the Node that runs this must not reach the build for another one.
  const told = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
  const env = { ...Object.fromEntries(told), ...own };
  run(join(node, 'bin/node'), [nodeGyp(), 'rebuild', '--release', `--nodedir=${node}`], { cwd: folder, env });
}

/** A module that this Node does not load would be found out by whoever installs the package. */
function prove(file, node) {
  run(node, ['-e', 'process.dlopen({ exports: {} }, process.argv[1])', file]);
}

/** The node-gyp that npm brings. */
function nodeGyp() {
  const npm = join(run('npm', ['root', '-g']).trim(), 'npm');
  return process.env.npm_config_node_gyp ?? join(npm, 'node_modules/node-gyp/bin/node-gyp.js');
}

/** Keeps these files and folders of a package, stripped, and nothing else. */
function keep(folder, kept) {
  const beside = `${folder}.kept`;
  for (const name of kept) {
    cpSync(join(folder, name), join(beside, name), { recursive: true });
    if (name.endsWith('.node')) run('strip', ['--strip-unneeded', join(beside, name)]);
  }
  rmSync(folder, { recursive: true });
  cpSync(beside, folder, { recursive: true });
  rmSync(beside, { recursive: true });
}

function tidy(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (NOT_RUN.test(entry.name) || entry.name === '.bin') rmSync(path, { recursive: true });
    else if (entry.isDirectory()) tidy(path);
  }
  if (readdirSync(folder).length === 0) rmSync(folder, { recursive: true });
}

/** Folders at the top of a package that nothing of it reads when it runs. */
const NOT_RUN_FOLDERS = [
  'test',
  'tests',
  '__tests__',
  'integration',
  'benchmark',
  'benchmarks',
  'bench',
  'docs',
  'examples',
  'example',
  'fixtures',
];

/** Modules for the runtime Bare, for each platform that it has; Node takes its own in their place. */
const NOT_OF_NODE = /^bare-/;

function tidyPackages(modules) {
  for (const name of readdirSync(modules)) {
    const folders = name.startsWith('@')
      ? readdirSync(join(modules, name)).map((inner) => join(modules, name, inner))
      : [join(modules, name)];
    if (NOT_OF_NODE.test(name)) rmSync(join(modules, name, 'prebuilds'), { recursive: true, force: true });
    for (const folder of folders) {
      for (const left of NOT_RUN_FOLDERS) rmSync(join(folder, left), { recursive: true, force: true });
      if (existsSync(join(folder, 'node_modules'))) tidyPackages(join(folder, 'node_modules'));
    }
  }
}

/** Writes a small text file, its folders included. */
export function put(path, text, mode = 0o644) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
}
