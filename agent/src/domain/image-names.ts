import { isJsonList, isJsonObject, type Json, type JsonObject } from './json.ts';
import { readable } from './segments.ts';

/** An image that a Configuration names, and where. */
export interface ImageName {
  readonly role: 'image' | 'services';
  readonly name: string;
  readonly path: string;
}

function nameIn(value: Json | undefined): string | null {
  const name = isJsonObject(value) ? value.name : value;
  return name === undefined || name === null ? null : readable(name);
}

/** Every image that a Configuration names: its own and those of its services. */
export function imageNames(configuration: JsonObject | null): readonly ImageName[] {
  const image = nameIn(configuration?.image);
  const services = configuration?.services;
  return [
    ...(image === null ? [] : [{ role: 'image' as const, name: image, path: 'image.name' }]),
    ...(isJsonList(services) ? services : []).flatMap((service, index) => {
      const name = nameIn(service);
      return name === null ? [] : [{ role: 'services' as const, name, path: `services[${index}].name` }];
    }),
  ];
}

/** The registry that an image comes from; Docker's own where the name has none, as Docker reads it. */
export function registryOf(name: string): string {
  const [first = '', ...rest] = name.split('/');
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost' || first.startsWith('$'));
  return isHost ? first : 'docker.io';
}

/** True when the name fixes the content of the image. */
export function isPinned(name: string): boolean {
  return /@sha256:[0-9a-f]{64}$/.test(name);
}
