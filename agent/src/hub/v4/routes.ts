import type { V4Context } from './context.ts';
import type { V4Route } from './route.ts';
import { userRoutes } from './user.ts';

/** The whole of GitLab's API that is here. */
export function v4Routes(context: V4Context): readonly V4Route[] {
  return [userRoutes].flatMap((part) => part(context));
}
