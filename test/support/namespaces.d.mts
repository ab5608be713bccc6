export const OUTER: readonly string[];
export function canMakeNamespaces(): boolean;
export function canMount(): boolean;
