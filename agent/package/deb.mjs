import { createHash } from 'node:crypto';
import { chmodSync, cpSync, lstatSync, lutimesSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { run } from './run.mjs';
import { architecture, put } from './tree.mjs';

const debian = fileURLToPath(new URL('debian/', import.meta.url));
const SCRIPTS = ['postinst', 'prerm', 'postrm'];
/** Files of the tree that are started by themselves. */
const PROGRAMS = ['usr/lib/holdpoint/bin/node', 'usr/bin/holdpoint'];

/** The version as Debian orders it: 1.0.0-rc.1 comes before 1.0.0. */
export const debianVersion = (version) => version.replace('-', '~');

/** Builds the .deb from a tree that was laid (which it takes) and gives its path. */
export function buildDeb({ root, work, out, laid, version, sbom, epoch }) {
  const image = join(work, 'image');
  const at = (...names) => join(image, ...names);
  mkdirSync(at('usr/lib'), { recursive: true });
  renameSync(laid.tree, at('usr/lib/holdpoint'));
  put(at('usr/bin/holdpoint'), readFileSync(join(debian, 'holdpoint'), 'utf8'));
  for (const name of readdirSync(join(root, 'systemd'))) {
    const text = readFileSync(join(root, 'systemd', name), 'utf8');
    const kind = /\.(sysusers|tmpfiles)\.conf$/.exec(name)?.[1];
    put(kind ? at(`usr/lib/${kind}.d/holdpoint.conf`) : at('lib/systemd/system', name), text);
  }
  const doc = at('usr/share/doc/holdpoint');
  for (const name of readdirSync(join(root, 'agent/docs'))) {
    if (name.endsWith('.md')) put(join(doc, name), readFileSync(join(root, 'agent/docs', name), 'utf8'));
  }
  put(join(doc, 'NEWS.md'), readFileSync(join(root, 'CHANGELOG.md'), 'utf8'));
  put(join(doc, 'sbom.cdx.json'), sbom);
  put(join(doc, 'copyright'), readFileSync(join(debian, 'copyright'), 'utf8'));
  put(join(doc, 'LICENSE.node'), readFileSync(laid.nodeLicense, 'utf8'));
  put(join(doc, 'changelog.gz'), gzipSync(changelog(version, epoch), { level: 9 }));
  for (const name of ['policy.yaml', 'principals.yaml', 'policy.test.yaml'])
    cpSync(join(root, 'policy', name), join(doc, 'examples', name));
  cpSync(join(root, 'policy/examples'), join(doc, 'examples'), { recursive: true });
  put(at('usr/share/lintian/overrides/holdpoint'), readFileSync(join(debian, 'lintian-overrides'), 'utf8'));

  const { debian: arch } = architecture();
  put(at('DEBIAN/control'), control(work, image, version, arch));
  for (const name of SCRIPTS) put(at('DEBIAN', name), readFileSync(join(debian, name), 'utf8'));
  put(at('DEBIAN/md5sums'), md5sums(image));
  normalise(image, image, epoch);

  const file = join(out, `holdpoint_${debianVersion(version)}_${arch}.deb`);
  // The number of threads decides how xz cuts its blocks.
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(epoch), DPKG_DEB_THREADS_MAX: '2' };
  run('dpkg-deb', ['--root-owner-group', '-Zxz', '-z1', '--build', image, file], { env });
  return file;
}

function control(work, image, version, arch) {
  const elves = [
    'bin/node',
    ...filesBelow(join(image, 'usr/lib/holdpoint/node_modules'))
      .filter((name) => name.endsWith('.node'))
      .map((name) => `node_modules/${name}`),
  ];
  put(join(work, 'debian/control'), 'Source: holdpoint\n\nPackage: holdpoint\nArchitecture: any\n');
  const said = run(
    'dpkg-shlibdeps',
    ['-O', '--ignore-missing-info', ...elves.map((name) => `-e${join(image, 'usr/lib/holdpoint', name)}`)],
    {
      cwd: work,
    },
  );
  const libraries = /^shlibs:Depends=(.*)$/m.exec(said)?.[1] ?? '';
  const kib = filesBelow(image).reduce((sum, name) => sum + Math.ceil(lstatSync(join(image, name)).size / 1024), 0);
  return readFileSync(join(debian, 'control'), 'utf8')
    .replace('@VERSION@', debianVersion(version))
    .replace('@ARCHITECTURE@', arch)
    .replace('@INSTALLED_SIZE@', String(kib))
    .replace('@LIBRARIES@', libraries);
}

const changelog = (version, epoch) => `holdpoint (${debianVersion(version)}) unstable; urgency=medium

  * What is new stands in NEWS.md.

 -- ${MAINTAINER}  ${new Date(epoch * 1_000).toUTCString().replace('GMT', '+0000')}
`;
const MAINTAINER = /^Maintainer: (.*)$/m.exec(readFileSync(join(debian, 'control'), 'utf8'))[1];

function md5sums(image) {
  const names = filesBelow(image).filter((name) => !name.startsWith('DEBIAN/'));
  return names
    .map(
      (name) =>
        `${createHash('md5')
          .update(readFileSync(join(image, name)))
          .digest('hex')}  ${name}\n`,
    )
    .join('');
}

/** Paths of all files below a folder, in the order of their bytes. */
export function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** One mode for files and one for folders, one time for all: nothing of the machine and the moment of the build. */
function normalise(path, image, epoch) {
  const status = lstatSync(path);
  const name = relative(image, path);
  if (status.isDirectory()) {
    for (const entry of readdirSync(path)) normalise(join(path, entry), image, epoch);
    chmodSync(path, 0o755);
  } else if (status.isFile()) {
    const program = PROGRAMS.includes(name) || (name.startsWith('DEBIAN/') && SCRIPTS.includes(name.slice(7)));
    chmodSync(path, program ? 0o755 : 0o644);
  }
  lutimesSync(path, epoch, epoch);
}
