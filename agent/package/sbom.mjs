import { createHash } from 'node:crypto';

/**
 * The CycloneDX list of everything in the package, from npm's: with the Node that is brought along, and the same for the same content
 * (npm's has the time and a random number in it).
 */
export function billOfMaterials(fromNpm, { nodeVersion, epoch }) {
  const node = {
    'bom-ref': `node@${nodeVersion}`,
    type: 'platform',
    name: 'node',
    version: nodeVersion,
    scope: 'required',
    purl: `pkg:generic/node@${nodeVersion}`,
    licenses: [{ license: { id: 'MIT' } }],
  };
  const bom = structuredClone(fromNpm);
  delete bom.serialNumber;
  bom.metadata.timestamp = new Date(epoch * 1_000).toISOString();
  bom.components = [...bom.components, node];
  const own = bom.dependencies.find((each) => each.ref === bom.metadata.component['bom-ref']);
  own.dependsOn = [...own.dependsOn, node['bom-ref']];
  bom.dependencies = [...bom.dependencies, { ref: node['bom-ref'], dependsOn: [] }];
  const hash = createHash('sha256').update(JSON.stringify(bom)).digest('hex');
  // A number of its own for each content, in the form of a random UUID (version 8: of our own making, RFC 9562).
  const uuid = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
  return `${JSON.stringify({ ...bom, serialNumber: `urn:uuid:${uuid}` }, null, 2)}\n`;
}
